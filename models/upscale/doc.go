// Package upscale is the networks that enlarge images: the residual dense network of ESRGAN
// and Real-ESRGAN (RRDBNet; Wang et al. 2018 and 2021) and the small one of convolutions in a
// row (SRVGGNetCompact), by the names of their authors' files.
//
// It trains nothing, and knows no discriminator.
package upscale
