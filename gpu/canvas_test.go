package gpu_test

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/figure"
	"saccade/shaders"

	. "saccade/gpu"
	"saccade/gpu/gputest"
)

func viewSource(constants map[string]int) (string, error) {
	return shaders.Source("view", shaders.Spec{Const: constants})
}

// picture makes a state of random values, of which some lie beyond -1 to 1.
func picture(t *testing.T, d *Device, typ DType, shape ...int) (*Tensor, []float32) {
	t.Helper()
	x, err := d.State("picture", typ, 1, shape...)
	require.NoError(t, err)
	t.Cleanup(x.Release)
	rng := rand.New(rand.NewPCG(1, uint64(len(shape))))
	n := 1
	for _, side := range shape {
		n *= side
	}
	values := make([]float32, n)
	raw := make([]byte, x.Bytes())
	channels, stride := shape[3], x.Stride()
	for i := range values {
		values[i] = Round(typ, rng.Float32()*2.4-1.2)
		at := (i/channels*stride + i%channels) * int(typ.Size())
		PutFloats(raw[at:], typ, values[i:i+1])
	}
	require.NoError(t, x.WriteRaw(raw))
	return x, values
}

// twin draws quads as view.wgsl does, in float32 where it decides about pixels.
type twin struct {
	w, h   int
	pix    [][4]float64
	values map[*Tensor][]float32
}

func (c *twin) draw(ground color.RGBA, quads []Quad) *image.RGBA {
	c.pix = make([][4]float64, c.w*c.h)
	for i := range c.pix {
		c.pix[i] = [4]float64{float64(ground.R) / 255, float64(ground.G) / 255, float64(ground.B) / 255, 1}
	}
	for _, q := range quads {
		at := q.At.Intersect(image.Rect(0, 0, c.w, c.h))
		for y := at.Min.Y; y < at.Max.Y; y++ {
			for x := at.Min.X; x < at.Max.X; x++ {
				s := c.color(q, x, y)
				for i, d := range c.pix[y*c.w+x] {
					c.pix[y*c.w+x][i] = s[i] + d*(1-s[3])
				}
			}
		}
	}
	m := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
	for i, p := range c.pix {
		for k, v := range p {
			m.Pix[4*i+k] = uint8(min(1, max(0, v))*255 + 0.5)
		}
	}
	return m
}

func (c *twin) color(q Quad, x, y int) [4]float64 {
	if q.Picture == nil && q.Image == nil {
		k := q.Color
		return [4]float64{float64(k.R) / 255, float64(k.G) / 255, float64(k.B) / 255, float64(k.A) / 255}
	}
	w, h := q.Size()
	part := q.Part
	if part == (Rect{}) {
		part = Rect{0, 0, float32(w), float32(h)}
	}
	sx, sy := part.W/float32(q.At.Dx()), part.H/float32(q.At.Dy())
	u := part.X + (float32(x-q.At.Min.X)+0.5)*sx
	v := part.Y + (float32(y-q.At.Min.Y)+0.5)*sy
	s := c.average(q, u, v, sx, sy)
	if q.Heat != nil {
		grey := 0.299*s[0] + 0.587*s[1] + 0.114*s[2]
		m := figure.Viridis(warmth(q.Heat, float64(u)/float64(w), float64(v)/float64(h)))
		for i, k := range []uint8{m.R, m.G, m.B} {
			s[i] = 0.4*grey + 0.6*float64(k)/255
		}
	}
	return s
}

func (c *twin) average(q Quad, u, v, sx, sy float32) (sum [4]float64) {
	n := func(span float32) int { return int(min(8, max(1, math.Ceil(float64(span)-0.001)))) }
	nx, ny := n(sx), n(sy)
	for j := range ny {
		for i := range nx {
			s := c.sample(q, u+((float32(i)+0.5)/float32(nx)-0.5)*sx, v+((float32(j)+0.5)/float32(ny)-0.5)*sy)
			for k := range sum {
				sum[k] += s[k] / float64(nx*ny)
			}
		}
	}
	return sum
}

func (c *twin) sample(q Quad, u, v float32) (s [4]float64) {
	floor := func(x float32) int { return int(math.Floor(float64(x))) }
	if !q.Smooth {
		return c.pixel(q, floor(u), floor(v))
	}
	x, y := floor(u-0.5), floor(v-0.5)
	fx, fy := float64(u)-0.5-float64(x), float64(v)-0.5-float64(y)
	for i, f := range []float64{(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy} {
		p := c.pixel(q, x+i%2, y+i/2)
		for k := range s {
			s[k] += f * p[k]
		}
	}
	return s
}

func (c *twin) pixel(q Quad, x, y int) (p [4]float64) {
	w, h := q.Size()
	x, y = min(w-1, max(0, x)), min(h-1, max(0, y))
	if q.Picture == nil {
		for k := range p {
			p[k] = float64(q.Image.Pix[y*q.Image.Stride+4*x+k]) / 255
		}
		return p
	}
	low, high := float64(q.Low), float64(q.High)
	if low == 0 && high == 0 {
		low, high = -1, 1
	}
	channels := q.Picture.Shape[3]
	at := ((q.Index*h+y)*w + x) * channels
	for k := range 3 {
		p[k] = min(1, max(0, (float64(c.values[q.Picture][at+k%channels])-low)/(high-low)))
	}
	p[3] = 1
	return p
}

func warmth(h *Heat, u, v float64) float64 {
	x := min(float64(h.Columns-1), max(0, u*float64(h.Columns)-0.5))
	y := min(float64(h.Rows-1), max(0, v*float64(h.Rows)-0.5))
	x0, y0 := int(x), int(y)
	at := func(x, y int) float64 { return float64(h.Values[min(y, h.Rows-1)*h.Columns+min(x, h.Columns-1)]) }
	fx, fy := x-float64(x0), y-float64(y0)
	s := (1-fy)*((1-fx)*at(x0, y0)+fx*at(x0+1, y0)) + fy*((1-fx)*at(x0, y0+1)+fx*at(x0+1, y0+1))
	return (s - float64(h.Low)) / float64(h.High-h.Low)
}

// requireLike compares drawings. A step of 255 is rounding, two are with the map
// of figure.Viridis, which is rounded itself. A pixel whose place falls on the
// edge of two of the picture may take either: a few in a thousand may differ.
func requireLike(t *testing.T, want, got *image.RGBA) {
	t.Helper()
	require.Equal(t, want.Rect, got.Rect)
	differ, worst := 0, 0
	for i := 0; i < len(want.Pix); i += 4 {
		most := 0
		for k := range 4 {
			most = max(most, int(want.Pix[i+k])-int(got.Pix[i+k]), int(got.Pix[i+k])-int(want.Pix[i+k]))
		}
		worst = max(worst, most)
		if most > 2 {
			differ++
		}
	}
	t.Logf("%d of %d pixels differ, at most by %d", differ, len(want.Pix)/4, worst)
	if differ*500 > len(want.Pix)/4 {
		for name, m := range map[string]*image.RGBA{"want": want, "got": got} {
			path := filepath.Join(os.TempDir(), "saccade_canvas_"+name+".png")
			f, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, png.Encode(f, m))
			require.NoError(t, f.Close())
			t.Log(path)
		}
		t.Fatalf("%d pixels differ", differ)
	}
}

func randomImage(w, h int) *image.RGBA {
	rng := rand.New(rand.NewPCG(3, 4))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(m.Pix); i += 4 {
		a := uint8(rng.IntN(256))
		m.Pix[i+3] = a
		for k := range 3 {
			m.Pix[i+k] = uint8(rng.IntN(int(a) + 1))
		}
	}
	return m
}

func TestCanvasDrawsAsItsTwin(t *testing.T) {
	d := gputest.Open(t, Options{})
	c, err := d.NewCanvas(viewSource)
	require.NoError(t, err)
	defer c.Close()
	halves, hv := picture(t, d, F16, 2, 13, 9, 3)
	floats, fv := picture(t, d, F32, 1, 40, 70, 1)
	values := map[*Tensor][]float32{halves: hv, floats: fv}
	text := randomImage(31, 17)
	heat := &Heat{Rows: 3, Columns: 4, Low: -1, High: 1, Values: fv[:12]}
	quads := []Quad{
		{At: image.Rect(3, 5, 203, 155), Picture: halves, Index: 1},
		{At: image.Rect(210, 5, 350, 155), Picture: halves, Part: Rect{2.5, 3.25, 4.5, 7}, Smooth: true},
		{At: image.Rect(-20, 160, 90, 300), Picture: floats, Smooth: true, Heat: heat},
		{At: image.Rect(100, 160, 113, 170), Picture: floats, Low: -0.5, High: 0.25},
		{At: image.Rect(120, 160, 125, 163), Picture: floats, Smooth: true},
		{At: image.Rect(150, 140, 181, 157), Image: text},
		{At: image.Rect(200, 140, 293, 191), Image: text, Smooth: true, Heat: heat},
		{At: image.Rect(100, 100, 400, 120), Color: color.RGBA{40, 20, 60, 128}},
		{At: image.Rect(7, 7, 7, 90), Color: color.RGBA{255, 255, 255, 255}},
	}
	for _, size := range []image.Point{{360, 250}, {1, 1}, {257, 33}, {360, 250}} {
		ground := color.RGBA{30, 30, 40, 255}
		got, err := c.Draw(size.X, size.Y, ground, quads)
		require.NoError(t, err)
		want := (&twin{w: size.X, h: size.Y, values: values}).draw(ground, quads)
		requireLike(t, want, got)
	}
}

// A heat map may stand anywhere in a tensor, as a row of attention does.
func TestCanvasDrawsHeatOfATensor(t *testing.T) {
	d := gputest.Open(t, Options{})
	c, err := d.NewCanvas(viewSource)
	require.NoError(t, err)
	defer c.Close()
	x, _ := picture(t, d, F16, 1, 8, 8, 3)
	for _, typ := range []DType{F16, F32} {
		m, values := picture(t, d, typ, 1, 5, 6, 3)
		inTensor := &Heat{Rows: 3, Columns: 4, Low: -1, High: 1, Tensor: m, First: 3*m.Stride() + 1, Step: m.Stride()}
		onHost := &Heat{Rows: 3, Columns: 4, Low: -1, High: 1}
		for i := range 12 {
			onHost.Values = append(onHost.Values, values[(3+i)*3+1])
		}
		var got [2]*image.RGBA
		for i, h := range []*Heat{inTensor, onHost} {
			got[i], err = c.Draw(64, 64, color.RGBA{}, []Quad{{At: image.Rect(0, 0, 64, 64), Picture: x, Heat: h}})
			require.NoError(t, err)
		}
		requireLike(t, got[1], got[0])
	}
}

func TestCanvasRefusesWhatItCannotDraw(t *testing.T) {
	d := gputest.Open(t, Options{})
	c, err := d.NewCanvas(viewSource)
	require.NoError(t, err)
	defer c.Close()
	x, _ := picture(t, d, F16, 1, 4, 4, 3)
	four, _ := picture(t, d, F16, 1, 4, 4, 4)
	all := image.Rect(0, 0, 8, 8)
	for want, q := range map[string]Quad{
		"1 or 3 channels":             {At: all, Picture: four},
		"there is no picture 1":       {At: all, Picture: x, Index: 1},
		"rows of 16 bytes":            {At: all, Image: randomImage(4, 4).SubImage(image.Rect(0, 0, 2, 2)).(*image.RGBA)},
		"2×2 cells: got 3 values":     {At: all, Picture: x, Heat: &Heat{Rows: 2, Columns: 2, Values: make([]float32, 3)}},
		"neither values nor a tensor": {At: all, Picture: x, Heat: &Heat{Rows: 2, Columns: 2}},
		"has no so many":              {At: all, Picture: x, Heat: &Heat{Rows: 9, Columns: 9, Tensor: x, Step: 8}},
	} {
		_, err := c.Draw(8, 8, color.RGBA{}, []Quad{q})
		require.ErrorContains(t, err, want)
	}
	_, err = c.Draw(0, 8, color.RGBA{}, nil)
	require.ErrorContains(t, err, "drawing 0×8 pixels")

	// Released meanwhile: nothing is shown there.
	x.Release()
	m, err := c.Draw(8, 8, color.RGBA{9, 9, 9, 255}, []Quad{{At: all, Picture: x}})
	require.NoError(t, err)
	require.Equal(t, color.RGBA{9, 9, 9, 255}, m.RGBAAt(4, 4))
}

func TestCanvasLeavesNothing(t *testing.T) {
	d := gputest.Open(t, Options{})
	before := d.Stats().Buffers
	c, err := d.NewCanvas(viewSource)
	require.NoError(t, err)
	for range 20 { // each with another image: those before it go
		_, err := c.Draw(50, 50, color.RGBA{}, []Quad{{At: image.Rect(0, 0, 9, 9), Image: randomImage(9, 9)}})
		require.NoError(t, err)
		require.LessOrEqual(t, d.Stats().Buffers-before, 3, "parameters, the image, what is read back")
	}
	c.Close()
	require.Equal(t, before, d.Stats().Buffers)
}
