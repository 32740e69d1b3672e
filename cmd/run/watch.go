package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"saccade/live"
	"saccade/picture"
	"saccade/video"
	"saccade/viewer"
)

// sighting is what was found in a frame.
type sighting struct {
	entry any                   // the keys of its JSON
	line  string                // on the terminal
	draw  func() *picture.Image // the frame with it, of the frame's size
}

// sight looks at a frame.
type sight func(ctx context.Context, img *picture.Image) (sighting, error)

// frameJSON begins the JSON line of a frame.
type frameJSON struct {
	Path  string  `json:"path"`
	Frame int     `json:"frame"`
	Time  float64 `json:"time"` // seconds from the first
}

// watch is one call that looks at the frames of a video or camera.
type watch struct {
	*app
	look    sight
	reader  *video.Reader
	name    string
	out     *video.Writer
	window  *live.Frames // or nil
	began   time.Time
	frames  int
	missed  int
	latency []time.Duration
}

// watchFrames looks at all frames, and says at the end how fast it was.
func (a *app) watchFrames(ctx context.Context, look sight) error {
	w := &watch{app: a, look: look, name: fmt.Sprintf("camera %d", a.camera)}
	if !a.given["camera"] {
		w.name = a.images[0]
	}
	if !a.view {
		return w.run(ctx)
	}
	w.window = live.NewFrames(w.name)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := w.run(ctx)
		if err == nil {
			w.window.Notice("the end")
		} else if ctx.Err() == nil {
			w.window.Notice(err.Error())
		}
		ended <- err
	}()
	err := viewer.New(w.window, viewer.Options{Smooth: true}).Run(ctx, a.dev)
	cancel()
	if stopped := <-ended; err == nil && !errors.Is(stopped, context.Canceled) {
		err = stopped
	}
	return err
}

// run looks at the frames until there are no more, or at a camera's until it is interrupted.
func (w *watch) run(ctx context.Context) (err error) {
	if w.given["camera"] {
		w.reader, err = video.OpenCamera(ctx, w.camera)
	} else {
		w.reader, err = video.Open(ctx, w.images[0], video.Options{Stdin: os.Stdin, Paced: w.view && w.app.options.out == ""})
	}
	if err != nil {
		return err
	}
	defer w.reader.Close()
	w.began = time.Now()
	err = w.each(ctx)
	if w.given["camera"] && errors.Is(err, context.Canceled) {
		err = nil // that is how looking at a camera ends
	}
	if w.out != nil {
		if w.frames == 0 || err != nil {
			w.out.Abandon()
		} else {
			err = w.out.Close()
		}
	}
	w.tellRate()
	return err
}

// each looks at all frames of a file, and of a camera and in a window at those that there is
// time for.
func (w *watch) each(ctx context.Context) error {
	if !w.given["camera"] && (!w.view || w.options.out != "") {
		for {
			f, err := w.reader.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = w.frame(ctx, f)
			}
			if err != nil {
				return err
			}
		}
	}
	frames, end := w.reader.Latest(ctx)
	var failed error
	for f := range frames {
		if failed == nil {
			if failed = w.frame(ctx, f); failed != nil {
				w.reader.Stop()
			}
		}
	}
	missed, err := end()
	if w.missed = missed; failed != nil {
		return failed
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// frame looks at one.
func (w *watch) frame(ctx context.Context, f *video.Frame) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := w.look(ctx, f.Image)
	if err != nil {
		return fmt.Errorf("%s: frame %d: %w", w.name, f.Index, err)
	}
	w.frames++
	w.latency = append(w.latency, time.Since(f.Read))
	if err := w.tell(f, s); err != nil {
		return err
	}
	if w.options.out == "" && w.window == nil {
		return nil
	}
	drawn := s.draw()
	if w.window != nil {
		w.window.Show(drawn, w.model, fmt.Sprintf("frame %d", f.Index), fmt.Sprintf("%.1f a second", w.rate()), fmt.Sprintf("%.0f ms late", milliseconds(w.latency[len(w.latency)-1])))
	}
	if w.options.out == "" {
		return nil
	}
	if w.out == nil {
		if w.out, err = video.Create(ctx, w.options.out, drawn.W, drawn.H, w.reader.Rate()); err != nil {
			return err
		}
	}
	return w.out.Add(drawn)
}

// tell prints a line of a frame.
func (w *watch) tell(f *video.Frame, s sighting) error {
	if !w.json {
		w.stdout.printf("%d  %.3f s  %s\n", f.Index, f.Time, s.line)
		return w.stdout.flush()
	}
	head, err := json.Marshal(frameJSON{w.name, f.Index, f.Time})
	if err != nil {
		return err
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(s.entry); err != nil {
		return fmt.Errorf("writing the results as JSON: %w", err)
	}
	fmt.Fprintf(w.stdout.w, "%s,%s", head[:len(head)-1], text.String()[1:])
	return w.stdout.flush()
}

// rate is the frames a second that were looked at.
func (w *watch) rate() float64 { return float64(w.frames) / max(time.Since(w.began).Seconds(), 1e-9) }

// tellRate says how fast frames were looked at, and how late.
func (w *watch) tellRate() {
	if w.frames == 0 {
		return
	}
	slices.Sort(w.latency)
	missed := ""
	if w.missed > 0 {
		missed = fmt.Sprintf(", %d missed", w.missed)
	}
	fmt.Fprintf(w.stderr, "%s: %d frames, %.2f a second%s; latency %.1f ms, at most %.1f ms\n", w.name, w.frames, w.rate(), missed,
		milliseconds(w.latency[len(w.latency)/2]), milliseconds(w.latency[len(w.latency)-1]))
}
