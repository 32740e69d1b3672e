// Package sound goes from a sound file to a network's input.
//
//   - [Open] and [Decode] read WAV into a [Sound]: one channel of float32 at the rate
//     that is asked for. What is not WAV of PCM or floats, ffmpeg reads where it is
//     installed.
//   - [Resample] is the windowed sinc of torchaudio.functional.resample.
//   - [LogMel] is the spectrogram that Whisper listens to.
//
// Numbers in a file's header are claims: nothing is allocated by them, and a file that
// ends early is as long as what is there. Channels are averaged, as torchaudio's and
// librosa's users do.
//
// It is no library for sound: it writes nothing, plays nothing and knows no models. All
// functions are safe to call from several goroutines.
package sound
