package whisper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/models/whisper"
	"saccade/weights"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// spoken is the golden whisper_speech.
type spoken struct {
	module *nn.Module
	config []byte
	sounds map[string]nn.Array
	texts  []spokenText
}

// spokenText is what transformers' generate wrote.
type spokenText struct {
	Sound     string
	Config    json.RawMessage
	Arguments struct {
		Language, Task string
		Times          bool `json:"return_timestamps"`
	}
	Segments [][]struct {
		Start, End float64
		Tokens     []uint32
	}
}

func openSpoken(t *testing.T, d *gpu.Device, precision gpu.DType) spoken {
	t.Helper()
	c, err := golden.Find("whisper_speech")
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	s := spoken{sounds: map[string]nn.Array{}}
	s.config, err = fs.ReadFile(folder, "config.json")
	require.NoError(t, err)
	src, err := golden.Checkpoint(c)
	require.NoError(t, err)
	described, err := whisper.Family.Describe(nn.Checkpoint{Name: "whisper", Tensors: src, Config: s.config})
	require.NoError(t, err)
	s.module = nn.NewModule(d, "whisper", precision, described)
	t.Cleanup(s.module.Drop)
	file, err := weights.OpenFS(folder, "speech.safetensors")
	require.NoError(t, err)
	for _, name := range file.Names() {
		tensor, _ := file.Tensor(name)
		data := make([]float32, tensor.Len())
		require.NoError(t, tensor.Float32s(data))
		s.sounds[name] = nn.Array{Shape: tensor.Shape, Data: data}
	}
	require.NoError(t, json.Unmarshal([]byte(file.Metadata()["texts"]), &s.texts))
	return s
}

// listener is one with a generation config.
func (s spoken) listener(t *testing.T, generation []byte) *whisper.Listener {
	t.Helper()
	speech, err := whisper.ParseSpeech(generation, s.config)
	require.NoError(t, err)
	c, err := generate.ParseConfig(generation)
	require.NoError(t, err)
	layers, err := s.module.Layers()
	require.NoError(t, err)
	l := &whisper.Listener{Speech: speech, Writer: generate.New(s.module, layers.Decoder, c)}
	t.Cleanup(l.Writer.Close)
	return l
}

// Languages, tasks, times, beams and windows give the tokens and times that transformers'
// generate does.
func TestHear(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	buffers := d.Stats().Buffers
	for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
		t.Run(precision.String(), func(t *testing.T) {
			s := openSpoken(t, d, precision)
			for i, text := range s.texts {
				if _, raw := s.sounds[text.Sound]; !raw {
					continue // a file, which package models tests
				}
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					l := s.listener(t, text.Config)
					ask := whisper.Ask{Language: text.Arguments.Language, Task: text.Arguments.Task, Times: text.Arguments.Times}
					got, err := l.Hear(t.Context(), s.sounds[text.Sound], ask)
					require.NoError(t, err)
					require.Len(t, got, len(text.Segments))
					for n, segments := range text.Segments {
						require.Len(t, got[n].Segments, len(segments))
						var tokens []uint32
						for j, want := range segments {
							assert.Equal(t, want.Tokens, got[n].Segments[j].Tokens)
							assert.InDelta(t, want.Start, got[n].Segments[j].Start, 1e-9)
							assert.InDelta(t, want.End, got[n].Segments[j].End, 1e-9)
							tokens = append(tokens, want.Tokens...)
						}
						assert.Equal(t, tokens, got[n].Tokens)
					}
				})
			}
		})
	}
	assert.Equal(t, buffers, d.Stats().Buffers, "buffers that nobody freed")
}

// What does not fit the encoder is refused, and hearing ends with its context.
func TestHearRefuses(t *testing.T) {
	s := openSpoken(t, gputest.Open(t, gpu.Options{}), gpu.F32)
	l := s.listener(t, []byte(`{"max_new_tokens": 3}`))
	for want, a := range map[string]nn.Array{
		"input_features: found shape [1 7 26] with 182 values, expected [N 8 frames]": {Shape: []int{1, 7, 26}, Data: make([]float32, 182)},
		"found shape [8 26]":  {Shape: []int{8, 26}, Data: make([]float32, 208)},
		"found shape [1 8 0]": {Shape: []int{1, 8, 0}},
		"found 2 spectrograms of 27 frames; those of more than 26 are taken one by one": {Shape: []int{2, 8, 27}, Data: make([]float32, 432)},
		"has no no_timestamps_token_id": {Shape: []int{1, 8, 27}, Data: make([]float32, 216)},
	} {
		_, err := l.Hear(t.Context(), a, whisper.Ask{})
		assert.ErrorContains(t, err, want)
	}
	none := s.listener(t, []byte(`{"no_timestamps_token_id": 266}`))
	none.Writer.Config.End = nil
	_, err := none.Hear(t.Context(), s.sounds["short"], whisper.Ask{Times: true})
	assert.ErrorContains(t, err, "eos_token_id")
	for _, config := range []string{`{"no_timestamps_token_id": 280}`, `{"no_timestamps_token_id": 4000000}`, `{"lang_to_id": {"<|en|>": 4000000}}`, `{"lang_to_id": {}}`, `{"decoder_start_token_id": 281}`} {
		_, err := s.listener(t, []byte(config)).Hear(t.Context(), s.sounds["short"], whisper.Ask{Times: config[2] == 'n'})
		require.Error(t, err, config)
		assert.Less(t, len(err.Error()), 200)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.Writer.Config.MaxTokens = 30
	n := 0
	_, err = l.Hear(ctx, s.sounds["short"], whisper.Ask{Each: func(uint32) {
		if n++; n == 4 {
			cancel()
		}
	}})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 4, n)
}
