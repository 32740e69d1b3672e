// Package picture goes from a picture file to a network's input, and back to a
// file.
//
//   - [Decode] and [Open] read PNG, JPEG, GIF (first frame), BMP, WebP and TIFF
//     (first page) into an [Image]: 8-bit RGB, turned upright as EXIF or XMP say,
//     transparency composited over a background.
//   - [Image.Resize] resamples as Pillow does, bit for bit.
//   - [Processor] holds what a checkpoint says about its pictures
//     (transformers' preprocessor_config.json, timm's pretrained_cfg,
//     torchvision's ImageNet transform) and turns an [Image] into float32 CHW.
//   - [Canny] draws the edges of an [Image], as ControlNets want them.
//   - [WritePNG] writes an [Image] with text chunks, [WriteGIF] several as an animation.
//
// A network sees what its training pipeline saw only if the pictures are the
// same to within rounding, so decoding, resampling and cropping follow libjpeg-turbo,
// libwebp, Pillow and transformers, not what looks best. The goldens of
// golden/picture compare with them. Where Pillow refuses a file that lacks nothing
// but its end, or has a damaged chunk that says nothing of the pixels, it is read.
//
// It is not an imaging library: no colour management (embedded ICC profiles are
// ignored, as the reference pipelines do), no drawing, no video, no writing of
// anything but PNG and GIF. It knows nothing of models or GPUs.
//
// All functions are safe to call from several goroutines; an [Image] and a
// [Processor] may be shared as long as nobody writes to them.
package picture
