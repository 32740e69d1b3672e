// Package sam is Segment Anything (Kirillov et al. 2023): a mask for each point or box that
// somebody gives. An image encoder, a vision transformer with windows (ViTDet, Li et al.
// 2022), runs once a picture; the prompt encoder and the mask decoder, two layers that look
// both ways between prompts and picture, run for each prompt.
//
// It reads transformers' SamModel, the sizes of SlimSAM among them, and the authors' files.
// Pictures, clicks and masks of a picture's own size are package models'.
package sam
