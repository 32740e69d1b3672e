//go:build !headless && linux

package viewer

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// xvfb is an X server without a screen; what it shows is a file.
type xvfb struct {
	t    *testing.T
	file string
}

// display starts one of w×h pixels at so many dots an inch, and makes it this
// process's display.
func display(t *testing.T, w, h, dpi int) *xvfb {
	t.Helper()
	path := program(t, "Xvfb", "xvfb")
	r, out, err := os.Pipe()
	require.NoError(t, err)
	dir := t.TempDir()
	x := exec.Command(path, "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", w, h), "-nolisten", "tcp", "-noreset", "-fbdir", dir)
	x.ExtraFiles = []*os.File{out}
	require.NoError(t, x.Start())
	require.NoError(t, out.Close())
	t.Cleanup(func() {
		require.NoError(t, x.Process.Kill())
		_ = x.Wait() // says that it was killed
		require.NoError(t, r.Close())
	})
	number, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err, "Xvfb did not start")
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
	t.Setenv("WAYLAND_DISPLAY", "")
	if dpi != 96 {
		set, err := exec.Command(program(t, "xprop", "x11-utils"), "-root", "-f", "RESOURCE_MANAGER", "8s",
			"-set", "RESOURCE_MANAGER", fmt.Sprintf("Xft.dpi:\t%d\n", dpi)).CombinedOutput()
		require.NoError(t, err, string(set))
	}
	return &xvfb{t, filepath.Join(dir, "Xvfb_screen0")}
}

// program finds a program of a package, without which the test is skipped, but
// never in CI.
func program(t *testing.T, name, pack string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("CI needs %s: install %s", name, pack)
	} else if err != nil {
		t.Skipf("no %s here: install %s to test windows", name, pack)
	}
	return path
}

// screen reads the pixels of the display from its file, which is in the format
// of xwd: a header of big-endian words, colours of 12 bytes, rows of BGRX.
func (x *xvfb) screen() *image.RGBA {
	x.t.Helper()
	raw, err := os.ReadFile(x.file)
	require.NoError(x.t, err)
	word := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	w, h, stride := word(4), word(5), word(12)
	require.Equal(x.t, 32, word(11), "bits a pixel")
	pixels := raw[word(0)+12*word(19):]
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for at := range w {
			p := pixels[y*stride+4*at:]
			copy(m.Pix[y*m.Stride+4*at:], []byte{p[2], p[1], p[0], 255})
		}
	}
	return m
}

// do sends real events: xdotool's words.
func (x *xvfb) do(words ...string) string {
	x.t.Helper()
	out, err := exec.Command(program(x.t, "xdotool", "xdotool"), words...).CombinedOutput()
	require.NoError(x.t, err, "xdotool %v: %s", words, out)
	return strings.TrimSpace(string(out))
}

// focus finds the window and gives it the keyboard, for there is no window manager.
func (x *xvfb) focus() (id string) {
	x.t.Helper()
	id = x.do("search", "--sync", "--class", "saccade")
	x.do("windowfocus", "--sync", id)
	return id
}

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
func (x *xvfb) shows(v *Viewer, c *gpu.Canvas) {
	x.t.Helper()
	var want, got *image.RGBA
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		u := v.state()
		var err error
		want, err = v.Picture(c, u.size.X, u.size.Y, u.scale)
		require.NoError(x.t, err)
		got = x.screen().SubImage(image.Rectangle{Max: u.size}).(*image.RGBA)
		if differing(want, got) == 0 || time.Now().After(deadline) {
			break
		}
	}
	keep(x.t, got)
	requireSame(x.t, want, got)
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
		display := display(t, 2048, 1536, dpi)
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
				display.t = t
				display.shows(v, canvas(t, d))
			})
		}
	}
}

// Every key of the list, pressed on a real keyboard as far as X knows.
func TestEveryKeyInAWindow(t *testing.T) {
	display := display(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, closed := opened(t, d, f, Options{Width: 640, Height: 480})
	display.focus()
	names := map[rune]string{' ': "space", '.': "period", KeyLeft: "Left", KeyRight: "Right", KeyEscape: "Escape", KeyF11: "F11", KeyTab: "Tab",
		'+': "plus", '=': "equal", '-': "minus", '_': "underscore", '?': "question"}
	pressed := func(r rune) {
		name := names[r]
		if name == "" {
			name = string(r)
		}
		display.do("key", name)
	}
	for _, k := range Keys() {
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
	require.True(t, v.state().help && v.state().full, "the list was opened once, full screen entered thrice and left once")
	display.shows(v, canvas(t, d))
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
	display := display(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Grid = image.Pt(8, 8)
	v, _ := opened(t, d, f, Options{Width: 800, Height: 600})
	id := display.focus()
	move := func(at image.Point) { display.do("mousemove", "--window", id, fmt.Sprint(at.X), fmt.Sprint(at.Y)) }
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
	keep(t, display.screen())
	display.do("click", "4")
	soon(t, "zoomed by the wheel", func() bool { return v.state().zoom > 1 })
	center := v.state().center
	display.do("mousedown", "1")
	move(at.Min.Add(at.Size().Div(2)))
	display.do("mouseup", "1")
	soon(t, "dragged", func() bool { return v.state().center != center })
	move(thumb.at.Min.Add(image.Pt(5, 5)))
	soon(t, "over none", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.points[len(f.points)-1].ok
	})
	display.do("click", "1")
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
	display := display(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	f.view.Strip, f.view.Grid = nil, image.Pt(64, 48)
	v, _ := opened(t, d, marker{f}, Options{Width: 800, Height: 600})
	id := display.focus()
	v.mu.Lock()
	at := v.shown[0].at
	v.mu.Unlock()
	move := func(x, y int) {
		p := at.Min.Add(image.Pt(at.Dx()*(2*x+1)/128, at.Dy()*(2*y+1)/96))
		display.do("mousemove", "--window", id, fmt.Sprint(p.X), fmt.Sprint(p.Y))
		soon(t, "moved", func() bool { return v.state().pointer == p })
	}
	told := func(want Command) {
		t.Helper()
		soon(t, fmt.Sprint(want), func() bool { c := f.got(); return len(c) > 0 && c[len(c)-1] == want })
	}
	cell := func(x, y int) image.Rectangle { return image.Rect(x, y, x+1, y+1) }
	move(5, 40)
	display.do("click", "1")
	told(Command{Action: Mark, Area: cell(5, 40)})
	move(60, 3)
	display.do("keydown", "shift", "click", "1", "keyup", "shift")
	told(Command{Action: MarkOutside, Area: cell(60, 3)})
	move(50, 30)
	display.do("mousedown", "1")
	soon(t, "pressed", func() bool { return v.state().framing })
	move(20, 10)
	time.Sleep(200 * time.Millisecond)
	keep(t, display.screen()) // with the frame in the making
	display.do("mouseup", "1")
	told(Command{Action: Frame, Area: image.Rect(20, 10, 51, 31)})
	assert.Equal(t, [2]float64{0.5, 0.5}, v.state().center, "the picture does not move")
	display.do("key", "z")
	told(Command{Action: TakeBack})
	display.do("key", "Tab")
	told(Command{Action: NextMask})
	assert.Equal(t, 1.0, v.state().zoom)
	display.do("click", "4")
	soon(t, "zoomed by the wheel", func() bool { return v.state().zoom > 1 })
	center := v.state().center
	display.do("mousedown", "3")
	move(40, 20)
	display.do("mouseup", "3")
	soon(t, "dragged by another button", func() bool { return v.state().center != center })
	display.do("key", "question")
	soon(t, "the list", func() bool { return v.state().help })
	time.Sleep(200 * time.Millisecond)
	keep(t, display.screen())
}

// Sizes down to a pixel and back, unmapped and mapped again, by real events.
func TestResizedAndHidden(t *testing.T) {
	display := display(t, 1024, 768, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 640, Height: 480})
	id := display.focus()
	for _, size := range []image.Point{{1, 1}, {640, 480}, {1, 400}, {700, 2}, {37, 41}, {1024, 768}, {640, 480}} {
		display.do("windowsize", id, fmt.Sprint(size.X), fmt.Sprint(size.Y))
		soon(t, size.String(), func() bool { return v.state().size == size })
		frames := v.Stats().Frames
		f.change(func(v *View) { v.Step++ })
		soon(t, "drawn at "+size.String(), func() bool { return v.Stats().Frames > frames })
	}
	for range 3 {
		display.do("windowunmap", "--sync", id)
		f.change(func(v *View) { v.Step-- })
		time.Sleep(100 * time.Millisecond)
		display.do("windowmap", "--sync", id)
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
	display.shows(v, canvas(t, d))
}

// What does not change is not drawn, and what changes all the time 30 times a
// second.
func TestDrawnWhenSomethingChanged(t *testing.T) {
	display(t, 640, 480, 96)
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
	display := display(t, 640, 480, 96)
	d := gputest.Open(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 200, Height: 150, FullScreen: true})
	soon(t, "full screen", func() bool { return v.state().size == image.Pt(640, 480) })
	display.shows(v, canvas(t, d))
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
