//go:build !headless && linux

package viewer

import (
	"context"
	"fmt"
	"image"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/viewer/viewertest"
)

// opened runs a viewer in a window until the test ends or closes it.
func opened(t *testing.T, d *gpu.Device, s Session, o Options) (v *Viewer, closed func() error) {
	t.Helper()
	v = New(s, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = v.Run(ctx, d)
	}()
	closed = func() error {
		cancel()
		select {
		case <-ended:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("the window does not close")
		}
	}
	t.Cleanup(func() { require.NoError(t, closed()) })
	for deadline := time.Now().Add(20 * time.Second); v.Stats().Frames == 0; time.Sleep(time.Millisecond) {
		select {
		case <-ended:
			require.NoError(t, err)
		default:
			require.True(t, time.Now().Before(deadline), "no first frame")
		}
	}
	return v, closed
}

// state is a copy of what the person did.
func (v *Viewer) state() ui {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ui
}

// shows waits until the display's corner shows what a canvas draws of the
// viewer at the window's size and content scale: drivers and X show a frame
// some time after it was drawn.
func shows(x *viewertest.Display, v *Viewer, c *gpu.Canvas) {
	x.T.Helper()
	var want, got *image.RGBA
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		u := v.state()
		var err error
		want, err = v.Picture(c, u.size.X, u.size.Y, u.scale)
		require.NoError(x.T, err)
		got = x.Screen().SubImage(image.Rectangle{Max: u.size}).(*image.RGBA)
		if differing(want, got) == 0 || time.Now().After(deadline) {
			break
		}
	}
	keep(x.T, got)
	requireSame(x.T, want, got)
}

// soon waits for something to come true.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, 2*time.Millisecond, what)
}

// The window shows, pixel by pixel, what a canvas draws at the same size and
// content scale.
func TestWindowShowsWhatACanvasDraws(t *testing.T) {
	for _, dpi := range []int{96, 192} {
		display := viewertest.Open(t, 2048, 1536, dpi)
		scale := float64(dpi) / 96
		for _, size := range []image.Point{{960, 720}, {400, 300}, {320, 640}} {
			t.Run(fmt.Sprintf("%dx%d at %g", size.X, size.Y, scale), func(t *testing.T) {
				d := gputest.Open(t, gpu.Options{})
				f := newFake()
				f.view = middleOfRun(t, d)
				v, _ := opened(t, d, f, Options{Width: size.X, Height: size.Y})
				u := v.state()
				require.Equal(t, size.Mul(int(scale)), u.size)
				require.InDelta(t, scale, u.scale, 0.01, "GLFW rounds the display's millimetres")
				v.press('?')
				display.T = t
				shows(display, v, canvas(t, d))
			})
		}
	}
}

// Every key of the list, pressed on a real keyboard as far as X knows.
func TestEveryKeyInAWindow(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, closed := opened(t, d, f, Options{Width: 640, Height: 480})
	display.Focus()
	names := map[rune]string{' ': "space", '.': "period", KeyLeft: "Left", KeyRight: "Right", KeyEscape: "Escape", KeyF11: "F11", KeyTab: "Tab", KeyUp: "Up", KeyDown: "Down",
		'+': "plus", '=': "equal", '-': "minus", '_': "underscore", '[': "bracketleft", ']': "bracketright", '?': "question"}
	pressed := func(r rune) {
		name := names[r]
		if name == "" {
			name = string(r)
		}
		display.Do("key", name)
	}
	for _, k := range Keys() {
		f.knows()
		if k.Action < zoomIn {
			f.knows(k.Action)
		}
		for _, r := range k.Keys {
			if k.Action == quit || k.Action == escape {
				continue
			}
			before, commands, frames := v.state(), len(f.got()), v.Stats().Frames
			if k.Action == zoomOut || k.Action == zoomFit {
				pressed('z')
				soon(t, "zoomed", func() bool { return v.state().zoom > before.zoom })
				before = v.state()
			}
			pressed(r)
			if k.Action < zoomIn {
				soon(t, k.Does, func() bool { return len(f.got()) == commands+1 })
				require.Equal(t, Command{Action: k.Action}, f.got()[commands], k.Does)
			} else {
				soon(t, k.Does, func() bool { return changedBy(k.Action, before, v.state()) })
			}
			soon(t, "drawn", func() bool { return v.Stats().Frames > frames })
		}
	}
	f.knows()
	f.change(func(*View) {})
	require.True(t, v.state().help && v.state().full, "the list was opened once, full screen entered thrice and left once")
	shows(display, v, canvas(t, d))
	pressed(KeyEscape)
	soon(t, "no list", func() bool { return !v.state().help && v.state().full })
	pressed(KeyEscape)
	soon(t, "no full screen", func() bool { return v.state().size == image.Pt(640, 480) })
	pressed('q')
	soon(t, "quit", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.quit })
	require.NoError(t, closed())
}

// changedBy says whether a key of the window did what it says.
func changedBy(a Action, before, after ui) bool {
	switch a {
	case zoomIn:
		return after.zoom > before.zoom
	case zoomOut:
		return after.zoom < before.zoom
	case zoomFit:
		return after.zoom == 1
	case toggleSmooth:
		return after.smooth != before.smooth
	case fullScreen:
		return after.full != before.full && after.size != before.size
	case toggleHelp:
		return after.help != before.help
	}
	return false
}

// The pointer: cells are told, the wheel zooms, thumbnails are clicked.
func TestPointerInAWindow(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Grid = image.Pt(8, 8)
	v, _ := opened(t, d, f, Options{Width: 800, Height: 600})
	id := display.Focus()
	move := func(at image.Point) { display.Do("mousemove", "--window", id, fmt.Sprint(at.X), fmt.Sprint(at.Y)) }
	v.mu.Lock()
	at, thumb := v.shown[0].at, v.thumbs[3]
	v.mu.Unlock()
	for _, cell := range []image.Point{{0, 0}, {7, 7}, {3, 5}} {
		move(at.Min.Add(image.Pt(at.Dx()*(2*cell.X+1)/16, at.Dy()*(2*cell.Y+1)/16)))
		soon(t, "cell", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.points) > 0 && f.points[len(f.points)-1] == point{cell, true}
		})
	}
	time.Sleep(200 * time.Millisecond) // for people to look at: the heat map of the cell
	keep(t, display.Screen())
	display.Do("click", "4")
	soon(t, "zoomed by the wheel", func() bool { return v.state().zoom > 1 })
	center := v.state().center
	display.Do("mousedown", "1")
	move(at.Min.Add(at.Size().Div(2)))
	display.Do("mouseup", "1")
	soon(t, "dragged", func() bool { return v.state().center != center })
	move(thumb.at.Min.Add(image.Pt(5, 5)))
	soon(t, "over none", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.points[len(f.points)-1].ok
	})
	display.Do("click", "1")
	soon(t, "thumbnail", func() bool {
		c := f.got()
		return len(c) > 0 && c[len(c)-1] == Command{Action: ShowStep, Step: thumb.step}
	})
}

// marker is a session that takes marks.
type marker struct{ *fake }

func (marker) Actions() []Action { return []Action{Mark, MarkOutside, Frame, TakeBack, NextMask} }

// Clicks, clicks with Shift and drags are told in cells of the picture; Z takes back
// there, and the wheel zooms.
func TestMarksInAWindow(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Strip, f.view.Grid = nil, image.Pt(64, 48)
	v, _ := opened(t, d, marker{f}, Options{Width: 800, Height: 600})
	id := display.Focus()
	v.mu.Lock()
	at := v.shown[0].at
	v.mu.Unlock()
	move := func(x, y int) {
		p := at.Min.Add(image.Pt(at.Dx()*(2*x+1)/128, at.Dy()*(2*y+1)/96))
		display.Do("mousemove", "--window", id, fmt.Sprint(p.X), fmt.Sprint(p.Y))
		soon(t, "moved", func() bool { return v.state().pointer == p })
	}
	told := func(want Command) {
		t.Helper()
		soon(t, fmt.Sprint(want), func() bool { c := f.got(); return len(c) > 0 && c[len(c)-1] == want })
	}
	cell := func(x, y int) image.Rectangle { return image.Rect(x, y, x+1, y+1) }
	move(5, 40)
	display.Do("click", "1")
	told(Command{Action: Mark, Area: cell(5, 40)})
	move(60, 3)
	display.Do("keydown", "shift", "click", "1", "keyup", "shift")
	told(Command{Action: MarkOutside, Area: cell(60, 3)})
	move(50, 30)
	display.Do("mousedown", "1")
	soon(t, "pressed", func() bool { return v.state().framing })
	move(20, 10)
	time.Sleep(200 * time.Millisecond)
	keep(t, display.Screen()) // with the frame in the making
	display.Do("mouseup", "1")
	told(Command{Action: Frame, Area: image.Rect(20, 10, 51, 31)})
	assert.Equal(t, [2]float64{0.5, 0.5}, v.state().center, "the picture does not move")
	display.Do("key", "z")
	told(Command{Action: TakeBack})
	display.Do("key", "Tab")
	told(Command{Action: NextMask})
	assert.Equal(t, 1.0, v.state().zoom)
	display.Do("click", "4")
	soon(t, "zoomed by the wheel", func() bool { return v.state().zoom > 1 })
	center := v.state().center
	display.Do("mousedown", "3")
	move(40, 20)
	display.Do("mouseup", "3")
	soon(t, "dragged by another button", func() bool { return v.state().center != center })
	display.Do("key", "question")
	soon(t, "the list", func() bool { return v.state().help })
	time.Sleep(200 * time.Millisecond)
	keep(t, display.Screen())
}

// Sizes down to a pixel and back, unmapped and mapped again, by real events.
func TestResizedAndHidden(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 640, Height: 480})
	id := display.Focus()
	for _, size := range []image.Point{{1, 1}, {640, 480}, {1, 400}, {700, 2}, {37, 41}, {1024, 768}, {640, 480}} {
		display.Do("windowsize", id, fmt.Sprint(size.X), fmt.Sprint(size.Y))
		soon(t, size.String(), func() bool { return v.state().size == size })
		frames := v.Stats().Frames
		f.change(func(v *View) { v.Step++ })
		soon(t, "drawn at "+size.String(), func() bool { return v.Stats().Frames > frames })
	}
	for range 3 {
		display.Do("windowunmap", "--sync", id)
		f.change(func(v *View) { v.Step-- })
		time.Sleep(100 * time.Millisecond)
		display.Do("windowmap", "--sync", id)
	}
	frames := v.Stats().Frames
	f.change(func(v *View) { v.Step-- })
	soon(t, "drawn after all", func() bool { return v.Stats().Frames > frames })
	v.hide(true)
	time.Sleep(100 * time.Millisecond)
	frames = v.Stats().Frames
	f.change(func(v *View) { v.Step-- })
	time.Sleep(200 * time.Millisecond)
	assert.Equal(t, frames, v.Stats().Frames, "a minimised window is not drawn")
	v.hide(false)
	shows(display, v, canvas(t, d))
}

// What does not change is not drawn, and what changes all the time 30 times a
// second.
func TestDrawnWhenSomethingChanged(t *testing.T) {
	viewertest.Open(t, 640, 480, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 200, Height: 150})
	time.Sleep(300 * time.Millisecond) // the window system has its say at first
	frames, began := v.Stats().Frames, time.Now()
	time.Sleep(500 * time.Millisecond)
	require.Equal(t, frames, v.Stats().Frames)
	for time.Since(began) < 1500*time.Millisecond {
		f.change(func(v *View) { v.Step++ })
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d frames in a second", v.Stats().Frames-frames)
	require.Less(t, v.Stats().Frames-frames, 32)
	require.Positive(t, v.Stats().Frames-frames)
}

func TestFullScreenAtOnce(t *testing.T) {
	display := viewertest.Open(t, 640, 480, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 200, Height: 150, FullScreen: true})
	soon(t, "full screen", func() bool { return v.state().size == image.Pt(640, 480) })
	shows(display, v, canvas(t, d))
}

func TestNoDisplay(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	err := New(newFake(), Options{}).Run(context.Background(), d)
	require.ErrorIs(t, err, ErrNoWindow)
	require.ErrorContains(t, err, "-record")
	require.NotContains(t, err.Error(), "\n")
	t.Log(err)
}
