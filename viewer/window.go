//go:build !headless

package viewer

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"log"
	"runtime"
	"strings"
	"time"

	"github.com/go-gl/glfw/v3.3/glfw"

	"saccade/gpu"
)

// window is GLFW's, with what full screen leaves behind.
type window struct {
	*glfw.Window
	v      *Viewer
	full   bool
	before image.Rectangle // its place and size before full screen
	title  string
}

// waitTime is the longest that the window's thread waits for events.
const waitTime = 25 * time.Millisecond

// Run opens a window and shows the session in it until the window is closed or
// ctx ends, which is no error. The device stays open. On macOS it must be called
// from the main goroutine.
func (v *Viewer) Run(ctx context.Context, d *gpu.Device) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// GLFW's binding logs what goes wrong in the window system, instead of
	// returning it.
	var said bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)
	if err := begin(&said); err != nil {
		return err
	}
	defer glfw.Terminate()
	w, err := v.open()
	if err != nil {
		return noWindow(err.Error())
	}
	defer w.Destroy()
	surface, err := d.NewSurface(native(w.Window), Source)
	if err != nil {
		return noWindow(err.Error())
	}
	defer surface.Close()
	return w.show(ctx, surface)
}

// Available finds out whether there is a display, before any work is done for it.
// It is called where Run is.
func Available() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var said bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)
	err := begin(&said)
	if err == nil {
		glfw.Terminate()
	}
	return err
}

// begin initialises GLFW, which has what goes wrong logged to said.
func begin(said *bytes.Buffer) error {
	if err := glfw.Init(); err != nil {
		return noWindow(err.Error())
	}
	if !started() {
		return noWindow(said.String())
	}
	return nil
}

// noWindow says why not, and what to do.
func noWindow(why string) error {
	if at := strings.Index(why, "PlatformError: "); at >= 0 { // after the log's date
		why = why[at+len("PlatformError: "):]
	}
	return fmt.Errorf("%w: %s; -record out.gif, out.png or a folder writes the run without one", ErrNoWindow, strings.Join(strings.Fields(why), " "))
}

// started says whether GLFW's initialisation succeeded: what needs it panics if not.
func started() (ok bool) {
	defer func() { ok = recover() == nil }()
	glfw.WindowHint(glfw.ClientAPI, glfw.NoAPI)
	return true
}

// open makes the window.
func (v *Viewer) open() (*window, error) {
	glfw.WindowHint(glfw.ClientAPI, glfw.NoAPI)
	glfw.WindowHint(glfw.ScaleToMonitor, glfw.True)
	glfw.WindowHintString(glfw.X11ClassName, "saccade")
	glfw.WindowHintString(glfw.X11InstanceName, "saccade")
	g, err := glfw.CreateWindow(v.options.Width, v.options.Height, "saccade", nil, nil)
	if err != nil {
		return nil, err
	}
	w := &window{Window: g, v: v}
	w.listen()
	w.measure()
	v.mu.Lock()
	v.ui.full = v.options.FullScreen
	v.mu.Unlock()
	return w, nil
}

// show draws on one goroutine, passes commands on another, and handles events.
func (w *window) show(ctx context.Context, s *gpu.Surface) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		w.v.pass(ctx)
	}()
	drawn := make(chan error, 1)
	go func() { drawn <- w.v.redraw(ctx, s, glfw.PostEmptyEvent) }()
	var err error
	over := false
	for last := time.Now(); !over && !w.closing(ctx); {
		glfw.WaitEventsTimeout(waitTime.Seconds())
		last = w.v.waited(last)
		w.follow()
		select {
		case err = <-drawn:
			over = true
		default:
		}
	}
	cancel()
	if !over {
		err = <-drawn
	}
	<-passed
	return err
}

// waited counts a wait for events.
func (v *Viewer) waited(last time.Time) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	v.stats.Waits++
	v.stats.LongestGap = max(v.stats.LongestGap, now.Sub(last))
	return now
}

func (w *window) closing(ctx context.Context) bool {
	w.v.mu.Lock()
	defer w.v.mu.Unlock()
	return w.v.quit || w.ShouldClose() || ctx.Err() != nil
}

// follow brings the window to what was asked for meanwhile.
func (w *window) follow() {
	if text := w.v.title.Load(); text != nil && *text != w.title {
		w.title = *text
		w.SetTitle(w.title)
	}
	w.v.mu.Lock()
	full := w.v.ui.full
	w.v.mu.Unlock()
	if full == w.full {
		return
	}
	w.full = full
	if !full {
		w.SetMonitor(nil, w.before.Min.X, w.before.Min.Y, w.before.Dx(), w.before.Dy(), 0)
		return
	}
	x, y := w.GetPos()
	width, height := w.GetSize()
	w.before = image.Rect(x, y, x+width, y+height)
	if m := w.monitor(); m != nil {
		mode := m.GetVideoMode()
		w.SetMonitor(m, 0, 0, mode.Width, mode.Height, mode.RefreshRate)
	}
}

// monitor is that which the window's middle is on, or the first.
func (w *window) monitor() *glfw.Monitor {
	middle := w.before.Min.Add(w.before.Max).Div(2)
	for _, m := range glfw.GetMonitors() {
		x, y := m.GetPos()
		mode := m.GetVideoMode()
		if middle.In(image.Rect(x, y, x+mode.Width, y+mode.Height)) {
			return m
		}
	}
	return glfw.GetPrimaryMonitor()
}

// measure takes the window's pixels and content scale.
func (w *window) measure() {
	width, height := w.GetFramebufferSize()
	x, _ := w.GetContentScale()
	w.v.resize(image.Pt(width, height), float64(x))
}

// pixel is the pointer's place in pixels, from the units of the display.
func (w *window) pixel(x, y float64) image.Point {
	width, height := w.GetSize()
	pw, ph := w.GetFramebufferSize()
	return image.Pt(int(x*float64(pw)/float64(max(1, width))), int(y*float64(ph)/float64(max(1, height))))
}

// listen passes the window's events on. Letters come as what they type, so that
// they are where the keyboard's layout has them.
func (w *window) listen() {
	v := w.v
	w.SetFramebufferSizeCallback(func(*glfw.Window, int, int) { w.measure() })
	w.SetContentScaleCallback(func(*glfw.Window, float32, float32) { w.measure() })
	w.SetRefreshCallback(func(*glfw.Window) { v.touch() })
	w.SetIconifyCallback(func(_ *glfw.Window, hidden bool) { v.hide(hidden) })
	w.SetCharCallback(func(_ *glfw.Window, r rune) { v.press(r) })
	special := map[glfw.Key]rune{glfw.KeyLeft: KeyLeft, glfw.KeyRight: KeyRight, glfw.KeyEscape: KeyEscape, glfw.KeyF11: KeyF11, glfw.KeyTab: KeyTab, glfw.KeyUp: KeyUp, glfw.KeyDown: KeyDown}
	w.SetKeyCallback(func(_ *glfw.Window, k glfw.Key, _ int, a glfw.Action, _ glfw.ModifierKey) {
		if r, ok := special[k]; ok && a != glfw.Release {
			v.press(r)
		}
	})
	w.SetCursorPosCallback(func(_ *glfw.Window, x, y float64) { v.move(w.pixel(x, y), true) })
	w.SetCursorEnterCallback(func(_ *glfw.Window, inside bool) {
		x, y := w.GetCursorPos()
		v.move(w.pixel(x, y), inside)
	})
	w.SetMouseButtonCallback(func(_ *glfw.Window, b glfw.MouseButton, a glfw.Action, m glfw.ModifierKey) {
		v.button(a == glfw.Press, b == glfw.MouseButtonLeft, m&glfw.ModShift != 0)
	})
	w.SetScrollCallback(func(_ *glfw.Window, _, up float64) { v.scroll(up) })
}
