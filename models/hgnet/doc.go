// Package hgnet is PP-HGNetV2, the convolutional backbone of D-FINE and of PP-OCR's server
// models (PaddleClas), with the names of transformers' HGNetV2Backbone. It is no family of its
// own: it has no classifier.
package hgnet
