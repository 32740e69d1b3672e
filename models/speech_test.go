package models_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/nn"
	"saccade/sound"
	"saccade/weights"
)

const speechFolder = "../golden/models/whisper_speech"

// saidText is what transformers' generate writes of a file.
type saidText struct {
	Sound     string
	Arguments struct {
		Language, Task string
		Times          bool `json:"return_timestamps"`
	}
	Text     []string
	Segments [][]struct {
		Start, End float64
		Text       string
		Tokens     []uint32
	}
}

// said are those of files.
func said(t *testing.T) (all []saidText) {
	t.Helper()
	file, err := weights.Open(filepath.Join(speechFolder, "speech.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	var texts []saidText
	require.NoError(t, json.Unmarshal([]byte(file.Metadata()["texts"]), &texts))
	for _, text := range texts {
		if strings.HasSuffix(text.Sound, ".wav") {
			all = append(all, text)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// A file gives the words and times that transformers' feature extractor, generate and
// tokenizer give.
func TestListen(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
		m, err := models.Load(t.Context(), d, "whisper", speechFolder, models.Options{Precision: precision})
		require.NoError(t, err)
		assert.Equal(t, 16000, m.SoundRate())
		for _, text := range said(t) {
			t.Run(text.Sound+" "+precision.String(), func(t *testing.T) {
				s, err := sound.Open(t.Context(), filepath.Join("../golden/sound/src", text.Sound), sound.Options{Rate: m.SoundRate()})
				require.NoError(t, err)
				parts, streamed := 0, ""
				got, err := m.Listen(t.Context(), s, models.Listening{
					Language: text.Arguments.Language, Task: text.Arguments.Task, Times: text.Arguments.Times,
					Each: func(_ uint32, words string) { streamed = words },
					Part: func(models.HeardSegment) { parts++ },
				})
				require.NoError(t, err)
				assert.Equal(t, text.Text[0], got.Words)
				require.Len(t, got.Segments, len(text.Segments[0]))
				assert.Equal(t, len(got.Segments), parts)
				for i, want := range text.Segments[0] {
					part := got.Segments[i]
					assert.Equal(t, want.Tokens, part.Tokens)
					assert.Equal(t, want.Text, part.Words)
					assert.InDelta(t, want.Start, part.Start, 1e-9)
					assert.InDelta(t, want.End, part.End, 1e-9)
				}
				if !got.Timed {
					assert.Equal(t, got.Words, streamed)
				}
			})
		}
		m.Close()
	}
}

func TestListenRefuses(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m, err := models.Load(t.Context(), d, "whisper", speechFolder, models.Options{})
	require.NoError(t, err)
	defer m.Close()
	_, err = m.Listen(t.Context(), &sound.Sound{Rate: 8000, Samples: make([]float32, 9)}, models.Listening{})
	assert.EqualError(t, err, "the sound has 8000 samples a second; expected 16000")
	_, err = m.Listen(t.Context(), &sound.Sound{Rate: 16000}, models.Listening{})
	assert.ErrorContains(t, err, "0 seconds")
	_, _, err = m.ListenRaw(t.Context(), map[string]nn.Array{"input_features": {}, "decoder_attention_mask": {}}, models.Listening{}, models.Draws{})
	assert.ErrorContains(t, err, "found an input decoder_attention_mask")
	ids := nn.Array{Shape: []int{2, 1}, Data: []float32{257, 257}}
	_, _, err = m.ListenRaw(t.Context(), map[string]nn.Array{"input_features": {Shape: []int{1, 8, 26}, Data: make([]float32, 208)}, "decoder_input_ids": ids}, models.Listening{}, models.Draws{})
	assert.ErrorContains(t, err, "the beginnings of 2 texts and 1 spectrograms")
	v, err := models.Load(t.Context(), d, "vit", "../golden/models/vit_classify", models.Options{})
	require.NoError(t, err)
	defer v.Close()
	_, err = v.Listen(t.Context(), &sound.Sound{}, models.Listening{})
	assert.ErrorIs(t, err, models.ErrHearsNone)
	assert.Zero(t, v.SoundRate())
}
