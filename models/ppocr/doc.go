// Package ppocr is PP-OCR v5 and v6 of transformers (PaddleOCR): a detector whose map says
// where text is (DB, Liao et al. 2019), and a recogniser that reads a line (SVTR, Du et al.
// 2022, with connectionist temporal classification), both on PP-LCNet V3 or V4 or, those of v5's
// server and v6's medium size, on PP-HGNetV2 (package hgnet).
//
// What turns maps into lines is here too: contours, least rectangles, crops and the order
// of reading.
package ppocr
