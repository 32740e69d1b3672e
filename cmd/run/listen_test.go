package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/weights"
)

const (
	speech = "../../golden/models/whisper_speech"
	sounds = "../../golden/sound/src/"
)

// saidJSON is what transformers' generate wrote of a sound.
type saidJSON struct {
	Sound     string
	Config    json.RawMessage
	Arguments struct {
		Language, Task string
		Times          bool `json:"return_timestamps"`
	}
	Text     []string
	Segments [][]segmentJSON
}

// said are the texts of the golden whisper_speech.
func said(t *testing.T) (all []saidJSON) {
	t.Helper()
	file, err := weights.Open(filepath.Join(speech, "speech.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, json.Unmarshal([]byte(file.Metadata()["texts"]), &all))
	return all
}

// What is said in files, as transformers writes it.
func TestListen(t *testing.T) {
	n := 0
	for _, want := range said(t) {
		if !strings.HasSuffix(want.Sound, ".wav") {
			continue
		}
		n++
		args := []string{"-model", "whisper", "-weights", speech, "-audio", sounds + want.Sound, "-precision", "f32"}
		if want.Arguments.Language != "" {
			args = append(args, "-language", want.Arguments.Language)
		}
		if want.Arguments.Task != "" {
			args = append(args, "-task", want.Arguments.Task)
		}
		if want.Arguments.Times {
			args = append(args, "-timestamps")
		}
		r := call(t, append(args, "-json")...)
		requireFine(t, r)
		var doc writingJSON
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images, 1)
		got := doc.Images[0]
		assert.Equal(t, want.Text[0], got.Text)
		assert.Equal(t, "length", string(got.Stopped))
		assert.Positive(t, doc.Memory.About)
		var tokens []uint32
		for _, s := range want.Segments[0] {
			tokens = append(tokens, s.Tokens...)
		}
		assert.Equal(t, tokens, got.Tokens)
		if len(got.Segments) > 0 {
			require.Len(t, got.Segments, len(want.Segments[0]))
			assert.Equal(t, want.Segments[0][0].Text, got.Segments[0].Text)
			assert.InDelta(t, want.Segments[0][0].End, got.Segments[0].End, 1e-9)
		}
		assert.Equal(t, want.Arguments.Times || want.Sound == "second.wav", len(got.Segments) > 0, "segments where there are times")

		r = call(t, args...)
		requireFine(t, r)
		if want.Arguments.Times {
			assert.Regexp(t, regexp.MustCompile(`^ +0\.00 +\d\.\d\d  \S`), r.stdout)
		} else {
			assert.Equal(t, weights.Escape(want.Text[0])+"\n", r.stdout)
		}
	}
	assert.Equal(t, 3, n)
}

// Several sounds, some bad: the good ones are written, the bad ones named.
func TestListenBad(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.wav")
	data, err := os.ReadFile(sounds + "u8.wav")
	require.NoError(t, err)
	copy(data[40:], "\x00\x00\x00\x00")
	require.NoError(t, os.WriteFile(empty, data[:44], 0o644))
	base := []string{"-model", "whisper", "-weights", speech, "-max-tokens", "3"}
	r := call(t, append(base, "-audio", empty, "-audio", sounds+"u8.wav", "-json")...)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "sound "+empty+": it holds no samples: 0 seconds")
	var doc writingJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 1)
	assert.Len(t, doc.Images[0].Tokens, 3)
	require.Len(t, doc.Errors, 1)
	r = call(t, append(base, "-audio", sounds+"u8.wav", "-language", "klingon")...)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, `u8.wav: language "klingon" is not one of the model's 3, which are de, en, ko`)
	r = call(t, "-model", "whisper", "-weights", "../../golden/models/whisper_heads", "-audio", sounds+"u8.wav")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "tokenizer of ../../golden/models/whisper_heads: there is neither")
	r = call(t, append(base, "-audio", "none.wav")...)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "sound none.wav: no such file")
	for want, args := range map[string][]string{
		"-audio goes with a model that hears, such as whisper": {"-model", "vit", "-audio", "x.wav"},
		"-language goes with a model that hears":               {"-model", "blip", "-image", "x.png", "-language", "ko"},
		"-task":                                                {"-model", "whisper", "-audio", "x.wav", "-task", "sing"},
		"give -audio FILE in place of -image":                  {"-model", "whisper", "-image", "x.png"},
		"-question, -prompt and -text do not go with it":       {"-model", "whisper", "-audio", "x.wav", "-prompt", "x"},
		"exclude each other":                                   {"-model", "whisper", "-audio", "x.wav", "-input", "x.safetensors"},
	} {
		r := call(t, args...)
		assert.Equal(t, cli.ExitUsage, r.code, args)
		assert.Contains(t, r.stderr, want)
	}
}

// Raw spectrograms give what generate returns: without beginnings, padded behind the ends.
func TestListenRaw(t *testing.T) {
	file, err := weights.Open(filepath.Join(speech, "speech.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	out := filepath.Join(t.TempDir(), "out.safetensors")
	all := said(t)
	for _, i := range []int{2, 8, 11} { // one ends before another; times; windows
		want := all[i]
		x, raw := file.Tensor(want.Sound)
		require.True(t, raw)
		values := make([]float32, x.Len())
		require.NoError(t, x.Float32s(values))
		dir := checkpoint(t, "whisper_speech")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), want.Config, 0o644))
		args := []string{"-model", "whisper", "-weights", dir, "-precision", "f32", "-save", out, "-input", save(t, tensor(t, "input_features", values, x.Shape...))}
		if want.Arguments.Language != "" {
			args = append(args, "-language", want.Arguments.Language)
		}
		if want.Arguments.Times {
			args = append(args, "-timestamps")
		}
		requireFine(t, call(t, args...))
		longest := 0
		rows := make([][]uint32, len(want.Segments))
		for n, segments := range want.Segments {
			for _, s := range segments {
				rows[n] = append(rows[n], s.Tokens...)
			}
			longest = max(longest, len(rows[n]))
		}
		shape, got := saved(t, out, "sequences")
		require.Equal(t, []int{len(rows), longest}, shape)
		for n, row := range rows {
			for j := range longest {
				id := uint32(256) // the end
				if j < len(row) {
					id = row[j]
				}
				assert.EqualValues(t, id, got[n*longest+j])
			}
		}
	}
}
