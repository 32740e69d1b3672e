package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/viewer"
)

// denoising is a diffusion run that a window shows and steers. One goroutine does
// the steps and the commands; what the window reads is behind mu.
type denoising struct {
	w    *painter
	kind diffusion.Preview
	tiny *diffusion.Tiny

	commands chan viewer.Command
	changed  chan struct{}

	mu   sync.Mutex // guards what follows
	view viewer.View
	stop context.CancelFunc // of the step under way, or nil

	// Of the goroutine alone.
	run     *diffusion.Run
	preview *diffusion.Previewer // of each step
	best    *diffusion.Previewer // of what stands still; preview itself if that is as good
	made    []made
	at      int // of made, what is shown
	heat    int // the word whose heat map is shown, counted from 1; 0: none
	paused  bool
	written bool // what -o asks for
}

// made is the run after a step, and its picture in the strip.
type made struct {
	*diffusion.Snapshot
	thumb *gpu.Tensor
}

// viewRun shows a request in a window. What -o, -record and -save name is written
// when the run ends for the first time.
func (w *painter) viewRun(ctx context.Context, q diffusion.Request) error {
	d := &denoising{w: w, kind: w.preview, commands: make(chan viewer.Command, 64), changed: make(chan struct{}, 1)}
	defer d.close()
	if w.tinyWeights != "" {
		var err error
		if d.tiny, err = w.p.OpenTiny(ctx, w.tinyWeights, w.hub); err != nil {
			return err
		}
	}
	if err := d.start(ctx, q); err != nil {
		return err
	}
	work, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- d.work(work) }()
	err := viewer.New(d, viewer.Options{Smooth: true}).Run(ctx, w.dev)
	cancel()
	failed := <-done
	if errors.Is(failed, context.Canceled) {
		failed = ctx.Err() // the window was closed
	}
	return errors.Join(err, failed)
}

// start begins a request: its run, and what shows it.
func (d *denoising) start(ctx context.Context, q diffusion.Request) error {
	run, err := d.w.start(ctx, q)
	if err != nil {
		return err
	}
	if run.Memory.LowMemory {
		run.Close()
		return errors.New("a window needs all parts of the pipeline on the device, for which there is not enough memory; -record writes the run without one")
	}
	d.w.warn(q, run)
	d.drop()
	d.run = run
	if err := d.show(ctx); err != nil {
		return err
	}
	return d.keep(ctx)
}

// previewShare is what a preview may cost of a step.
const previewShare = 0.1

// show makes the previewers: what was asked for, or the best that costs little.
func (d *denoising) show(ctx context.Context) (err error) {
	kinds := []diffusion.Preview{d.kind}
	if d.kind == "" {
		kinds = []diffusion.Preview{diffusion.PreviewVAE, diffusion.PreviewTiny, diffusion.PreviewLinear}
	}
	for _, kind := range kinds {
		if kind == diffusion.PreviewTiny && d.tiny == nil && d.kind == "" {
			continue
		}
		v, err := d.run.NewPreviewer(ctx, kind, d.tiny)
		if err != nil {
			return err
		}
		if d.best == nil {
			d.best = v
		}
		d.preview = v
		if v.Cost(d.run) <= previewShare*float64(d.w.viewEvery) {
			break
		}
		if v != d.best && kind != kinds[len(kinds)-1] {
			v.Close()
		}
	}
	return nil
}

// drop frees the run and what shows it.
func (d *denoising) drop() {
	d.forget(0)
	d.mu.Lock()
	d.view.Shown = nil
	d.mu.Unlock()
	if d.preview != d.best && d.preview != nil {
		d.preview.Close()
	}
	if d.best != nil {
		d.best.Close()
	}
	d.preview, d.best = nil, nil
	if d.run != nil {
		d.run.Close()
		d.run = nil
	}
}

func (d *denoising) close() {
	d.drop()
	if d.tiny != nil {
		d.tiny.Close()
	}
}

// work does steps and commands until ctx ends.
func (d *denoising) work(ctx context.Context) error {
	for {
		var err error
		if d.paused || !d.run.Next() {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case c := <-d.commands:
				err = d.carryOut(ctx, c)
			}
		} else {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case c := <-d.commands:
				err = d.carryOut(ctx, c)
			default:
				err = d.step(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// step does a step from what is shown on, unless a command that begins again stops it.
func (d *denoising) step(ctx context.Context) error {
	if d.at < len(d.made)-1 { // go on from an earlier one
		if err := d.run.Restore(d.made[d.at].Snapshot); err != nil {
			return err
		}
		d.forget(d.at + 1)
	}
	stepping, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	d.stop = cancel
	d.mu.Unlock()
	began := time.Now()
	err := d.run.Step(stepping)
	took := time.Since(began)
	d.mu.Lock()
	d.stop = nil
	d.mu.Unlock()
	if err != nil && ctx.Err() == nil && stepping.Err() != nil {
		return d.run.Restore(d.made[d.at].Snapshot)
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.view.StepTime = took
	d.mu.Unlock()
	if err := d.keep(ctx); err != nil || d.run.Next() {
		return err
	}
	return d.finish(ctx)
}

// keep puts the run as it is at the end of the strip, and shows it.
func (d *denoising) keep(ctx context.Context) error {
	s, err := d.run.Snapshot()
	if err != nil {
		return err
	}
	m := made{Snapshot: s}
	d.made = append(d.made, m)
	d.at = len(d.made) - 1
	if s.Done%d.w.viewEvery != 0 && d.run.Next() {
		d.tell()
		return nil
	}
	if err := d.preview.Show(ctx, d.run, s); err != nil {
		return err
	}
	p := d.preview.Picture()
	if m.thumb, err = d.w.dev.State("thumbnail", p.Type, p.Groups, p.Shape...); err == nil {
		d.made[d.at] = m
		err = d.w.dev.Copy(m.thumb, p)
	}
	if err != nil {
		return err
	}
	d.shown(p)
	return d.still(ctx)
}

// still shows what is shown by the best previewer, when nothing is being computed.
func (d *denoising) still(ctx context.Context) error {
	if d.best == d.preview || !d.paused && d.run.Next() {
		return d.warm()
	}
	if err := d.best.Show(ctx, d.run, d.made[d.at].Snapshot); err != nil {
		return err
	}
	d.shown(d.best.Picture())
	return d.warm()
}

// warm lays the heat map of a word over the picture, if one is asked for and the
// step shown is the latest, whose attention there is.
func (d *denoising) warm() error {
	var heat *gpu.Heat
	notice := ""
	if d.heat > 0 && d.at == len(d.made)-1 && d.run.Done() > 0 {
		maps, err := d.run.WordMaps(0)
		if err != nil {
			return err
		}
		if len(maps) > 0 {
			m := maps[(d.heat-1)%len(maps)]
			heat = &gpu.Heat{Rows: m.H, Columns: m.W, Low: slices.Min(m.Values), High: slices.Max(m.Values), Values: m.Values}
			notice = fmt.Sprintf("attention to %q", m.Word)
		}
	}
	d.mu.Lock()
	for i := range d.view.Shown {
		d.view.Shown[i].Heat = nil
		if i == 0 {
			d.view.Shown[i].Heat = heat
		}
	}
	d.view.Shown = slices.Clone(d.view.Shown)
	if d.heat > 0 {
		d.view.Notice = notice
	}
	d.mu.Unlock()
	d.tell()
	return nil
}

// shown has the window show a tensor's pictures.
func (d *denoising) shown(p *gpu.Tensor) {
	var all []viewer.Picture
	for i := range p.Shape[0] {
		all = append(all, viewer.Picture{Tensor: p, Index: i})
	}
	d.mu.Lock()
	d.view.Shown = all
	d.mu.Unlock()
}

// forget drops the steps from one on.
func (d *denoising) forget(from int) {
	if from >= len(d.made) {
		return
	}
	gone := d.made[from:]
	d.made = slices.Clip(d.made[:from])
	d.at = min(d.at, max(0, len(d.made)-1))
	d.tell()
	for _, m := range gone {
		m.Release()
		m.thumb.Release()
	}
}

// tell brings the view up to date.
func (d *denoising) tell() {
	var strip []viewer.Picture
	at := 0
	for i, m := range d.made {
		if m.thumb == nil {
			continue
		}
		if i <= d.at {
			at = len(strip)
		}
		strip = append(strip, viewer.Picture{Tensor: m.thumb, Label: fmt.Sprint(m.Done)})
	}
	d.mu.Lock()
	v := &d.view
	v.Strip, v.At, v.Paused = strip, at, d.paused
	if d.run != nil {
		q := &d.run.Request
		v.Name, v.Step, v.Steps = d.w.prompt(), d.run.Done(), d.run.Steps()
		if v.Name == "" {
			v.Name = d.w.p.Name
		}
		v.Facts = []string{fmt.Sprintf("seed %d", q.Seeds[0]), d.w.p.SchedulerName(q.Scheduler)}
		if d.w.p.Prompted() {
			v.Facts = append(v.Facts, fmt.Sprintf("guidance %.3g", q.Guidance))
		}
		v.Facts = append(v.Facts, "preview "+string(d.preview.Kind))
	}
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// notice says something over the picture.
func (d *denoising) notice(format string, args ...any) {
	d.mu.Lock()
	d.view.Notice = fmt.Sprintf(format, args...)
	d.mu.Unlock()
	d.tell()
}

// finish writes what the flags name, once.
func (d *denoising) finish(ctx context.Context) error {
	if d.written {
		return nil
	}
	d.written = true
	w, q := d.w, d.run.Request
	if w.out != "" || w.save != "" {
		result, err := d.run.Result(ctx)
		if err != nil {
			return err
		}
		if err := w.writePictures(result.Pictures(), q); err != nil {
			return err
		}
		if w.save != "" {
			if err := w.saveResult(q, result); err != nil {
				return err
			}
		}
	}
	if w.record == "" {
		return nil
	}
	var frames []*picture.Image
	for _, m := range d.made[1:] {
		images, err := d.run.Preview(ctx, m.Snapshot)
		if err != nil {
			return err
		}
		frames = append(frames, images[0])
	}
	return w.writeFrames(w.record, frames, q)
}

// carryOut does a command.
func (d *denoising) carryOut(ctx context.Context, c viewer.Command) error {
	d.mu.Lock()
	d.view.Notice = ""
	d.mu.Unlock()
	switch c.Action {
	case viewer.Pause:
		d.paused = !d.paused
		return d.still(ctx)
	case viewer.SingleStep:
		d.paused = true
		if d.at == len(d.made)-1 && !d.run.Next() {
			return d.still(ctx)
		}
		return d.step(ctx)
	case viewer.Back:
		return d.goTo(ctx, d.at-1)
	case viewer.Forward:
		return d.goTo(ctx, d.at+1)
	case viewer.ShowStep:
		return d.goTo(ctx, d.place(c.Step))
	case viewer.Restart:
		return d.again(ctx, d.run.Request.Seeds)
	case viewer.NewSeed:
		return d.again(ctx, seeds(int64(rand.Uint32()), d.run.Request.Items))
	case viewer.MoreGuidance, viewer.LessGuidance:
		return d.guide(c.Action == viewer.MoreGuidance)
	case viewer.NextScheduler:
		return d.reschedule(ctx)
	case viewer.Save:
		return d.savePicture(ctx)
	case viewer.ToggleHeat, viewer.NextHeat:
		return d.toggleHeat(ctx, c.Action == viewer.NextHeat)
	}
	return nil
}

// place is the step whose thumbnail is the strip's nth.
func (d *denoising) place(n int) int {
	for i, m := range d.made {
		if m.thumb == nil {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	return d.at
}

// goTo shows an earlier or a later step, and pauses there.
func (d *denoising) goTo(ctx context.Context, at int) error {
	d.paused = true
	d.at = min(max(0, at), len(d.made)-1)
	m := d.made[d.at]
	if err := d.preview.Show(ctx, d.run, m.Snapshot); err != nil {
		return err
	}
	d.shown(d.preview.Picture())
	return d.still(ctx)
}

// again begins again with seeds.
func (d *denoising) again(ctx context.Context, seeds []uint64) error {
	d.forget(0)
	var err error
	if slices.Equal(seeds, d.run.Request.Seeds) {
		err = d.run.Restart(ctx)
	} else {
		err = d.run.Reseed(ctx, seeds)
	}
	if err != nil {
		return err
	}
	return d.keep(ctx)
}

// guide weighs the prompt more or less, by a half.
func (d *denoising) guide(more bool) error {
	by := -0.5
	if more {
		by = 0.5
	}
	if err := d.run.SetGuidance(d.run.Request.Guidance + by); err != nil {
		d.notice("%v", err)
		return nil
	}
	d.tell()
	return nil
}

// reschedule begins again with the next scheduler that can do the run.
func (d *denoising) reschedule(ctx context.Context) error {
	names := diffusion.Schedulers()
	i := slices.Index(names, d.run.Request.Scheduler)
	for range names {
		i = (i + 1) % len(names)
		q := d.run.Request
		q.Scheduler = names[i]
		if d.w.p.SchedulerName(q.Scheduler) == q.Scheduler { // a class, which has a short name too
			continue
		}
		err := d.start(ctx, q)
		var bad *diffusion.RequestError
		if errors.As(err, &bad) {
			continue
		}
		return err
	}
	return nil
}

// toggleHeat shows the heat map of a word, the next one, or none. The first time the
// run is recorded anew, to watch its attention.
func (d *denoising) toggleHeat(ctx context.Context, next bool) error {
	if !d.w.p.Prompted() {
		return nil
	}
	switch {
	case next:
		d.heat++
	case d.heat > 0:
		d.heat = 0
	default:
		d.heat = 1
	}
	if d.run.Request.Watch || d.heat == 0 {
		return d.still(ctx)
	}
	q := d.run.Request
	q.Watch = true
	if err := d.start(ctx, q); err != nil {
		return err
	}
	d.notice("from the first step again, to watch the words")
	return nil
}

// savePicture writes what is shown to a new file.
func (d *denoising) savePicture(ctx context.Context) error {
	images, err := d.run.Preview(ctx, d.made[d.at].Snapshot)
	if err != nil {
		return err
	}
	q := d.run.Request
	for i, img := range images {
		path := filepath.Join(filepath.Dir(d.w.out), fmt.Sprintf("saccade-%d-step-%d.png", q.Seeds[i], d.made[d.at].Done))
		if err := picture.WritePNG(path, img, d.w.parameters(q, d.w.prompt(), q.Seeds[i])); err != nil {
			d.notice("%s", cli.OneLine(err))
			return nil
		}
		d.notice("saved %s", path)
	}
	return nil
}

// View implements [viewer.Session].
func (d *denoising) View() viewer.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view
}

// Actions implements [viewer.Session].
func (d *denoising) Actions() []viewer.Action {
	all := []viewer.Action{viewer.Pause, viewer.SingleStep, viewer.Back, viewer.Forward, viewer.ShowStep, viewer.Restart, viewer.NewSeed, viewer.NextScheduler, viewer.Save}
	if d.w.p.Prompted() {
		all = append(all, viewer.MoreGuidance, viewer.LessGuidance, viewer.ToggleHeat, viewer.NextHeat)
	}
	return all
}

// Do implements [viewer.Session].
func (d *denoising) Do(c viewer.Command) {
	switch c.Action {
	case viewer.Restart, viewer.NewSeed, viewer.NextScheduler, viewer.Back, viewer.ShowStep:
		d.mu.Lock()
		if d.stop != nil {
			d.stop()
		}
		d.mu.Unlock()
	}
	d.commands <- c
}

// Point implements [viewer.Session]; a run has no cells.
func (d *denoising) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (d *denoising) Changed() <-chan struct{} { return d.changed }
