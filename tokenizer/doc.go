// Package tokenizer turns a text into the token ids that CLIP's text tower was
// trained on: byte-level byte-pair encoding (Sennrich et al. 2016) with CLIP's
// clean-up, as the tokenizer.json, or the vocab.json and merges.txt, of a
// checkpoint of transformers say.
//
// What is a letter and what a number follows Go's Unicode tables: a letter that
// Unicode got later is taken for a sign.
//
// It is not a general reader of tokenizer.json: one whose normalizer, pattern or
// model is not CLIP's is refused with what was found.
package tokenizer
