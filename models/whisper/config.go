package whisper

import (
	"fmt"

	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Config is what a Whisper's size depends on, and its special tokens.
type Config struct {
	Bins   int // bands of the spectrogram
	States int // positions of the encoder, each of two frames
	Vocab  int // token ids
	Length int // positions of the decoder

	EncoderBlock transformer.Config
	EncoderDepth int // blocks
	DecoderLayer transformer.LayerConfig
	DecoderDepth int // layers

	Start, Pad int   // token ids
	End        []int // token ids
}

// stride is how many frames a state of the encoder covers.
const stride = 2

// Frames are those that the encoder reads, all of them.
func (c Config) Frames() int { return stride * c.States }

// check refuses what no network can be made of.
func (c Config) check() error {
	for _, v := range []struct {
		name  string
		value int
	}{
		{"num_mel_bins", c.Bins}, {"max_source_positions", c.States}, {"vocab_size", c.Vocab}, {"max_target_positions", c.Length},
		{"d_model", c.EncoderBlock.Width}, {"encoder_layers", c.EncoderDepth}, {"encoder_attention_heads", c.EncoderBlock.Heads}, {"encoder_ffn_dim", c.EncoderBlock.MLP},
		{"decoder_layers", c.DecoderDepth}, {"decoder_attention_heads", c.DecoderLayer.Heads}, {"decoder_ffn_dim", c.DecoderLayer.MLP},
	} {
		if v.value < 1 || v.value > 1<<22 {
			return fmt.Errorf("config.json: %s is %d; it must be positive", v.name, v.value)
		}
	}
	for _, heads := range []int{c.EncoderBlock.Heads, c.DecoderLayer.Heads} {
		if c.EncoderBlock.Width%heads != 0 {
			return fmt.Errorf("config.json: d_model %d is not a multiple of its %d attention heads", c.EncoderBlock.Width, heads)
		}
	}
	for _, id := range append([]int{c.Start, c.Pad}, c.End...) {
		if id < 0 || id >= c.Vocab {
			return fmt.Errorf("config.json: the special token %d is not among the %d of vocab_size", id, c.Vocab)
		}
	}
	return nil
}

// eps is of all layer norms.
const eps = 1e-5

// sized fills in what the layers share.
func (c Config) sized(width, encoderHeads, encoderMLP, decoderHeads, decoderMLP int, act ops.Activation) Config {
	c.EncoderBlock = transformer.Config{Width: width, Heads: encoderHeads, MLP: encoderMLP, Act: act, Eps: eps, QKVBias: true}
	c.DecoderLayer = transformer.LayerConfig{Width: width, Heads: decoderHeads, MLP: decoderMLP, Act: act, Eps: eps, Cross: width}
	return c
}

// Standard are the published sizes, under names in torchvision's manner.
func Standard(name string) (Config, bool) {
	sizes := map[string]struct{ width, encoder, decoder, bins int }{
		"whisper_tiny": {384, 4, 4, 80}, "whisper_base": {512, 6, 6, 80}, "whisper_small": {768, 12, 12, 80}, "whisper_medium": {1024, 24, 24, 80},
		"whisper_large_v2": {1280, 32, 32, 80}, "whisper_large_v3": {1280, 32, 32, 128}, "whisper_large_v3_turbo": {1280, 32, 4, 128},
	}
	s, ok := sizes[name]
	c := Config{Bins: s.bins, States: 1500, Vocab: 51865, Length: 448, EncoderDepth: s.encoder, DecoderDepth: s.decoder, Start: 50258, Pad: 50257, End: []int{50257}}
	if s.bins == 128 { // Cantonese came in
		c.Vocab++
	}
	return c.sized(s.width, s.width/64, 4*s.width, s.width/64, 4*s.width, ops.GELU), ok
}

// StandardNames are the names of [Standard].
func StandardNames() []string {
	return []string{"whisper_tiny", "whisper_base", "whisper_small", "whisper_medium", "whisper_large_v2", "whisper_large_v3", "whisper_large_v3_turbo"}
}
