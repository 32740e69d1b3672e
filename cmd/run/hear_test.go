package main

import (
	"encoding/binary"
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
