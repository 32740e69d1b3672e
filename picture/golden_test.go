package picture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const goldenDir = "../golden/picture"

// goldens is cases.json, written by golden/picture/generate.py.
type goldens struct {
	Decode []struct {
		Src, Want  string
		Background []uint8
	}
	Resize []struct {
		Src, Want, Filter string
		W, H              int
	}
	Canny []struct {
		Src, Want string
		Low, High int
	}
	Process []struct {
		Name, Kind, Src, Want string
		Config                json.RawMessage
		Shape                 []int
		Rows                  []int
		Grid                  []int // of kind tiles: rows and columns
	}
	Defaults map[string]json.RawMessage
	Sizes    []struct {
		Rule            string
		Target, In, Out []int
	}
	Grids []struct{ In, Out []int }
}

func readGoldens(t *testing.T) goldens {
	data, err := os.ReadFile(filepath.Join(goldenDir, "cases.json"))
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

func goldenPicture(t *testing.T, path ...string) *Image {
	m, err := Open(filepath.Join(append([]string{goldenDir}, path...)...), DecodeOptions{})
	require.NoError(t, err)
	return m
}

// difference compares samples: the largest difference and how many differ.
func difference(t *testing.T, got, want *Image) (largest, differ int) {
	require.Equal(t, [2]int{want.W, want.H}, [2]int{got.W, got.H}, "width and height")
	require.NoError(t, got.Check())
	for i := range want.Pix {
		d := max(int(got.Pix[i])-int(want.Pix[i]), int(want.Pix[i])-int(got.Pix[i]))
		largest = max(largest, d)
		if d > 0 {
			differ++
		}
	}
	return largest, differ
}

func TestCanny(t *testing.T) {
	all := readGoldens(t).Canny
	require.NotEmpty(t, all)
	for _, c := range all {
		t.Run(c.Want, func(t *testing.T) {
			got, want := Canny(goldenPicture(t, "src", c.Src), c.Low, c.High), goldenPicture(t, "want", c.Want)
			_, differ := difference(t, got, want)
			assert.Zero(t, differ)
			keep(t, got, want)
		})
	}
}

// keep writes got, want and their difference beside each other for a look.
func keep(t *testing.T, got, want *Image) {
	if !t.Failed() || got.W != want.W || got.H != want.H {
		return
	}
	dir, err := os.MkdirTemp("", "saccade-picture-")
	require.NoError(t, err)
	diff := New(got.W, got.H)
	for i := range diff.Pix {
		diff.Pix[i] = clip8(128 + 8*(int32(got.Pix[i])-int32(want.Pix[i])))
	}
	for name, m := range map[string]*Image{"got": got, "want": want, "difference": diff} {
		require.NoError(t, WritePNG(filepath.Join(dir, name+".png"), m))
	}
	t.Logf("got, want and the difference (×8 around grey) are in %s", dir)
}

// TestDecodeGolden compares with Pillow, transformers' convert_to_rgb and
// exif_transpose: not one sample differs.
func TestDecodeGolden(t *testing.T) {
	for _, c := range readGoldens(t).Decode {
		t.Run(c.Src, func(t *testing.T) {
			var o DecodeOptions
			if b := c.Background; b != nil {
				o.Background = color.NRGBA{b[0], b[1], b[2], 255}
			}
			got, err := Open(filepath.Join(goldenDir, "src", c.Src), o)
			require.NoError(t, err)
			want := goldenPicture(t, "want", c.Want)
			largest, differ := difference(t, got, want)
			assert.Zero(t, largest, "largest difference; %d of %d samples differ", differ, len(want.Pix))
			keep(t, got, want)
		})
	}
}

// TestResizeGolden compares with Pillow's resize: not one sample differs.
func TestResizeGolden(t *testing.T) {
	for _, c := range readGoldens(t).Resize {
		t.Run(strings.TrimSuffix(c.Want, ".png"), func(t *testing.T) {
			f, err := ParseFilter(c.Filter)
			require.NoError(t, err)
			got, err := goldenPicture(t, "src", c.Src).Resize(c.W, c.H, f)
			require.NoError(t, err)
			want := goldenPicture(t, "want", c.Want)
			largest, _ := difference(t, got, want)
			assert.Zero(t, largest)
			keep(t, got, want)
		})
	}
}

func readFloats(t *testing.T, name string, shape []int) []float32 {
	data, err := os.ReadFile(filepath.Join(goldenDir, "want", name))
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	raw, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Len(t, raw, 4*shape[0]*shape[1]*shape[2])
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

func goldenProcessor(t *testing.T, kind string, config json.RawMessage) *Processor {
	var p *Processor
	var err error
	switch kind {
	case "transformers":
		p, err = ParsePreprocessor(config, "")
	case "timm":
		p, err = ParseTimm(config)
	default:
		var c struct {
			Resize, Crop  int
			Interpolation string
		}
		require.NoError(t, json.Unmarshal(config, &c))
		var f Filter
		f, err = ParseFilter(c.Interpolation)
		p = ImageNet(c.Resize, c.Crop, f)
	}
	require.NoError(t, err)
	return p
}

// TestProcessGolden compares with the reference processors. timm and
// torchvision resize with Pillow: equal but for the float32 arithmetic.
// transformers resizes with torchvision, whose weights have fewer bits: within
// one level of 255, as it is after rescaling and normalising.
func TestProcessGolden(t *testing.T) {
	for _, c := range readGoldens(t).Process {
		if c.Kind == "tiles" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			p := goldenProcessor(t, c.Kind, c.Config)
			m := goldenPicture(t, "src", c.Src)
			got, h, w, err := p.Apply(m)
			require.NoError(t, err)
			outH, outW := p.OutputSize(m.W, m.H)
			require.Equal(t, [2]int{h, w}, [2]int{outH, outW})
			if c.Rows != nil {
				got = rowsOf(got, h, w, c.Rows[0], c.Rows[1])
				h = c.Rows[1] - c.Rows[0]
			}
			require.Equal(t, c.Shape, []int{3, h, w})
			want := readFloats(t, c.Want, c.Shape)
			worst := 0.0
			for i := range want {
				ch := i / (h * w)
				level := p.value(1, ch) - p.value(0, ch) // one step of 255
				worst = max(worst, math.Abs(float64(got[i]-want[i]))/level)
			}
			bound := 1e-4
			if c.Kind == "transformers" && p.Resize.Mode != NoResize {
				bound = 1.001
			}
			t.Logf("largest difference %.6f of %.4f levels", worst, bound)
			assert.LessOrEqual(t, worst, bound)
		})
	}
}

func rowsOf(pixels []float32, h, w, lo, hi int) (out []float32) {
	for c := range 3 {
		out = append(out, pixels[(c*h+lo)*w:(c*h+hi)*w]...)
	}
	return out
}

// TestDefaultsGolden compares what an empty config means with the defaults of
// transformers' classes, given back as a config with every key.
func TestDefaultsGolden(t *testing.T) {
	defaults := readGoldens(t).Defaults
	assert.Len(t, defaults, len(classes), "a class without a golden")
	for name, full := range defaults {
		var keys map[string]any
		require.NoError(t, json.Unmarshal(full, &keys))
		if keys["do_center_crop"] == nil {
			keys["do_center_crop"] = false // falsy there, absent here
		}
		keys["image_processor_type"] = name + "ImageProcessor"
		full, err := json.Marshal(keys)
		require.NoError(t, err)
		want, err := ParsePreprocessor(full, "")
		require.NoError(t, err, name)
		got, err := ParsePreprocessor([]byte(`{"feature_extractor_type": "`+name+`FeatureExtractor"}`), "")
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, keys["default_to_square"], classes[name].square, name)
	}
}

// TestSizesGolden compares the sizes after a resize with torchvision's and
// timm's rules.
func TestSizesGolden(t *testing.T) {
	modes := map[string]ResizeMode{"shortest": Shortest, "cover": Cover, "fit": Fit, "bounded": Bounded, "yolos": Bounded, "within": Within, "closest": Closest}
	multiples := map[string]int{"yolos": 16, "closest": 14}
	for _, c := range readGoldens(t).Sizes {
		r := ResizeRule{Mode: modes[c.Rule], H: c.Target[0], W: c.Target[1], Multiple: multiples[c.Rule]}
		h, w := r.size(c.In[1], c.In[0])
		assert.Equal(t, c.Out, []int{h, w}, "%s %v of %v", c.Rule, c.Target, c.In)
	}
}
