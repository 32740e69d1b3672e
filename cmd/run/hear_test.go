package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// wav writes a sound of 16-bit samples.
func wav(t *testing.T, path string, rate, channels int, samples []int16) {
	t.Helper()
	data := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	data = binary.LittleEndian.AppendUint32(data, 16)
	data = binary.LittleEndian.AppendUint16(data, 1)
	data = binary.LittleEndian.AppendUint16(data, uint16(channels))
	data = binary.LittleEndian.AppendUint32(data, uint32(rate))
	data = binary.LittleEndian.AppendUint32(data, uint32(2*channels*rate))
	data = binary.LittleEndian.AppendUint16(data, uint16(2*channels))
	data = binary.LittleEndian.AppendUint16(data, 16)
	data = append(data, "data"...)
	data = binary.LittleEndian.AppendUint32(data, uint32(2*len(samples)))
	for _, v := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// A sound's classes, at another rate and in seven channels too; silence has some as well.
func TestSoundClasses(t *testing.T) {
	dir := t.TempDir()
	silence := filepath.Join(dir, "silence.wav")
	wav(t, silence, 44100, 7, make([]int16, 7*9000))
	out := filepath.Join(dir, "out.safetensors")
	r := call(t, "-model", "sound", "-weights", checkpoint(t, "ast"), "-audio", sounds+"second.wav", "-audio", silence, "-top", "2", "-save", out, "-json")
	requireFine(t, r)
	var doc classification
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 2)
	for _, i := range doc.Images {
		require.Len(t, i.Top, 2)
		assert.Contains(t, []string{"bell", "dog", "rain", "saw", "wind"}, i.Top[0].Label)
		assert.GreaterOrEqual(t, i.Top[0].Score, i.Top[1].Score)
	}
	saved, err := cli.ReadArrays(out)
	require.NoError(t, err)
	assert.Equal(t, []int{2, 5}, saved["logits"].Shape)
	assert.Equal(t, float32(doc.Images[1].Top[0].Logit), saved["logits"].Data[5+doc.Images[1].Top[0].Index])

	r = call(t, "-model", "sound", "-weights", checkpoint(t, "ast"), "-audio", silence)
	requireFine(t, r)
	assert.Contains(t, r.stdout, " %  ")
}

// Where an AST listens: the spectrogram beside each map, of two sounds in one figure.
func TestSoundExplained(t *testing.T) {
	out := filepath.Join(t.TempDir(), "where.png")
	args := []string{"-model", "sound", "-weights", checkpoint(t, "ast"), "-audio", sounds + "second.wav", "-precision", "f32", "-explain", out, "-json"}
	r := call(t, append(args, "-audio", sounds+"u8.wav", "-explain-method", "rollout,occlusion", "-explain-class", "rain")...)
	requireFine(t, r)
	var doc explainJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 2)
	assert.Equal(t, "rain", doc.Images[0].Class.Label)
	for _, m := range doc.Images[0].Maps {
		assert.Less(t, m.Least, m.Largest)
	}
	drawn := requireDrawn(t, doc.Written, out)
	assert.Equal(t, 2*wideSide+2*16+14, drawn.W, "two panels in a row")

	for want, more := range map[string][]string{
		"-explain needs a name of a PNG file": {"-explain", "x.jpg"},
		"-explain goes with -audio":           {"-explain", out, "-text", "a dog"},
		"go with -explain":                    {"-explain-class", "rain"},
	} {
		requireError(t, call(t, append([]string{"-model", "sound", "-weights", checkpoint(t, "ast"), "-audio", sounds + "u8.wav"}, more...)...), cli.ExitUsage, want)
	}
	requireError(t, call(t, append(args, "-explain-class", "oak")...), cli.ExitUsage, `class "oak" is unknown`)
	requireError(t, call(t, "-model", "sound", "-weights", clapFolder(t, "clap"), "-audio", sounds+"u8.wav", "-explain", out), cli.ExitFailure, "has no classes")
}

// The embedded AST tells words of voices that it has not learnt from, at once.
func TestEmbeddedSounds(t *testing.T) {
	r := call(t, "-model", "sound", "-audio", "../../zoo/sounds", "-json")
	requireFine(t, r)
	var doc classification
	requireJSON(t, r, &doc)
	want := map[string]string{"seven.wav": "seven", "chil.wav": "칠", "oenjjok.wav": "왼쪽"}
	require.Len(t, doc.Images, len(want))
	for _, i := range doc.Images {
		assert.Equal(t, want[filepath.Base(i.Path)], i.Top[0].Label)
		assert.Greater(t, i.Top[0].Score, 0.6, i.Path)
	}
	silence := filepath.Join(t.TempDir(), "silence.wav")
	wav(t, silence, 16000, 1, make([]int16, 16000))
	r = call(t, "-model", "sound", "-audio", silence)
	requireFine(t, r)
	assert.Regexp(t, `^.*silence\.wav\n +\d+\.\d\d %  nothing said\n`, r.stdout)
}

func TestSoundRefuses(t *testing.T) {
	dir, folder := t.TempDir(), checkpoint(t, "ast")
	short, none := filepath.Join(dir, "short.wav"), filepath.Join(dir, "none.wav")
	wav(t, short, 16000, 1, make([]int16, 300))
	wav(t, none, 16000, 1, nil)
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{cli.ExitUsage, "no sound: give -audio", nil},
		{cli.ExitUsage, "-image does not go with sound, which hears sounds", []string{"-image", "x.png"}},
		{cli.ExitUsage, "-language does not go with sound", []string{"-audio", short, "-language", "ko"}},
		{cli.ExitUsage, "leave -audio out", []string{"-audio", short, "-verify"}},
		{cli.ExitFailure, "sound " + short + ": the sound is shorter than a window of 25 ms", []string{"-audio", short}},
		{cli.ExitFailure, "sound " + none, []string{"-audio", none}},
		{cli.ExitFailure, "no such file", []string{"-audio", filepath.Join(dir, "missing.wav")}},
	} {
		requireError(t, call(t, append([]string{"-model", "sound", "-weights", folder}, c.args...)...), c.code, c.want)
	}
	requireError(t, call(t, "-model", "vit", "-audio", short), cli.ExitUsage, "-audio goes with a model that hears")
}

// clapFolder is a golden of a CLAP with a tokenizer and its feature extractor.
func clapFolder(t *testing.T, name string) string {
	t.Helper()
	folder := withWords(t, checkpoint(t, name))
	extractor, err := os.ReadFile("../../golden/models/" + name + "/preprocessor_config.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "preprocessor_config.json"), extractor, 0o600))
	return folder
}

// Sounds and texts in one space: probabilities, embeddings, a folder ranked, and an index of
// it.
func TestSoundTexts(t *testing.T) {
	for _, name := range []string{"clap", "clap_fused"} {
		dir, folder := t.TempDir(), clapFolder(t, name)
		in := filepath.Join(dir, "sounds")
		require.NoError(t, os.Mkdir(in, 0o755))
		for i, n := range []int{4000, 700, 9500} { // a window, less, more
			samples := make([]int16, n)
			for k := range samples {
				samples[k] = int16(9000 * math.Sin(float64(k*(i+1))/9))
			}
			wav(t, filepath.Join(in, string(rune('a'+i))+".wav"), 4000, 1, samples)
		}
		require.NoError(t, os.WriteFile(filepath.Join(in, "notes.txt"), []byte("none"), 0o600))
		call := func(args ...string) result {
			return call(t, append([]string{"-model", "sound", "-weights", folder, "-precision", "f32"}, args...)...)
		}
		out := filepath.Join(dir, "out.safetensors")
		r := call("-audio", in, "-text", "a photo", "-text", "what is this", "-save", out, "-json")
		requireFine(t, r)
		var doc searchJSON
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images, 3)
		for _, i := range doc.Images {
			require.Len(t, i.Scores, 2)
			assert.InDelta(t, 1, i.Scores[0].Score+i.Scores[1].Score, 1e-6)
		}
		all, err := cli.ReadArrays(out)
		require.NoError(t, err)
		assert.Equal(t, []int{3, 2}, all["logits_per_audio"].Shape)
		assert.InDelta(t, doc.Images[2].Scores[1].Logit, all["logits_per_audio"].Data[5], 1e-5)
		width := all["audio_embeds"].Shape[1]
		dot := 0.0
		for k := range width {
			dot += float64(all["audio_embeds"].Data[2*width+k]) * float64(all["text_embeds"].Data[width+k])
		}
		assert.InDelta(t, doc.Images[2].Scores[1].Logit, dot*math.Exp(2.3), 1e-4)

		index := filepath.Join(dir, "sounds.index")
		r = call("-audio", in, "-index", index, "-json")
		requireFine(t, r)
		var first searchJSON
		requireJSON(t, r, &first)
		assert.Equal(t, indexJSON{Path: index, Images: 3, Added: 3}, *first.Indexed)
		require.NoError(t, os.Remove(filepath.Join(in, "b.wav")))
		r = call("-audio", in, "-index", index, "-text", "a photo", "-json")
		requireFine(t, r)
		var second, third searchJSON
		requireJSON(t, r, &second)
		assert.Equal(t, indexJSON{Path: index, Images: 2, Removed: 1}, *second.Indexed)
		require.Len(t, second.Images, 2)
		assert.GreaterOrEqual(t, *second.Images[0].Cosine, *second.Images[1].Cosine)
		r = call("-index", index, "-text", "a photo", "-json")
		requireFine(t, r)
		requireJSON(t, r, &third)
		assert.Equal(t, second.Images, third.Images)
		requireError(t, call("-audio", in), cli.ExitUsage, "compares sounds with texts: give -text")
	}
	index := filepath.Join(t.TempDir(), "x.index")
	requireError(t, call(t, "-model", "sound", "-weights", checkpoint(t, "ast"), "-audio", sounds+"second.wav", "-index", index), cli.ExitUsage, "tells classes: -text and -index go with one that pairs")
	requireError(t, call(t, "-model", "sound", "-weights", checkpoint(t, "clap"), "-index", index, "-text", "x"), cli.ExitFailure, "tokenizer of ")
}
