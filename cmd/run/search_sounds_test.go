package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// Pictures and sounds in one index, found by one sentence: in order of how much likelier it
// is for them than other sentences, computed here from what is saved of each model.
func TestPicturesAndSounds(t *testing.T) {
	dir, sound := t.TempDir(), clapFolder(t, "clap")
	media := filepath.Join(dir, "media")
	require.NoError(t, os.Mkdir(media, 0o755))
	for _, name := range []string{"cat.jpg", "bird.png"} {
		data, err := os.ReadFile("../../zoo/pictures/" + name)
		if err != nil {
			data, err = os.ReadFile("../../zoo/pictures/cat.jpg")
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(media, name), data, 0o600))
	}
	for i, name := range []string{"low.wav", "high.wav"} {
		samples := make([]int16, 6000)
		for k := range samples {
			samples[k] = int16(9000 * math.Sin(float64(k*(3*i+1))/9))
		}
		wav(t, filepath.Join(media, name), 4000, 1, samples)
	}
	file := filepath.Join(dir, "media.index")
	base := []string{"-model", "clip", "-precision", "f32", "-index", file}
	both := append(base, "-sound-weights", sound, "-image", media, "-audio", media)
	r := call(t, both...)
	requireFine(t, r)
	assert.Contains(t, r.stdout, file+": 2 pictures, 2 sounds, 4 added, 0 removed\n")

	r = call(t, append(base, "-text", "a photo", "-json")...)
	requireFine(t, r)
	var doc searchJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 4)
	kinds := map[string]int{}
	for i, m := range doc.Images {
		kinds[m.Kind]++
		if i > 0 {
			assert.GreaterOrEqual(t, *doc.Images[i-1].Evidence, *m.Evidence)
		}
		args := []string{"-model", "clip", "-precision", "f32", "-image", m.Path}
		if m.Kind == kindSound {
			args = []string{"-model", "sound", "-weights", sound, "-precision", "f32", "-audio", m.Path}
		}
		for _, text := range append([]string{"a photo"}, others...) {
			args = append(args, "-text", text)
		}
		r := call(t, append(args, "-json")...)
		requireFine(t, r)
		var alone searchJSON
		requireJSON(t, r, &alone)
		sum := 0.0
		for _, s := range alone.Images[0].Scores[1:] {
			sum += math.Exp(s.Logit)
		}
		assert.InDelta(t, alone.Images[0].Scores[0].Logit-math.Log(sum/float64(len(others))), *m.Evidence, 1e-4, m.Path)
	}
	assert.Equal(t, map[string]int{kindPicture: 2, kindSound: 2}, kinds)
	assert.Equal(t, indexJSON{Path: file, Images: 2, Sounds: 2}, *doc.Indexed)

	require.NoError(t, os.Remove(filepath.Join(media, "low.wav")))
	r = call(t, append(both, "-text", "a photo", "-top", "2")...)
	requireFine(t, r)
	assert.Contains(t, r.stdout, "2 pictures, 1 sound, 0 added, 1 removed\n")
	assert.Regexp(t, `(?m)^ *-?\d+\.\d\d  (picture|sound  )  .*\n *-?\d+\.\d\d  (picture|sound  )  .*\n$`, r.stdout)

	r = call(t, append(both[:len(both)-4], "-sound-weights", clapFolder(t, "clap_fused"), "-text", "a photo")...)
	requireError(t, r, cli.ExitFailure, "it was made with weights")
	for want, args := range map[string][]string{
		"-sound-weights goes with":        {"-model", "resnet", "-image", media, "-audio", media, "-sound-weights", sound, "-index", file},
		"needs -sound-weights, a CLAP":    {"-model", "clip", "-image", media, "-audio", media, "-index", file},
		"exclude each other":              {"-model", "clip", "-image", media, "-audio", media, "-eval", media, "-sound-weights", sound, "-index", file},
		"-sound-weights does not go with": {"-model", "sound", "-weights", sound, "-audio", media, "-sound-weights", sound, "-index", file},
		"-index or one -text of a model":  {"-model", "clip", "-sound-weights", sound, "-index", file, "-text", "a", "-text", "b"},
	} {
		requireError(t, call(t, args...), cli.ExitUsage, want)
	}
	requireError(t, call(t, append(base, "-image", media, "-audio", media, "-sound-weights", checkpoint(t, "ast"), "-text", "a")...), cli.ExitUsage, "it tells classes; give one that pairs sounds with texts")
}
