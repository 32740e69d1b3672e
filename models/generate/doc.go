// Package generate writes texts with a decoder, a token after the other, as
// transformers' generate does: greedy, by sampling or by beams, under the rules of
// generation_config.json.
//
// Keys and values of earlier tokens stay on the device, and so do the scores: a step
// uploads tokens and reads back those chosen. Which token that is, is decided by
// operations of package ops; what follows of it, such as which beams go on, here.
//
// The package knows no tokenizer and no file but that config.
package generate
