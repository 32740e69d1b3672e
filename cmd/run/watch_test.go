package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/picture"
	"saccade/video"
)

// clip is a video of n frames, in which a bright square moves to the right.
func clip(t *testing.T, n int) string {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	w, err := video.Create(t.Context(), path, 96, 64, 10)
	require.NoError(t, err)
	for i := range n {
		m := picture.New(96, 64)
		for y := range 64 {
			for x := range 96 {
				v := uint8(2*x + y)
				if x > 10+3*i && x < 34+3*i && y > 20 && y < 44 {
					v = 250
				}
				copy(m.Pix[3*(y*96+x):], []uint8{v, v / 2, 255 - v})
			}
		}
		require.NoError(t, w.Add(m))
	}
	require.NoError(t, w.Close())
	return path
}

// A window over a video shows what a network finds, and asks for nothing else: not for the
// attention that a window over a picture shows.
func TestWatchAsksForNoAttention(t *testing.T) {
	for _, args := range [][]string{{"-model", "detect", "-image", clip(t, 1), "-view"}, {"-model", "vit", "-camera", "0", "-view"}} {
		var a app
		require.NoError(t, a.options.parse(t.Context(), args))
		assert.Empty(t, a.outputs(), args)
	}
}

// frames are the JSON lines of frames.
func frames[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var x T
		require.NoError(t, json.Unmarshal([]byte(line), &x), line)
		all = append(all, x)
	}
	return all
}

// A video gives a JSON line for each frame, its boxes as those of a picture alone are, and one
// that is drawn.
func TestWatchObjects(t *testing.T) {
	path, model, out := clip(t, 4), checkpoint(t, "rtdetr"), filepath.Join(t.TempDir(), "out.mp4")
	config := `{"image_processor_type": "RTDetrImageProcessor", "size": {"height": 64, "width": 96}}`
	require.NoError(t, os.WriteFile(filepath.Join(model, "preprocessor_config.json"), []byte(config), 0o644))
	common := []string{"-model", "detect", "-weights", model, "-threshold", "0.4", "-json", "-precision", "f32"}
	r := call(t, append(common, "-image", path, "-o", out)...)
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
	assert.Contains(t, r.stderr, "4 frames")
	assert.Contains(t, r.stderr, "latency")
	type frame struct {
		Path    string
		Frame   int
		Time    float64
		Objects []models.Object
	}
	all := frames[frame](t, r.stdout)
	require.Len(t, all, 4)
	v, err := video.Open(t.Context(), path, video.Options{})
	require.NoError(t, err)
	defer v.Close()
	still := filepath.Join(t.TempDir(), "still.png")
	for i, f := range all {
		img, err := v.Next()
		require.NoError(t, err)
		assert.Equal(t, [2]any{path, i}, [2]any{f.Path, f.Frame})
		assert.InDelta(t, float64(i)/10, f.Time, 1e-9)
		if i == 2 {
			require.NoError(t, picture.WritePNG(still, img.Image))
		}
	}
	r = call(t, append(common, "-image", still)...)
	requireFine(t, r)
	var doc foundJSON
	requireJSON(t, r, &doc)
	require.NotEmpty(t, doc.Images[0].Objects)
	assert.Equal(t, doc.Images[0].Objects, all[2].Objects)
	drawn, err := video.Open(t.Context(), out, video.Options{})
	require.NoError(t, err)
	defer drawn.Close()
	for range 4 {
		_, err := drawn.Next()
		require.NoError(t, err)
	}
	_, err = drawn.Next()
	assert.Error(t, err)

	r = call(t, append(common, "-image", path, "-track")...)
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
	followed := frames[frame](t, r.stdout)
	require.NotZero(t, followed[0].Objects[0].Track)
	numbers := map[int]bool{}
	for _, o := range followed[3].Objects {
		if o.Track > 0 {
			assert.False(t, numbers[o.Track], "one number, one object")
			numbers[o.Track] = true
		}
	}
	assert.True(t, numbers[followed[0].Objects[0].Track], "the surest object keeps its number")
}

// Other families tell of each frame, too.
func TestWatchFamilies(t *testing.T) {
	path := clip(t, 2)
	for args, want := range map[string]string{
		"-model vit -top 2":                        `"top":[{"index"`,
		"-model clip -text cat -text dog":          `"scores":[{"text":"cat"`,
		"-model blip":                              `"text":"`,
		"-model sam -point 20,30":                  `"masks":[{"score"`,
		"-model depth -weights depth_anything":     `"min":`,
		"-model segment -weights segformer":        `"classes":[{"label"`,
		"-model cutout -weights u2net -size 33x39": `"label":"foreground"`,
	} {
		t.Run(args, func(t *testing.T) {
			list := strings.Fields(args)
			for i, a := range list {
				if i > 0 && list[i-1] == "-weights" {
					list[i] = checkpoint(t, a)
				}
			}
			out := filepath.Join(t.TempDir(), "out.mp4")
			r := call(t, append(list, "-image", path, "-json", "-o", out)...)
			require.Equal(t, cli.ExitFine, r.code, r.stderr)
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			require.Len(t, lines, 2)
			assert.Contains(t, lines[1], `"frame":1,"time":0.1,`)
			assert.Contains(t, lines[1], want)
			assert.FileExists(t, out)
		})
	}
	r := call(t, "-model", "vit", "-image", path, "-top", "1")
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
	assert.Regexp(t, `^0  0.000 s  \w+ [0-9.]+ %\n1  0.100 s  \w+ [0-9.]+ %\n$`, r.stdout)
}

// Videos and cameras that are not there, damaged ones, a program that is missing, and flags that
// do not go together are told of in a line.
func TestBadWatch(t *testing.T) {
	path := clip(t, 12)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	half, out := filepath.Join(t.TempDir(), "half.mp4"), filepath.Join(t.TempDir(), "out.mp4")
	require.NoError(t, os.WriteFile(half, whole[:len(whole)/2], 0o644))
	requireError(t, call(t, "-model", "vit", "-image", half, "-json", "-o", out), cli.ExitFailure, half, "ffmpeg")
	assert.NoFileExists(t, out)
	requireError(t, call(t, "-model", "vit", "-image", "nowhere.mp4"), cli.ExitFailure, "nowhere.mp4")
	requireError(t, call(t, "-model", "vit", "-camera", "77"), cli.ExitFailure, "camera 77")
	for args, want := range map[string]string{
		"-model vit -image A -image B.png":     "alone",
		"-model vit -image A -camera 0":        "alone",
		"-model vit -image A -save x":          "-save",
		"-model vit -image A -batch 2":         "-batch",
		"-model vit -image A -track":           "-track",
		"-model detect -image B.png -track":    "-track",
		"-model vit -image A -o x.png":         "x.png",
		"-model vit -image A -threshold 0.5":   "-threshold",
		"-model sd -image A -prompt x":         "makes pictures",
		"-model vit -image A -view -json":      "-json",
		"-model sam -image A":                  "-point",
		"-model find -image A":                 "-text",
		"-model vit -camera x":                 "camera",
		"-model nobody -image A":               "nobody",
		"-model anomaly -image A":              "give -normal FOLDER",
		"-model clip -image A -similar B.png":  "-similar",
		"-model detect -image A -masks folder": "-masks",
	} {
		r := call(t, strings.Fields(strings.ReplaceAll(args, "A", path))...)
		assert.Equal(t, cli.ExitUsage, r.code, "%s: %s", args, r.stderr)
		assert.Contains(t, r.stderr, want, args)
		assert.Equal(t, 1, bytes.Count([]byte(r.stderr), []byte("\n")), args)
	}
	t.Setenv("PATH", t.TempDir())
	requireError(t, call(t, "-model", "vit", "-image", path), cli.ExitFailure, path, "ffmpeg", "install it")
}
