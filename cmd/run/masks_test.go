package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/masks"
	"saccade/picture"
)

// Masks of a wide picture: three, the best first, as JSON, PNG and drawn.
func TestMasks(t *testing.T) {
	weights, dir := checkpoint(t, "sam_points"), t.TempDir()
	pic, out, folder := picturePath(t, dir, "a.png", 60, 40, 1), filepath.Join(dir, "o.png"), filepath.Join(dir, "masks")
	r := call(t, "-model", "sam", "-weights", weights, "-image", pic, "-point", "20,10", "-point", "50,30,0", "-json", "-o", out, "-masks", folder)
	requireFine(t, r)
	var doc maskingJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 1)
	found := doc.Images[0].Masks
	require.Len(t, found, 3)
	for i, m := range found {
		if i > 0 {
			assert.GreaterOrEqual(t, found[i-1].Score, m.Score)
		}
		assert.Equal(t, [2]int{40, 60}, m.RLE.Size, "height, then width")
		rle, err := masks.ParseRLE(40, 60, m.RLE.Counts)
		require.NoError(t, err)
		assert.Equal(t, m.Area, rle.Area())
		img, err := picture.Open(m.File, picture.DecodeOptions{})
		require.NoError(t, err)
		mask := rle.Mask()
		for at, on := range mask.On {
			require.Equal(t, on, img.Pix[3*at] == 255, "pixel %d of %s", at, m.File)
		}
		box := mask.Box()
		assert.Equal(t, [4]float64{float64(box.Min.X), float64(box.Min.Y), float64(box.Max.X), float64(box.Max.Y)}, m.Box)
	}
	assert.Equal(t, [2]int{60, 40}, size(t, out))
	assert.Positive(t, doc.MS.Forward)

	again := call(t, "-model", "sam", "-weights", weights, "-image", pic, "-point", "20,10", "-point", "50,30,0")
	requireFine(t, again)
	assert.Contains(t, again.stdout, pic+": 3 masks")
}

// Each of several boxes has masks of its own, which are those of the box alone; points go
// with one.
func TestMasksOfBoxes(t *testing.T) {
	weights := checkpoint(t, "sam_boxes")
	pic := picturePath(t, t.TempDir(), "a.png", 40, 60, 1)
	masksOf := func(args ...string) []maskJSON {
		r := call(t, append([]string{"-model", "sam", "-weights", weights, "-image", pic, "-json"}, args...)...)
		requireFine(t, r)
		var doc maskingJSON
		requireJSON(t, r, &doc)
		return doc.Images[0].Masks
	}
	both := masksOf("-box", "2,3,30,40", "-box", "10,10,39,59")
	require.Len(t, both, 6)
	second := masksOf("-box", "10,10,39,59")
	for i, m := range second {
		assert.Equal(t, 1, both[3+i].Prompt)
		assert.Equal(t, m.RLE, both[3+i].RLE)
	}
	assert.NotEqual(t, second, masksOf("-box", "10,10,39,59", "-point", "30,20"))
}

// Everything: sure, stable, and the less sure of two that overlap is left out.
func TestMasksOfEverything(t *testing.T) {
	weights, dir := checkpoint(t, "sam_points"), t.TempDir()
	pic := picturePath(t, dir, "a.png", 60, 40, 1)
	args := []string{"-model", "sam", "-weights", weights, "-image", pic, "-json", "-everything", "-points-per-side", "5", "-least-score", "0", "-least-stability", "0.05", "-overlap", "0.9", "-o", filepath.Join(dir, "o.png")}
	var doc maskingJSON
	r := call(t, args...)
	requireFine(t, r)
	requireJSON(t, r, &doc)
	found := doc.Images[0].Masks
	require.NotEmpty(t, found)
	for i, m := range found {
		assert.GreaterOrEqual(t, *m.Stability, 0.05)
		if i > 0 {
			assert.GreaterOrEqual(t, found[i-1].Score, m.Score)
		}
	}
	var none maskingJSON
	r = call(t, "-model", "sam", "-weights", weights, "-image", pic, "-json", "-everything", "-points-per-side", "2", "-least-score", "1")
	requireFine(t, r)
	requireJSON(t, r, &none)
	assert.Equal(t, []maskJSON{}, none.Images[0].Masks)
}

// The raw outputs of a prompt under SamModel's names.
func TestMasksSaved(t *testing.T) {
	weights, dir := checkpoint(t, "sam_points"), t.TempDir()
	out := filepath.Join(dir, "out.safetensors")
	requireFine(t, call(t, "-model", "sam", "-weights", weights, "-image", picturePath(t, dir, "a.png", 60, 40, 1), "-point", "20,10", "-save", out))
	saved := read(t, out)
	assert.Equal(t, []int{1, 24, 7, 7}, saved["image_embeddings"].Shape)
	assert.Equal(t, []int{1, 1, 3, 28, 28}, saved["pred_masks"].Shape)
	assert.Equal(t, []int{1, 1, 3}, saved["iou_scores"].Shape)
}

func TestBadMasks(t *testing.T) {
	weights, dir := checkpoint(t, "sam_points"), t.TempDir()
	pic := picturePath(t, dir, "a.png", 60, 40, 1)
	bad := func(code int, want string, args ...string) {
		t.Helper()
		requireError(t, call(t, append([]string{"-model", "sam", "-weights", weights, "-json"}, args...)...), code, want)
	}
	bad(cli.ExitUsage, "give -point X,Y", "-image", pic)
	bad(cli.ExitUsage, "expected x,y in pixels", "-image", pic, "-point", "20")
	bad(cli.ExitUsage, "expected x,y in pixels", "-image", pic, "-point", "20,10,2")
	bad(cli.ExitUsage, "expected x,y in pixels", "-image", pic, "-point", "NaN,10")
	bad(cli.ExitUsage, "expected x0,y0,x1,y1", "-image", pic, "-box", "1,2,3")
	bad(cli.ExitUsage, "-everything takes a grid", "-image", pic, "-everything", "-point", "1,2")
	bad(cli.ExitUsage, "-overlap goes with -everything", "-image", pic, "-point", "1,2", "-overlap", "0.5")
	bad(cli.ExitUsage, "expected a number of 0 to 1", "-image", pic, "-everything", "-least-score", "88")
	bad(cli.ExitUsage, "-point goes with one -box", "-image", pic, "-point", "1,2", "-box", "1,2,3,4", "-box", "5,6,7,8")
	bad(cli.ExitUsage, "should end in .png", "-image", pic, "-point", "1,2", "-o", filepath.Join(dir, "x.jpg"))
	bad(cli.ExitUsage, "-o is one picture", "-image", pic, "-image", pic, "-point", "1,2", "-o", filepath.Join(dir, "x.png"))
	bad(cli.ExitUsage, "-input takes tensors in place", "-input", "x.safetensors", "-point", "1,2")
	bad(cli.ExitFailure, "is not in the picture of 60×40 pixels", "-image", pic, "-point", "20,41")
	bad(cli.ExitFailure, "is empty", "-image", pic, "-box", "20,10,20,30")
	bad(cli.ExitFailure, "no such file", "-image", filepath.Join(dir, "none.png"), "-point", "1,2")
	requireError(t, call(t, "-model", "vit", "-image", pic, "-point", "1,2"), cli.ExitUsage, "-point goes with a model that gives masks")
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	bad(cli.ExitFailure, "not a directory", "-image", pic, "-point", "1,2", "-masks", file)
}

// mask is one of the pixels on.
func mask(w, h int, on ...int) models.Mask {
	m := masks.Mask{Height: h, Width: w, On: make([]bool, w*h)}
	for _, at := range on {
		m.On[at] = true
	}
	return models.Mask{RLE: masks.Encode(m)}
}

// A cut-out is the picture at its own size, transparent around the mask, and takes no
// file's place.
func TestCutout(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	img := picture.New(3, 2)
	for i := range img.Pix {
		img.Pix[i] = 100
	}
	m := mask(3, 2, 1, 5)
	for _, want := range []string{"x_cutout_1.png", "x_cutout_2.png"} {
		file, err := saveCutout("somewhere/x.jpg", img, m)
		require.NoError(t, err)
		assert.Equal(t, want, file)
		got, err := picture.Open(file, picture.DecodeOptions{}) // over white
		require.NoError(t, err)
		for at := range 6 {
			assert.Equal(t, at == 1 || at == 5, got.Pix[3*at] == 100)
		}
	}
}
