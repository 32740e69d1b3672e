// Package trocr is TrOCR (Li et al. 2021, "TrOCR: Transformer-based Optical Character
// Recognition with Pre-trained Models"): a vision transformer whose patches of a line of
// text are read by a text decoder, which writes the line.
//
// What chooses the tokens is package generate. The package finds no lines on a page,
// reads no files and prepares no images.
package trocr
