package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/anomaly"
	"saccade/picture"
)

// texture is a picture of a wave with noise, with a dark scratch or none.
func texture(t *testing.T, path string, seed uint64, scratched bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	m := picture.New(38, 34)
	for i := range m.W * m.H {
		v := 128 + 50*math.Sin(float64(i%m.W)/3+rng.Float64()/4) + 9*rng.NormFloat64()
		if y, x := i/m.W, i%m.W; scratched && y >= 15 && y < 18 && x >= 10 && x < 26 {
			v = 10
		}
		for c := range 3 {
			m.Pix[3*i+c] = uint8(v)
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, picture.WritePNG(path, m))
}

// surfaces makes a folder of normal pictures, and one of good and scratched ones with masks.
func surfaces(t *testing.T) (normal, eval string) {
	t.Helper()
	dir := t.TempDir()
	normal, eval = filepath.Join(dir, "normal"), filepath.Join(dir, "eval")
	for i := range 6 {
		texture(t, filepath.Join(normal, fmt.Sprintf("%d.png", i)), uint64(i), false)
	}
	mask := make([]bool, 38*34)
	for y := 15; y < 18; y++ {
		for x := 10; x < 26; x++ {
			mask[y*38+x] = true
		}
	}
	for i := range 2 {
		name := fmt.Sprintf("%d.png", i)
		texture(t, filepath.Join(eval, "good", name), uint64(50+i), false)
		texture(t, filepath.Join(eval, "scratch", name), uint64(60+i), true)
		require.NoError(t, os.MkdirAll(filepath.Join(eval, "masks", "scratch"), 0o755))
		require.NoError(t, picture.WriteMask(filepath.Join(eval, "masks", "scratch", []string{"0.png", "1_mask.png"}[i]), 38, 34, mask))
	}
	return normal, eval
}

// Each method tells a scratch from what is normal, by the embedded network or a
// checkpoint's.
func TestAnomaly(t *testing.T) {
	normal, eval := surfaces(t)
	dir := t.TempDir()
	for _, method := range []string{"patchcore", "padim", "anomalydino"} {
		bank := filepath.Join(dir, method+".index")
		args := []string{"-model", "anomaly", "-normal", normal, "-o", bank, "-method", method, "-size", "32", "-json"}
		if method == "anomalydino" {
			args = append(args, "-weights", checkpoint(t, "dinov2"), "-backbone", "dinov2", "-size", "28")
		}
		r := call(t, args...)
		requireFine(t, r)
		var made normalJSON
		requireJSON(t, r, &made)
		assert.Equal(t, "f32", made.Precision)
		assert.Equal(t, "anomaly", made.Model)
		assert.Equal(t, map[bool]string{true: "dinov2", false: "resnet"}[method == "anomalydino"], made.Backbone)
		assert.Equal(t, 6, made.Bank.Images)
		assert.Len(t, made.Bank.HeldOut, 6)

		heat := filepath.Join(dir, method+".png")
		r = call(t, "-model", "anomaly", "-index", bank, "-image", filepath.Join(eval, "scratch", "0.png"), "-o", heat, "-json")
		requireFine(t, r)
		var found unlikesJSON
		requireJSON(t, r, &found)
		require.Len(t, found.Images, 1)
		assert.Equal(t, made.Bank.Threshold, found.Images[0].Threshold)
		m, err := picture.Open(heat, picture.DecodeOptions{})
		require.NoError(t, err)
		assert.Equal(t, found.Images[0].Written.Width, m.W)

		r = call(t, "-model", "anomaly", "-index", bank, "-eval", eval, "-json")
		requireFine(t, r)
		var areas areasJSON
		requireJSON(t, r, &areas)
		assert.Equal(t, 4, areas.Images)
		require.NotNil(t, areas.PixelAUROC)
		if method != "anomalydino" { // whose weights are random here
			assert.True(t, found.Images[0].Anomalous, method)
			assert.Equal(t, 1.0, areas.AUROC, method)
			assert.Greater(t, *areas.PixelAUROC, 0.9, method)
		}
	}
}

// Each frame of a video has a score, and one that is anomalous is marked where it is unlike.
func TestAnomalyFrames(t *testing.T) {
	normal, eval := surfaces(t)
	dir := t.TempDir()
	bank := filepath.Join(dir, "bank.index")
	requireFine(t, call(t, "-model", "anomaly", "-normal", normal, "-o", bank, "-size", "32", "-coreset", "0.05"))
	path, out := clip(t, 3), filepath.Join(dir, "out.mp4")
	r := call(t, "-model", "anomaly", "-index", bank, "-image", path, "-o", out, "-json")
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
	all := frames[seenJSON](t, r.stdout)
	require.Len(t, all, 3)
	for _, f := range all {
		assert.True(t, f.Anomalous && f.Score > f.Threshold, "a clip of something else")
	}
	assert.FileExists(t, out)
	requireError(t, call(t, "-model", "anomaly", "-index", bank, "-image", path, "-track"), cli.ExitUsage, "-track follows objects")
	requireError(t, call(t, "-model", "anomaly", "-normal", normal, "-camera", "0"), cli.ExitUsage, "-normal does not go with a video or camera")

	a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
	scratched := filepath.Join(eval, "scratch", "0.png")
	require.NoError(t, a.options.parse(t.Context(), []string{"-model", "anomaly", "-index", bank, "-image", scratched, "-view"}))
	b, err := anomaly.Open(bank)
	require.NoError(t, err)
	c, err := a.likenessTo(t.Context(), b)
	require.NoError(t, err)
	t.Cleanup(a.dev.Close)
	defer c.m.Close()
	c.detector, err = b.Detector(a.dev)
	require.NoError(t, err)
	defer c.detector.Close()
	for _, path := range []string{scratched, filepath.Join(eval, "good", "0.png")} {
		img, err := c.decode(path)
		require.NoError(t, err)
		u, s, found, err := c.scoreOf(t.Context(), img)
		require.NoError(t, err)
		assert.Equal(t, path == scratched, u.Anomalous)
		m, k := marked(u, s, found), s.View.W/s.W
		same := func(x, y int) bool { // of the picture's own pixels, 38×34 of which the network sees as 32×32
			at := 3 * ((y*s.H/34*k+k/2)*m.W + x*s.W/38*k + k/2)
			return m.Pix[at] == s.View.Pix[at] && m.Pix[at+1] == s.View.Pix[at+1]
		}
		assert.Equal(t, path != scratched, same(18, 16), "in the scratch")
		assert.True(t, same(34, 30), "far from it")
	}
}

func TestAnomalyRefuses(t *testing.T) {
	normal, eval := surfaces(t)
	dir := t.TempDir()
	bank := filepath.Join(dir, "bank.index")
	requireFine(t, call(t, "-model", "anomaly", "-normal", normal, "-o", bank, "-size", "32", "-coreset", "0.01"))
	image := filepath.Join(eval, "good", "0.png")
	one := t.TempDir()
	texture(t, filepath.Join(one, "1.png"), 1, false)
	unmasked := t.TempDir()
	texture(t, filepath.Join(unmasked, "good", "1.png"), 1, false)
	texture(t, filepath.Join(unmasked, "hole", "1.png"), 2, true)
	require.NoError(t, os.MkdirAll(filepath.Join(unmasked, "masks", "hole"), 0o755))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{cli.ExitUsage, "-normal needs -o", []string{"-normal", normal}},
		{cli.ExitUsage, "give -normal FOLDER -o FILE first", []string{"-image", image}},
		{cli.ExitUsage, "needs -image or -eval", []string{"-index", bank}},
		{cli.ExitUsage, "the bank of -index says it", []string{"-index", bank, "-image", image, "-size", "40"}},
		{cli.ExitUsage, "-text does not go with -model anomaly", []string{"-index", bank, "-text", "x"}},
		{cli.ExitUsage, "to a later call", []string{"-normal", normal, "-o", "x", "-image", image}},
		{cli.ExitUsage, "do not go with -method padim", []string{"-normal", normal, "-o", "x", "-method", "padim", "-coreset", "0.5"}},
		{cli.ExitUsage, "the nearest is", []string{"-normal", normal, "-o", "x", "-backbone", "resnt"}},
		{cli.ExitFailure, "two normal pictures or more", []string{"-normal", one, "-o", filepath.Join(dir, "one")}},
		{cli.ExitFailure, "takes a transformer's", []string{"-normal", normal, "-o", filepath.Join(dir, "x"), "-method", "anomalydino", "-backbone", "resnet"}},
		{cli.ExitFailure, "gives no output layer.99", []string{"-normal", normal, "-o", filepath.Join(dir, "x"), "-layers", "layer.99"}},
		{cli.ExitFailure, "it is none", []string{"-index", "../../golden/anomaly/auroc.safetensors", "-image", image}},
		{cli.ExitFailure, "it was made with weights", []string{"-index", bank, "-image", image, "-weights", checkpoint(t, "resnet_basic")}},
		{cli.ExitFailure, "expected a sub-folder good", []string{"-index", bank, "-eval", normalAlone(t, normal)}},
		{cli.ExitFailure, "mask of", []string{"-index", bank, "-eval", unmasked}},
	} {
		requireError(t, call(t, append([]string{"-model", "anomaly"}, c.args...)...), c.code, c.want)
	}
	requireError(t, call(t, "-model", "vit", "-image", image, "-coreset", "0.5"), cli.ExitUsage, "-coreset goes with -model anomaly")
	assert.NoFileExists(t, filepath.Join(dir, "x"))
}

// normalAlone is a folder with one sub-folder that has another name than good.
func normalAlone(t *testing.T, normal string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "fine"), os.DirFS(normal)))
	return dir
}
