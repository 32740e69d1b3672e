// Package blip is BLIP (Li et al. 2022): a vision transformer whose patches are read by
// a text decoder that captions an image or, behind a text encoder of the question,
// answers it, or by a text encoder that tells how well a text belongs to an image.
//
// What chooses the tokens is package generate. The package reads no files and prepares
// no images.
package blip
