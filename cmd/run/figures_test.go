package main

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/figure/figuretest"
	"saccade/models"
	"saccade/picture"
)

// sheet writes a picture of w×h pixels: a dark disc on a light ground, its centre
// at parts x, y of the sides.
func sheet(t *testing.T, dir, name string, w, h int, x, y float64) string {
	t.Helper()
	m := picture.New(w, h)
	for py := range h {
		for px := range w {
			c := [3]uint8{200, 190, 170}
			dx, dy := float64(px)-x*float64(w), float64(py)-y*float64(h)
			if r := 0.12 * float64(min(w, h)); dx*dx+dy*dy < r*r {
				c = [3]uint8{20, 40, 120}
			}
			copy(m.Pix[3*(py*w+px):], c[:])
		}
	}
	path := filepath.Join(dir, name)
	require.NoError(t, picture.WritePNG(path, m))
	return path
}

// requireDrawn opens the picture that a document says was written.
func requireDrawn(t *testing.T, w *writtenJSON, path string) *picture.Image {
	t.Helper()
	require.NotNil(t, w)
	assert.Equal(t, path, w.Path)
	m, err := picture.Open(path, picture.DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, []int{w.Width, w.Height}, []int{m.W, m.H})
	return m
}

func TestDrawAttention(t *testing.T) {
	for name, model := range map[string]string{"dino": "dino", "dinov2_registers": "dinov2", "siglip_small": "siglip"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pic, out := sheet(t, dir, "a.png", 90, 60, 0.6, 0.4), filepath.Join(dir, "heads.png")
			for range 3 {
				r := call(t, "-model", model, "-weights", checkpoint(t, name), "-image", pic, "-attention", "-o", out, "-json", "-precision", "f32")
				requireFine(t, r)
				var doc attentionJSON
				requireJSON(t, r, &doc)
				require.Len(t, doc.Images, 1)
				for _, h := range doc.Images[0].Heads {
					assert.Greater(t, h.Patches, 0.0)
					assert.LessOrEqual(t, h.Patches, 1+1e-5) // other tokens take the rest
					if model == "siglip" {
						assert.InDelta(t, 1, h.Patches, 1e-5) // there are none
					}
				}
				figuretest.Require(t, filepath.Join("testdata", "heads_"+name+".png"), requireDrawn(t, doc.Written, out), figuretest.Computed)
			}
			assert.Len(t, files(t, dir), 2)
		})
	}
}

func TestDrawAttentionOfSeveral(t *testing.T) {
	dir := t.TempDir()
	a, b, out := sheet(t, dir, "a.png", 90, 60, 0.6, 0.4), sheet(t, dir, "b.png", 40, 60, 0.3, 0.4), filepath.Join(dir, "out.png")
	bad := filepath.Join(dir, "bad.png")
	require.NoError(t, os.WriteFile(bad, []byte("no picture"), 0o644))
	r := call(t, "-model", "vit", "-image", a, "-image", b, "-attention", "-o", out)
	requireFine(t, r)
	assert.Contains(t, r.stdout, out+": ")
	one, err := picture.Open(out, picture.DecodeOptions{})
	require.NoError(t, err)

	r = call(t, "-model", "vit", "-image", a, "-image", bad, "-image", b, "-attention", "-o", out, "-json")
	assert.Equal(t, cli.ExitFailure, r.code)
	var doc attentionJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Errors, 1)
	assert.Equal(t, bad, doc.Errors[0].Path)
	assert.Len(t, doc.Images, 2)
	assert.Equal(t, one.Pix, requireDrawn(t, doc.Written, out).Pix)
}

func TestDrawParts(t *testing.T) {
	dir := t.TempDir()
	pic := filepath.Join(dir, "in")
	require.NoError(t, os.Mkdir(pic, 0o755))
	sheet(t, pic, "a.png", 90, 60, 0.6, 0.4)
	sheet(t, pic, "b.png", 60, 60, 0.3, 0.7)
	out := filepath.Join(dir, "parts.png")
	for range 3 {
		r := call(t, "-model", "dino", "-weights", checkpoint(t, "dino"), "-size", "42", "-image", pic, "-pca", "-o", out, "-json", "-precision", "f32")
		requireFine(t, r)
		var doc partsJSON
		requireJSON(t, r, &doc)
		assert.Equal(t, []partJSON{{filepath.Join(pic, "a.png"), 10, 10}, {filepath.Join(pic, "b.png"), 10, 10}}, doc.Images)
		require.Len(t, doc.Variance, 3)
		assert.True(t, doc.Variance[0] >= doc.Variance[1] && doc.Variance[1] >= doc.Variance[2] && doc.Variance[2] > 0)
		assert.LessOrEqual(t, doc.Variance[0]+doc.Variance[1]+doc.Variance[2], 1+1e-6)
		figuretest.Require(t, filepath.Join("testdata", "parts.png"), requireDrawn(t, doc.Written, out), figuretest.Computed)
	}
	r := call(t, "-model", "resnet", "-image", pic, "-pca", "-o", out) // cells in place of patches
	requireFine(t, r)

	r = call(t, "-model", "vit", "-weights", checkpoint(t, "vit_one_patch"), "-image", filepath.Join(pic, "a.png"), "-pca", "-o", filepath.Join(dir, "few.png"))
	requireError(t, r, cli.ExitFailure, "there are 1 patches", "-size")
	assert.Len(t, files(t, dir), 3)
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	pic, out := sheet(t, dir, "a.png", 90, 60, 0.6, 0.4), filepath.Join(dir, "out.png")
	for name, c := range map[string]struct {
		args    []string
		methods []models.Method
	}{
		"vit_classify": {[]string{"-model", "vit", "-explain-class", "oak"}, []models.Method{models.Rollout, models.Occlusion, models.Heads}},
		"resnet_basic": {[]string{"-model", "resnet", "-size", "40"}, []models.Method{models.CAM, models.Occlusion}},
	} {
		t.Run(name, func(t *testing.T) {
			weights := checkpoint(t, name)
			for range 3 {
				r := call(t, append(c.args, "-weights", weights, "-image", pic, "-explain", out, "-json", "-precision", "f32")...)
				requireFine(t, r)
				var doc explainJSON
				requireJSON(t, r, &doc)
				require.Len(t, doc.Images, 1)
				if name == "vit_classify" {
					assert.Equal(t, "oak", doc.Images[0].Class.Label)
				}
				var methods []models.Method
				for _, m := range doc.Images[0].Maps {
					if m.Head == nil || *m.Head == 0 {
						methods = append(methods, m.Method)
					}
					assert.Less(t, m.Least, m.Largest)
				}
				assert.Equal(t, c.methods, methods)
				figuretest.Require(t, filepath.Join("testdata", "explain_"+name+".png"), requireDrawn(t, doc.Written, out), figuretest.Computed)
			}
		})
	}
	assert.Len(t, files(t, dir), 2)
}

// What is drawn below a heat map is what the network saw, pixel for pixel: the
// picture drawn, made as small as the network's input, is that input, and moved by
// a pixel it is not. Of pictures that are cropped, squeezed and padded.
func TestViewIsAligned(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		w, h int
		args []string
	}{
		{160, 80, []string{"-size", "32", "-crop", "0.8"}}, // the middle square
		{60, 150, []string{"-size", "40"}},                 // squeezed
		{150, 60, []string{"-size", "32x80"}},
		{70, 90, []string{"-size", "24", "-crop", "36"}}, // padded
	} {
		pic := sheet(t, dir, "a.png", c.w, c.h, 0.55, 0.4)
		a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
		require.NoError(t, a.parse(t.Context(), append([]string{"-model", "resnet", "-image", pic, "-explain", filepath.Join(dir, "out.png")}, c.args...)))
		m, err := a.load(context.Background())
		require.NoError(t, err)
		s, err := (&drawing{pass{app: a, m: m, bar: &progress{}}}).look(context.Background(), pic)
		require.NoError(t, err)
		small, err := s.View.Resize(s.W, s.H, picture.Box)
		require.NoError(t, err)
		apart := func(shift int) float64 { // mean difference of the red samples, of 255
			sum, n := 0.0, 0.0
			for y := range s.H {
				for x := range s.W - 1 {
					p := m.Processor
					want := (float64(s.Pixels.Data[y*s.W+x])*p.Std[0] + p.Mean[0]) * 255
					sum += math.Abs(want - float64(small.Pix[3*(y*s.W+x+shift)]))
					n++
				}
			}
			return sum / n
		}
		t.Logf("%v: %.2f, moved %.2f", c, apart(0), apart(1))
		// Two resizes in place of one differ along the disc's edge.
		assert.Less(t, apart(0), 1.5)
		assert.Greater(t, apart(1), 2*apart(0))
		m.Close()
		a.dev.Close()
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	pic, other, out := sheet(t, dir, "a.png", 90, 60, 0.6, 0.4), sheet(t, dir, "b.png", 30, 60, 0.6, 0.4), filepath.Join(dir, "out.png")
	lite := filepath.Join(checkpoint(t, "efficientnet_lite"), "model.pth")
	r := call(t, "-compare", "vit,resnet,dino="+checkpoint(t, "dino"), "-image", pic, "-image", other, "-o", out, "-json", "-top", "3")
	requireFine(t, r)
	var doc compareJSON
	requireJSON(t, r, &doc)
	requireDrawn(t, doc.Written, out)
	require.Len(t, doc.Models, 3)
	for i, m := range doc.Models {
		assert.Equal(t, []string{"vit", "resnet", "dino"}[i], m.Model)
		assert.Positive(t, m.Parameters)
		require.Len(t, m.Images, 2)
		for k, b := range m.Images {
			assert.Equal(t, []string{pic, other}[k], b.Path)
			assert.Positive(t, b.Forward)
			assert.Greater(t, b.FLOPs, float64(m.Parameters))
			assert.Len(t, b.Top, []int{3, 3, 0}[i])
			assert.Equal(t, []models.Method{models.Rollout, models.CAM, models.Rollout}[i], b.Map.Method)
		}
	}
	assert.Equal(t, int64(2693578), doc.Models[0].Parameters) // the zoo's README has them
	assert.Equal(t, int64(696618), doc.Models[1].Parameters)

	r = call(t, "-compare", "resnet,efficientnet="+lite, "-image", pic, "-explain-method", "occlusion")
	requireFine(t, r)
	assert.Regexp(t, `(?m)^resnet +\w+ +\d+\.\d\d % +[\d.]+ +697 k +211 M$`, r.stdout)
	r = call(t, "-compare", "resnet,vit", "-image", pic, "-explain-method", "cam", "-o", filepath.Join(dir, "none.png"))
	requireError(t, r, cli.ExitUsage, "-explain-method cam: vit", "rollout, heads, occlusion")
	r = call(t, "-compare", "resnet,clip", "-image", pic)
	requireFine(t, r)
	assert.Len(t, files(t, dir), 3)
}

func TestFigureErrors(t *testing.T) {
	dir := t.TempDir()
	pic, out := sheet(t, dir, "a.png", 40, 30, 0.5, 0.5), filepath.Join(dir, "out.png")
	bad := filepath.Join(dir, "bad.png")
	require.NoError(t, os.WriteFile(bad, []byte("no picture"), 0o644))
	many := []string{"-model", "vit", "-explain", out}
	for range maxDrawn + 1 {
		many = append(many, "-image", pic)
	}
	for _, c := range []struct {
		code  int
		parts []string
		args  []string
	}{
		{2, []string{"-attention needs", "-o"}, []string{"-model", "vit", "-image", pic, "-attention"}},
		{2, []string{"gives no attention probabilities"}, []string{"-model", "resnet", "-image", pic, "-attention", "-o", out}},
		{2, []string{"should end in .png"}, []string{"-model", "vit", "-image", pic, "-attention", "-o", out + ".jpg"}},
		{2, []string{"-pca needs -o"}, []string{"-model", "vit", "-image", pic, "-pca"}},
		{2, []string{"-o goes with"}, []string{"-model", "vit", "-image", pic, "-o", out}},
		{2, []string{"exclude each other"}, []string{"-model", "vit", "-image", pic, "-pca", "-attention", "-o", out}},
		{2, []string{"leave -o out"}, []string{"-model", "vit", "-image", pic, "-explain", out, "-o", out}},
		{2, []string{"-explain needs a name"}, []string{"-model", "vit", "-image", pic, "-explain", ""}},
		{2, []string{"go with -image"}, []string{"-model", "vit", "-input", "x.safetensors", "-explain", out}},
		{2, []string{"go with -image"}, []string{"-model", "vit", "-image", pic, "-save", "x.safetensors", "-attention", "-o", out}},
		{2, []string{"go with -explain"}, []string{"-model", "vit", "-image", pic, "-explain-class", "cat"}},
		{2, []string{"method \"rolout\" is unknown", "rollout"}, []string{"-model", "vit", "-image", pic, "-explain", out, "-explain-method", "rolout"}},
		{2, []string{"-explain-method cam", "vit", "rollout"}, []string{"-model", "vit", "-image", pic, "-explain", out, "-explain-method", "cam"}},
		{2, []string{`class "cot" is unknown`, `"cat"`}, []string{"-model", "vit", "-image", pic, "-explain", out, "-explain-class", "cot"}},
		{2, []string{`class "10" is unknown`, `"9"`}, []string{"-model", "vit", "-image", pic, "-explain", out, "-explain-class", "10"}},
		{1, []string{"no classes", "-attention"}, []string{"-model", "dino", "-weights", checkpoint(t, "dino"), "-image", pic, "-explain", out}},
		{1, []string{"no features"}, []string{"-model", "vgg", "-weights", checkpoint(t, "vgg"), "-image", pic, "-pca", "-o", out}},
		{1, []string{"folder", "none"}, []string{"-model", "vit", "-image", pic, "-explain", filepath.Join(dir, "none", "out.png")}},
		{1, []string{bad}, []string{"-model", "vit", "-image", bad, "-explain", out}},
		{1, []string{bad}, []string{"-compare", "vit,resnet", "-image", bad, "-o", out}},
		{2, []string{"too many to draw", "64"}, many},
		{2, []string{"two models or more"}, []string{"-compare", "vit", "-image", pic, "-o", out}},
		{2, []string{`"vot" is unknown`, `"vit"`}, []string{"-compare", "vot,resnet", "-image", pic, "-o", out}},
		{2, []string{"in place of -model"}, []string{"-compare", "vit,resnet", "-model", "vit", "-image", pic, "-o", out}},
		{2, []string{"one map a model"}, []string{"-compare", "vit,resnet", "-image", pic, "-explain-method", "heads"}},
		{1, []string{"no embedded weights", "resnet50"}, []string{"-compare", "vit,resnet50", "-image", pic, "-o", out}},
		{2, []string{"no input"}, []string{"-compare", "vit,resnet"}},
	} {
		requireError(t, call(t, append(c.args, "-json")...), c.code, c.parts...)
	}
	assert.Len(t, files(t, dir), 2)
}

// An interrupt leaves nothing behind.
func TestFigureInterrupted(t *testing.T) {
	dir := t.TempDir()
	pic := sheet(t, dir, "a.png", 40, 30, 0.5, 0.5)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := callWith(t, ctx, os.Getenv, "-model", "vit", "-image", pic, "-explain", filepath.Join(dir, "out.png"))
	requireError(t, r, cli.ExitInterrupted, "interrupted")
	assert.Len(t, files(t, dir), 1)
}
