// Package whisper is the speech recogniser of Radford et al. 2022 ("Robust Speech
// Recognition via Large-Scale Weak Supervision"): a transformer that reads a log-mel
// spectrogram of 30 seconds and writes what is said, in its language or in English, with
// the checkpoints of transformers' WhisperForConditionalGeneration.
//
// whisper.go is the network, config.go its sizes, checkpoint.go and names.go what files
// say, features.go how a sound becomes what it reads. Reading sound is package sound's
// business, choosing tokens package generate's.
package whisper
