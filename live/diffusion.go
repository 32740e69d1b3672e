package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"saccade/gpu"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
)

// DiffusionOptions are how a run is shown, and what its caller does.
type DiffusionOptions struct {
	Name    string            // of what is drawn: a prompt; the pipeline's if empty
	Preview diffusion.Preview // "": the best that costs little
	Tiny    *diffusion.Tiny   // for PreviewTiny, or nil; it stays the caller's
	Every   int               // every nth step is shown; 0: each

	// Start begins a run; nil: [diffusion.Pipeline.Start]. It is called again for
	// another scheduler and to watch the attention.
	Start func(ctx context.Context, q diffusion.Request) (*diffusion.Run, error)

	// Done is called when a run ends for the first time, with the states after its
	// steps; nil: nothing.
	Done func(ctx context.Context, run *diffusion.Run, steps []*diffusion.Snapshot) error

	// Save writes the images of a request after a step, or a video's frames, and says where;
	// nil: nothing can be saved. Its error is shown and ends nothing.
	Save func(q diffusion.Request, step int, images []*picture.Image) (path string, err error)

	FPS float64 // frames a second of a video that is played
}

// Diffusion is a diffusion run that a window shows and steers. One goroutine does
// the steps and the commands; what the window reads is behind mu.
type Diffusion struct {
	p *diffusion.Pipeline
	o DiffusionOptions

	commands chan viewer.Command
	changed  changes
	cancel   context.CancelFunc // of the goroutine
	ended    chan error         // of the goroutine

	// Of the request, whatever the person does.
	frames int                // of a video that is played from began on, else 0
	began  time.Time          //
	hints  [][]viewer.Picture // what each ControlNet sees: a picture, or one for each frame

	mu    sync.Mutex // guards what follows
	view  viewer.View
	stop  context.CancelFunc // of the step under way, or nil
	still bool               // the frames of a video stand side by side

	// Of the goroutine alone.
	run     *diffusion.Run
	preview *diffusion.Previewer // of each step
	best    *diffusion.Previewer // of what stands still; preview itself if that is as good
	made    []made
	at      int // of made, what is shown
	heat    int // the word whose heat map is shown, counted from 1; 0: none
	control int // the hints whose weight the keys change
	paused  bool
	done    bool // once
}

// made is the run after a step, and its picture in the strip.
type made struct {
	*diffusion.Snapshot
	thumb *gpu.Tensor
}

// usualFPS is how fast videos are played where nothing is said.
const usualFPS = 10

// NewDiffusion begins a run of the pipeline, which stays open, and its steps. They
// go on until Close, or until ctx ends.
func NewDiffusion(ctx context.Context, p *diffusion.Pipeline, q diffusion.Request, o DiffusionOptions) (*Diffusion, error) {
	d := &Diffusion{p: p, o: o, commands: make(chan viewer.Command, 64), changed: make(changes, 1), ended: make(chan error, 1)}
	if d.o.Start == nil {
		d.o.Start = p.Start
	}
	d.o.Every = max(1, d.o.Every)
	if d.o.FPS <= 0 {
		d.o.FPS = usualFPS
	}
	if err := d.start(ctx, q); err != nil {
		d.drop()
		return nil, err
	}
	d.frames, d.began = d.run.Request.Frames, time.Now()
	for _, c := range d.run.Request.Controls {
		d.hints = append(d.hints, hint(c, &d.run.Request))
	}
	var work context.Context
	work, d.cancel = context.WithCancel(ctx)
	if d.frames > 1 {
		go d.play(work)
	}
	go func() {
		err := d.work(work)
		if errors.Is(err, context.Canceled) {
			err = ctx.Err() // nil: the session was closed
		}
		d.ended <- err
	}()
	return d, nil
}

// Close ends the session and frees its run; the error is what ended the steps before.
func (d *Diffusion) Close() error {
	d.cancel()
	err := <-d.ended
	d.drop()
	return err
}

// start begins a request: its run, and what shows it.
func (d *Diffusion) start(ctx context.Context, q diffusion.Request) error {
	run, err := d.o.Start(ctx, q)
	if err != nil {
		return err
	}
	if run.Memory.LowMemory {
		run.Close()
		return errors.New("a window needs all parts of the pipeline on the device, for which there is not enough memory; -record writes the run without one")
	}
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
func (d *Diffusion) show(ctx context.Context) (err error) {
	kinds := []diffusion.Preview{d.o.Preview}
	if d.o.Preview == "" {
		kinds = []diffusion.Preview{diffusion.PreviewVAE, diffusion.PreviewTiny, diffusion.PreviewLinear}
	}
	for _, kind := range kinds {
		if kind == diffusion.PreviewTiny && d.o.Tiny == nil && d.o.Preview == "" {
			continue
		}
		v, err := d.run.NewPreviewer(ctx, kind, d.o.Tiny)
		if err != nil {
			return err
		}
		if d.best == nil {
			d.best = v
		}
		d.preview = v
		if v.Cost(d.run) <= previewShare*float64(d.o.Every) {
			break
		}
		if v != d.best && kind != kinds[len(kinds)-1] {
			v.Close()
		}
	}
	return nil
}

// drop frees the run and what shows it.
func (d *Diffusion) drop() {
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

// work does steps and commands until ctx ends.
func (d *Diffusion) work(ctx context.Context) error {
	for ctx.Err() == nil {
		var err error
		if len(d.commands) == 0 && !d.paused && d.run.Next() { // nobody else receives
			err = d.step(ctx)
		} else {
			select {
			case <-ctx.Done():
			case c := <-d.commands:
				err = d.carryOut(ctx, c)
			}
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// step does a step from what is shown on, unless a command that begins again stops it.
func (d *Diffusion) step(ctx context.Context) error {
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
func (d *Diffusion) keep(ctx context.Context) error {
	s, err := d.run.Snapshot()
	if err != nil {
		return err
	}
	m := made{Snapshot: s}
	d.made = append(d.made, m)
	d.at = len(d.made) - 1
	if s.Done%d.o.Every != 0 && d.run.Next() {
		d.tell()
		return nil
	}
	if err := d.preview.Show(ctx, d.run, s); err != nil {
		return err
	}
	shown := d.preview.Pictures()
	p := shown[0]
	if m.thumb, err = d.p.Device().State("thumbnail", p.Type, p.Groups, p.Shape...); err == nil {
		d.made[d.at] = m
		err = d.p.Device().Copy(m.thumb, p)
	}
	if err != nil {
		return err
	}
	d.shown(shown)
	return d.rest(ctx)
}

// rest shows what is shown by the best previewer, when nothing is being computed.
func (d *Diffusion) rest(ctx context.Context) error {
	if d.best == d.preview || !d.paused && d.run.Next() {
		return d.warm()
	}
	if err := d.best.Show(ctx, d.run, d.made[d.at].Snapshot); err != nil {
		return err
	}
	d.shown(d.best.Pictures())
	return d.warm()
}

// warm lays the heat map of a word over the picture, if one is asked for and the
// step shown is the latest, whose attention there is.
func (d *Diffusion) warm() error {
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

// shown has the window show the pictures of tensors.
func (d *Diffusion) shown(tensors []*gpu.Tensor) {
	var all []viewer.Picture
	for _, p := range tensors {
		for i := range p.Shape[0] {
			all = append(all, viewer.Picture{Tensor: p, Index: i})
		}
	}
	d.mu.Lock()
	d.view.Shown = all
	d.mu.Unlock()
}

// forget drops the steps from one on.
func (d *Diffusion) forget(from int) {
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
func (d *Diffusion) tell() {
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
		v.Name, v.Step, v.Steps = cmp.Or(d.o.Name, d.p.Name), d.run.Done(), d.run.Steps()
		v.Facts = []string{fmt.Sprintf("seed %d", q.Seeds[0]), d.p.SchedulerName(q.Scheduler)}
		if d.p.Prompted() {
			v.Facts = append(v.Facts, fmt.Sprintf("guidance %.3g", q.Guidance))
		}
		v.Facts = append(v.Facts, d.weights()...)
		v.Facts = append(v.Facts, "preview "+string(d.preview.Kind))
	}
	d.mu.Unlock()
	d.changed.tell()
}

// notice says something over the picture.
func (d *Diffusion) notice(format string, args ...any) {
	d.mu.Lock()
	d.view.Notice = fmt.Sprintf(format, args...)
	d.mu.Unlock()
	d.tell()
}

// finish tells the caller of the end, once.
func (d *Diffusion) finish(ctx context.Context) error {
	if d.done || d.o.Done == nil {
		return nil
	}
	d.done = true
	steps := make([]*diffusion.Snapshot, 0, len(d.made))
	for _, m := range d.made[1:] {
		steps = append(steps, m.Snapshot)
	}
	return d.o.Done(ctx, d.run, steps)
}

// carryOut does a command.
func (d *Diffusion) carryOut(ctx context.Context, c viewer.Command) error {
	d.mu.Lock()
	d.view.Notice = ""
	d.mu.Unlock()
	switch c.Action {
	case viewer.Pause:
		d.paused = !d.paused
		return d.rest(ctx)
	case viewer.SingleStep:
		d.paused = true
		if d.at == len(d.made)-1 && !d.run.Next() {
			return d.rest(ctx)
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
		return d.again(ctx, diffusion.Seeds(-1, d.run.Request.Items))
	case viewer.MoreGuidance, viewer.LessGuidance:
		return d.guide(c.Action == viewer.MoreGuidance)
	case viewer.NextScheduler:
		return d.reschedule(ctx)
	case viewer.MoreControl, viewer.LessControl, viewer.NextControl:
		return d.weigh(c.Action)
	case viewer.PlayFrames:
		d.mu.Lock()
		d.still = !d.still
		d.mu.Unlock()
		d.tell()
	case viewer.Save:
		return d.savePicture(ctx)
	case viewer.ToggleHeat, viewer.NextHeat:
		return d.toggleHeat(ctx, c.Action == viewer.NextHeat)
	}
	return nil
}

// place is the step whose thumbnail is the strip's nth.
func (d *Diffusion) place(n int) int {
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
func (d *Diffusion) goTo(ctx context.Context, at int) error {
	d.paused = true
	d.at = min(max(0, at), len(d.made)-1)
	m := d.made[d.at]
	if err := d.preview.Show(ctx, d.run, m.Snapshot); err != nil {
		return err
	}
	d.shown(d.preview.Pictures())
	return d.rest(ctx)
}

// again begins again with seeds.
func (d *Diffusion) again(ctx context.Context, seeds []uint64) error {
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
func (d *Diffusion) guide(more bool) error {
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
func (d *Diffusion) reschedule(ctx context.Context) error {
	names := diffusion.Schedulers()
	i := slices.Index(names, d.run.Request.Scheduler)
	for range names {
		i = (i + 1) % len(names)
		q := d.run.Request
		q.Scheduler = names[i]
		if d.p.SchedulerName(q.Scheduler) == q.Scheduler { // a class, which has a short name too
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
func (d *Diffusion) toggleHeat(ctx context.Context, next bool) error {
	if !d.p.Prompted() {
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
		return d.rest(ctx)
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
func (d *Diffusion) savePicture(ctx context.Context) error {
	images, err := d.run.Preview(ctx, d.made[d.at].Snapshot)
	if err != nil {
		return err
	}
	path, err := d.o.Save(d.run.Request, d.made[d.at].Done, images)
	if err != nil {
		d.notice("%s", weights.Line(err))
		return nil
	}
	d.notice("saved %s", path)
	return nil
}

// changes tells the window that there is something else to see; its buffer is of one.
type changes chan struct{}

func (c changes) tell() {
	select {
	case c <- struct{}{}:
	default:
	}
}
