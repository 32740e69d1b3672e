// Package sam is Segment Anything (Kirillov et al. 2023): a mask for each point or box that
// somebody gives. An image encoder, a vision transformer with windows (ViTDet, Li et al.
// 2022), runs once a picture; the prompt encoder and the mask decoder, two layers that look
// both ways between prompts and picture, run for each prompt. MobileSAM (Zhang et al. 2023)
// has another encoder, TinyViT, and SAM 2 (Ravi et al. 2024) Hiera and a pyramid, whose
// finer maps its decoder takes too.
//
// It reads transformers' SamModel, the sizes of SlimSAM among them, Sam2Model and, for still
// pictures, Sam2VideoModel, and the authors' files. SAM 2's memory of videos and masks as
// prompts are not there. Pictures, clicks and masks of a picture's own size are package
// models'.
package sam
