// Package clap is CLAP (Wu et al. 2023), which brings sounds and texts into one space: an
// HTSAT, which is a Swin over a spectrogram folded into a square, and a RoBERTa. It reads
// transformers' checkpoints and makes their spectrograms; sounds are read by package sound.
package clap
