package main

import (
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
)

// sharesJSON is the document of classes as a reader sees it.
type sharesJSON struct {
	head
	Images []classesJSON `json:"images"`
	MS     timesJSON     `json:"ms"`
}

// pixelsOf reads a PNG's samples of 8 bits, four a pixel.
func pixelsOf(t *testing.T, file string) (at func(x, y int) [4]uint8, size [2]int) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	m, err := png.Decode(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return func(x, y int) [4]uint8 {
		r, g, b, a := m.At(x, y).RGBA()
		if a > 0 { // premultiplied
			r, g, b = r*0xffff/a, g*0xffff/a, b*0xffff/a
		}
		return [4]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), uint8(a >> 8)}
	}, [2]int{m.Bounds().Dx(), m.Bounds().Dy()}
}

// mapAt is the value of a map of h×w at a pixel of a picture of another size, as PyTorch's
// interpolate with align_corners off has it.
func mapAt(values []float32, h, w, x, y, pw, ph int) float64 {
	at := func(i, from, to int) (int, int, float64) {
		s := max((float64(i)+0.5)*float64(from)/float64(to)-0.5, 0)
		return min(int(s), from-1), min(int(s)+1, from-1), s - math.Floor(s)
	}
	t, b, down := at(y, h, ph)
	l, r, across := at(x, w, pw)
	v := func(y, x int) float64 { return float64(values[y*w+x]) }
	return (v(t, l)*(1-across)+v(t, r)*across)*(1-down) + (v(b, l)*(1-across)+v(b, r)*across)*down
}

// Classes are told at the picture's own size, wide or tall, as the raw logits have them, and
// the parts of the picture add up.
func TestSegment(t *testing.T) {
	model := checkpoint(t, "segformer")
	config := `{"image_processor_type": "SegformerImageProcessor", "size": {"height": 43, "width": 70}}`
	require.NoError(t, os.WriteFile(filepath.Join(model, "preprocessor_config.json"), []byte(config), 0o644))
	for _, size := range [][2]int{{101, 53}, {37, 90}} {
		dir := t.TempDir()
		pic, raw, out := picturePath(t, dir, "a.png", size[0], size[1], 1), filepath.Join(dir, "raw.safetensors"), filepath.Join(dir, "out.png")
		r := call(t, "-model", "segment", "-weights", model, "-image", pic, "-json", "-save", raw, "-o", out, "-precision", "f32")
		requireFine(t, r)
		var doc sharesJSON
		requireJSON(t, r, &doc)
		at, drawn := pixelsOf(t, out)
		require.Equal(t, size, drawn)
		a := read(t, raw)["logits"]
		classes, h, w := a.Shape[1], a.Shape[2], a.Shape[3]
		counts := make([]int, classes)
		for y := range size[1] {
			for x := range size[0] {
				best, value, second := 0, math.Inf(-1), math.Inf(-1)
				for c := range classes {
					if v := mapAt(a.Data[c*h*w:][:h*w], h, w, x, y, size[0], size[1]); v > value {
						best, value, second = c, v, value
					} else {
						second = max(second, v)
					}
				}
				counts[best]++
				if value-second > 1e-4 {
					k := figure.KindColor(best)
					require.Equal(t, [4]uint8{k.R, k.G, k.B, 255}, at(x, y))
				}
			}
		}
		require.Len(t, doc.Images, 1)
		sum := 0.0
		for _, s := range doc.Images[0].Classes {
			sum += s.Share
			best := slices.IndexFunc(counts, func(n int) bool {
				return math.Abs(float64(n)/float64(size[0]*size[1])-s.Share) < 1e-3
			})
			assert.GreaterOrEqual(t, best, 0, s)
		}
		assert.InDelta(t, 1, sum, 1e-9)
	}
	pic := picturePath(t, t.TempDir(), "a.png", 50, 60, 1)
	requireError(t, call(t, "-model", "segment", "-weights", checkpoint(t, "yolos"), "-image", pic), cli.ExitFailure, `type "yolos"`, "segformer")
	requireError(t, call(t, "-model", "segment", "-weights", model, "-image", pic, "-threshold", "0.5"), cli.ExitUsage, "finds objects")
	requireError(t, call(t, "-model", "segment", "-weights", model, "-image", pic, "-background", pic), cli.ExitUsage, "cuts out")
}

// What is cut out has the picture's own size and its colours, and the opacity that the raw
// logits say; or lies over a colour or a picture.
func TestCutoutFamily(t *testing.T) {
	for _, name := range []string{"u2net", "isnet"} {
		model := checkpoint(t, name)
		for _, size := range [][2]int{{101, 53}, {37, 90}} {
			dir := t.TempDir()
			pic, raw, out := picturePath(t, dir, "a.png", size[0], size[1], 1), filepath.Join(dir, "raw.safetensors"), filepath.Join(dir, "out.png")
			args := []string{"-model", "cutout", "-weights", model, "-image", pic, "-json", "-save", raw, "-o", out, "-precision", "f32", "-size", "64"}
			r := call(t, args...)
			requireFine(t, r)
			var doc sharesJSON
			requireJSON(t, r, &doc)
			a := read(t, raw)["logits"]
			require.Equal(t, []int{1, 1, 64, 64}, a.Shape)
			want := opacity(a, size)
			from, _ := pixelsOf(t, pic)
			at, drawn := pixelsOf(t, out)
			require.Equal(t, size, drawn)
			eachPixel(size, func(x, y int, i int) {
				require.InDelta(t, 255*want[i], at(x, y)[3], 1)
				if p := at(x, y); p[3] > 250 {
					require.InDeltaSlice(t, ints(from(x, y)), ints(p), 5)
				}
			})
			require.Len(t, doc.Images[0].Classes, 2)
			assert.Equal(t, "foreground", doc.Images[0].Classes[0].Label)
			sum := 0.0
			for _, v := range want {
				sum += v
			}
			assert.InDelta(t, sum/float64(len(want)), doc.Images[0].Classes[0].Share, 1e-4)

			over := picturePath(t, dir, "b.png", 20, 30, 2)
			for _, background := range []string{"10,200,30", over} {
				requireFine(t, call(t, append(args, "-background", background)...))
				at, drawn := pixelsOf(t, out)
				require.Equal(t, size, drawn)
				eachPixel(size, func(x, y int, i int) {
					p := at(x, y)
					require.Equal(t, uint8(255), p[3])
					if background != over {
						for c, b := range []float64{10, 200, 30} {
							require.InDelta(t, float64(from(x, y)[c])*want[i]+b*(1-want[i]), p[c], 1.01)
						}
					}
				})
			}
		}
	}
	pic := picturePath(t, t.TempDir(), "a.png", 50, 60, 1)
	requireError(t, call(t, "-model", "cutout", "-weights", checkpoint(t, "segformer"), "-image", pic), cli.ExitFailure, "U²-Net or IS-Net")
	requireError(t, call(t, "-model", "cutout", "-weights", checkpoint(t, "isnet"), "-image", pic, "-background", "nowhere.png"), cli.ExitUsage, "-background", "0…255")
	requireError(t, call(t, "-model", "cutout", "-weights", checkpoint(t, "isnet"), "-image", pic, "-background", "cutout.go"), cli.ExitUsage, "-background")
}

// RMBG 1.4's folder has a config of another kind of network, which says nothing, and a
// preprocessor's that does.
func TestCutoutOfRMBG(t *testing.T) {
	model, dir := checkpoint(t, "isnet"), t.TempDir()
	for file, text := range map[string]string{
		"config.json": `{"_name_or_path": "briaai/RMBG-1.4", "architectures": ["BriaRMBG"], "model_type": "SegformerForSemanticSegmentation", "in_ch": 3, "out_ch": 1}`,
		"preprocessor_config.json": `{"do_normalize": true, "do_pad": false, "do_rescale": true, "do_resize": true, "feature_extractor_type": "ImageFeatureExtractor",
			"image_mean": [0.5, 0.5, 0.5], "image_std": [1, 1, 1], "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"width": 72, "height": 60}}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(model, file), []byte(text), 0o644))
	}
	raw := filepath.Join(dir, "raw.safetensors")
	requireFine(t, call(t, "-model", "cutout", "-weights", model, "-image", picturePath(t, dir, "a.png", 90, 41, 1), "-save", raw))
	assert.Equal(t, []int{1, 1, 60, 72}, read(t, raw)["logits"].Shape)
}

// opacity is that of each pixel of a picture: of 0 to 1, stretched.
func opacity(a models.Array, size [2]int) []float64 {
	parts := make([]float32, len(a.Data))
	for i, v := range a.Data {
		parts[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
	out := make([]float64, size[0]*size[1])
	eachPixel(size, func(x, y, i int) { out[i] = mapAt(parts, a.Shape[2], a.Shape[3], x, y, size[0], size[1]) })
	low, high := slices.Min(out), slices.Max(out)
	for i := range out {
		out[i] = (out[i] - low) / (high - low)
	}
	return out
}

func eachPixel(size [2]int, f func(x, y, i int)) {
	for i := range size[0] * size[1] {
		f(i%size[0], i/size[0], i)
	}
}

func ints(p [4]uint8) []int { return []int{int(p[0]), int(p[1]), int(p[2]), int(p[3])} }
