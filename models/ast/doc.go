// Package ast is the Audio Spectrogram Transformer (Gong, Chung and Glass 2021), which
// tells what a sound is: a DeiT over overlapping patches of a spectrogram, whose class and
// distillation tokens' mean is classified. It reads transformers' checkpoints and makes
// their spectrograms; sounds are read by package sound.
package ast
