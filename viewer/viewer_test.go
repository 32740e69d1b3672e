package viewer

import (
	"context"
	"image"
	"image/draw"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// Whatever the window's size, its parts lie in it and over one another nowhere.
func TestLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := image.Pt(rapid.IntRange(0, 3000).Draw(t, "w"), rapid.IntRange(0, 3000).Draw(t, "h"))
		scale := rapid.Float64Range(0.5, 4).Draw(t, "scale")
		text := int(20 * scale)
		l := layOut(size, scale, text, text*3/4, rapid.Bool().Draw(t, "strip"))
		parts := []image.Rectangle{l.pictures, l.strip, l.bar, l.line}
		for i, a := range parts {
			assert.True(t, a.In(image.Rectangle{Max: size}), "%v in %v", a, size)
			for _, b := range parts[:i] {
				assert.True(t, a.Intersect(b).Empty(), "%v and %v", a, b)
			}
		}
		if size.X > 0 && size.Y > 0 {
			assert.False(t, l.pictures.Empty(), "there is always room for a picture")
		}
		n := rapid.IntRange(1, 9).Draw(t, "n")
		picture := image.Pt(rapid.IntRange(1, 900).Draw(t, "pw"), rapid.IntRange(1, 900).Draw(t, "ph"))
		for _, at := range tile(n, picture, l.pictures, l.margin) {
			assert.True(t, at.In(l.pictures), "%v in %v", at, l.pictures)
		}
	})
}

func TestFitKeepsTheShape(t *testing.T) {
	assert.Equal(t, image.Rect(25, 0, 75, 50), fit(image.Pt(64, 64), image.Rect(0, 0, 100, 50)))
	assert.Equal(t, image.Rect(0, 20, 60, 40), fit(image.Pt(300, 100), image.Rect(0, 0, 60, 60)))
	assert.Equal(t, image.Rect(0, 0, 1, 1), fit(image.Pt(640, 480), image.Rect(0, 0, 1, 1)))
	assert.True(t, fit(image.Pt(4, 4), image.Rectangle{}).Empty())
}

// The strip shows steps in order, each once, the first, the last and the one
// that is looked at, as far as there is room.
func TestStripped(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2}, stripped(3, 10, 1))
	assert.Equal(t, []int{0, 5, 10}, stripped(11, 3, 10))
	assert.Empty(t, stripped(5, 0, 1))
	rapid.Check(t, func(t *rapid.T) {
		n, room := rapid.IntRange(1, 200).Draw(t, "n"), rapid.IntRange(1, 30).Draw(t, "room")
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		got := stripped(n, room, at)
		assert.Len(t, got, min(n, room))
		assert.Contains(t, got, at)
		assert.True(t, slices.IsSorted(got) && len(slices.Compact(slices.Clone(got))) == len(got), "%v", got)
		if room > 2 {
			assert.Equal(t, 0, got[0])
			assert.Equal(t, n-1, got[len(got)-1])
		}
	})
}

// Zooming keeps what is under the pointer there, and never leaves the picture.
func TestZoom(t *testing.T) {
	p := placed{at: image.Rect(10, 20, 410, 320), size: image.Pt(64, 48)}
	rapid.Check(t, func(t *rapid.T) {
		u := ui{zoom: 1, center: [2]float64{0.5, 0.5}}
		for range rapid.IntRange(1, 20).Draw(t, "times") {
			pixel := image.Pt(rapid.IntRange(10, 409).Draw(t, "x"), rapid.IntRange(20, 319).Draw(t, "y"))
			under, before := u.under(p, pixel), u.zoom
			u.zoomBy(rapid.SampledFrom([]float64{zoomStep, 1 / zoomStep, 4, 0.1}).Draw(t, "by"), under)
			assert.True(t, u.zoom >= 1 && u.zoom <= mostZoom)
			if u.zoom >= before { // going out, the edges may push it
				after := u.under(p, pixel)
				assert.InDelta(t, under[0], after[0], 1e-9)
				assert.InDelta(t, under[1], after[1], 1e-9)
			}
			part := zoomed(p.size, u.zoom, u.center)
			assert.True(t, part.X >= -1e-3 && part.Y >= -1e-3 && part.X+part.W <= 64.001 && part.Y+part.H <= 48.001, "%v", part)
		}
	})
}

// The cell that is told is the one that the frame is drawn around.
func TestCellUnderThePointer(t *testing.T) {
	p := placed{at: image.Rect(10, 20, 410, 320), size: image.Pt(64, 48)}
	grid := image.Pt(14, 14)
	rapid.Check(t, func(t *rapid.T) {
		u := ui{zoom: rapid.Float64Range(1, 5).Draw(t, "zoom"), inside: true}
		u.center = [2]float64{rapid.Float64().Draw(t, "cx"), rapid.Float64().Draw(t, "cy")}
		u.keepInside()
		u.pointer = image.Pt(rapid.IntRange(10, 409).Draw(t, "x"), rapid.IntRange(20, 319).Draw(t, "y"))
		cell, ok := u.cellUnder([]placed{p}, grid)
		assert.True(t, ok)
		assert.True(t, u.pointer.In(u.cellAt(p, cell, grid).Inset(-1)), "%v in %v", u.pointer, u.cellAt(p, cell, grid))
	})
	u := ui{zoom: 1, center: [2]float64{0.5, 0.5}, pointer: image.Pt(5, 5), inside: true}
	_, ok := u.cellUnder([]placed{p}, grid)
	assert.False(t, ok, "beside the picture")
	u.pointer = image.Pt(100, 100)
	_, ok = u.cellUnder([]placed{p}, image.Point{})
	assert.False(t, ok, "no grid")
}

func TestKeys(t *testing.T) {
	for _, k := range Keys() {
		assert.NotEmpty(t, k.Name)
		assert.NotEmpty(t, k.Does)
		for _, r := range k.Keys {
			got, ok := actionOf(r, []Action{k.Action})
			assert.True(t, ok && got == k.Action, "%q", r)
		}
	}
	_, ok := actionOf('y', []Action{Save, Pause})
	assert.False(t, ok)
	_, ok = actionOf(' ', []Action{Save})
	assert.False(t, ok)
	got, _ := actionOf('z', nil)
	assert.Equal(t, zoomIn, got)
	got, _ = actionOf('z', []Action{TakeBack})
	assert.Equal(t, TakeBack, got)
}

// few is a session that knows one action only.
type few struct{ *fake }

func (few) Actions() []Action { return []Action{Save} }

func TestCommandsReachTheSession(t *testing.T) {
	f := newFake()
	v := New(few{f}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go v.pass(ctx)
	for _, r := range " nrs?y" {
		v.press(r)
	}
	require.Eventually(t, func() bool { return len(f.got()) > 0 }, time.Second, time.Millisecond)
	require.Equal(t, []Command{{Action: Save}}, f.got())

	for range 1000 { // nobody waits for a session that is busy
		New(f, Options{}).press('s')
	}
}

// What a session doesn't know is not listed.
func TestListOfKeysFollowsTheSession(t *testing.T) {
	f := newFake()
	count := func(s Session) int {
		v := New(s, Options{})
		v.press('?')
		u := v.ui
		u.size = image.Pt(800, 800)
		return len(v.compose(View{}, u).quads)
	}
	all, one := count(f), count(few{f})
	require.Equal(t, 2*(len(f.Actions())-2), all-one, "ShowStep has no key: it is a click")
}

// Every size down to a pixel is drawn, in every state.
func TestEverySizeIsDrawn(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	c := canvas(t, d)
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Notice = "saved apple.png"
	v := New(f, Options{})
	for _, help := range []bool{false, true} {
		for _, size := range []image.Point{{1, 1}, {1, 300}, {300, 1}, {17, 23}, {61, 61}, {130, 110}, {333, 222}, {1500, 200}} {
			m, err := v.Picture(c, size.X, size.Y, 1.25)
			require.NoError(t, err)
			require.Equal(t, size, m.Rect.Size())
		}
		if !help {
			v.press('?')
		}
	}
	m, err := v.Picture(c, 1, 1, 1)
	require.NoError(t, err)
	require.NotEqual(t, ground, m.RGBAAt(0, 0), "even one pixel shows the picture")
	f.view = View{}
	_, err = v.Picture(c, 200, 200, 1)
	require.NoError(t, err, "nothing yet")
}

// How windows look, as somebody found good: the pictures in testdata. After a
// change, look at what the failing test wrote, and put it there if it is better.
func TestLooksAsItDid(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	c := canvas(t, d)
	f := newFake()
	f.view = middleOfRun(t, d)
	for i := range f.view.Strip {
		f.view.Strip[i].Tensor = on(t, d, 16, 16, apple(0))
	}
	f.view.Shown = f.view.Strip[3:4]
	f.view.Notice = "saved apple.png"
	batch := newFake()
	batch.view = View{Name: "four apples", Step: 3, Steps: 4, Paused: true, Shown: slices.Repeat(f.view.Shown, 4)}
	for i := range batch.view.Shown {
		batch.view.Shown[i].Heat = &gpu.Heat{Rows: 2, Columns: 2, High: 1, Values: []float32{0, 0.3, 0.7, 1}}
	}
	for name, look := range map[string]struct {
		s     Session
		w, h  int
		scale float64
		keys  string
	}{"window": {f, 480, 400, 1, ""}, "list": {f, 400, 560, 1, "?"}, "fine": {f, 500, 500, 2, "zzl"}, "batch": {batch, 500, 300, 1.25, "l"}} {
		t.Run(name, func(t *testing.T) {
			v := New(look.s, Options{})
			for _, key := range look.keys {
				v.press(key)
			}
			got, err := v.Picture(c, look.w, look.h, look.scale)
			require.NoError(t, err)
			want := image.NewRGBA(got.Rect)
			if m := read(t, filepath.Join("testdata", name+".png")); m != nil {
				want = image.NewRGBA(m.Bounds())
				draw.Draw(want, want.Rect, m, image.Point{}, draw.Src)
			}
			requireSame(t, want, got)
		})
	}
}

// Text is set in the display's pixels: at twice the scale it has twice as many,
// not the same enlarged.
func TestTextIsSharp(t *testing.T) {
	var ts types
	ts.begin(1)
	one, ok := ts.set(ts.font(plain, 1), "step 12/20", image.Point{}, 1000, ink)
	require.True(t, ok)
	ts.begin(2)
	two, ok := ts.set(ts.font(plain, 1), "step 12/20", image.Point{}, 1000, ink)
	require.True(t, ok)
	require.InDelta(t, 2, float64(two.At.Dx())/float64(one.At.Dx()), 0.1)
	require.Equal(t, two.At.Size(), two.Image.Rect.Size(), "pixel by pixel")
	odd := false
	for y := 0; y+1 < two.At.Dy(); y += 2 {
		for x := range two.At.Dx() {
			odd = odd || two.Image.RGBAAt(x, y) != two.Image.RGBAAt(x, y+1)
		}
	}
	require.True(t, odd, "rows of the larger text differ from one to the next")

	again, _ := ts.set(ts.font(plain, 1), "step 12/20", image.Point{}, 1000, ink)
	require.Same(t, two.Image, again.Image, "a line is set once")
	ts.begin(2)
	kept, _ := ts.set(ts.font(plain, 1), "step 12/20", image.Pt(5, 5), 1000, ink)
	require.Same(t, two.Image, kept.Image, "and kept from drawing to drawing")
	ts.begin(2)
	ts.begin(2)
	require.Empty(t, ts.kept, "but not for ever")
}

func TestTitle(t *testing.T) {
	v := View{Name: "a red apple", Step: 12, Steps: 20, StepTime: 843 * time.Millisecond, Facts: []string{"seed 7", "euler"}, Paused: true}
	require.Equal(t, "a red apple, step 12/20, paused, 843 ms a step, seed 7, euler", title(v))
	for d, want := range map[time.Duration]string{1500 * time.Microsecond: "1.5 ms", 1234 * time.Millisecond: "1.23 s", 125 * time.Second: "125 s"} {
		require.Equal(t, want, span(d))
	}
}
