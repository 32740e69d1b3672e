package live

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"time"

	"saccade/models/diffusion"
	"saccade/viewer"
)

// hint is what a ControlNet sees, as the window shows it.
func hint(c diffusion.Control, q *diffusion.Request) (all []viewer.Picture) {
	for x := range slices.Chunk(c.Hint, 3*q.Height*q.Width) {
		m := image.NewRGBA(image.Rect(0, 0, q.Width, q.Height))
		for i := range q.Height * q.Width {
			for k := range 3 {
				m.Pix[4*i+k] = uint8(255*min(1, max(0, x[k*q.Height*q.Width+i])) + 0.5)
			}
			m.Pix[4*i+3] = 255
		}
		all = append(all, viewer.Picture{Image: m})
	}
	return all
}

// controlStep is how much a key changes the weight of a ControlNet.
const controlStep = 0.1

// weigh changes the weight of the chosen ControlNet, or chooses the next one.
func (d *Diffusion) weigh(a viewer.Action) error {
	if a == viewer.NextControl {
		d.control = (d.control + 1) % len(d.hints)
		d.tell()
		return nil
	}
	by := controlStep
	if a == viewer.LessControl {
		by = -by
	}
	weight := math.Round(1000*(d.run.Request.Controls[d.control].Weight+by)) / 1000
	if err := d.run.SetControl(d.control, max(0, weight)); err != nil {
		return err
	}
	d.tell()
	return nil
}

// weights are the facts about the ControlNets, the chosen one in brackets where there are some.
func (d *Diffusion) weights() (facts []string) {
	for i, c := range d.run.Request.Controls {
		fact := fmt.Sprintf("hints %.3g", c.Weight)
		if i == d.control && len(d.run.Request.Controls) > 1 {
			fact = "[" + fact + "]"
		}
		facts = append(facts, fact)
	}
	return facts
}

// play tells the window of each frame of a video, until ctx ends.
func (d *Diffusion) play(ctx context.Context) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / d.o.FPS))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.changed.tell()
		}
	}
}

// View implements [viewer.Session].
func (d *Diffusion) View() viewer.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.view
	v.Shown = slices.Clip(v.Shown)
	if len(v.Shown) == 0 { // none yet
		return v
	}
	first, n := 0, len(v.Shown)
	if d.frames > 1 && !d.still {
		first, n = int(time.Since(d.began).Seconds()*d.o.FPS)%n, 1
		v.Shown = slices.Clip(v.Shown[first : first+1])
	}
	for _, of := range d.hints {
		if len(of) > 1 {
			of = of[first : first+n]
		}
		v.Shown = append(v.Shown, of...)
	}
	return v
}

// Actions implements [viewer.Session].
func (d *Diffusion) Actions() []viewer.Action {
	all := []viewer.Action{viewer.Pause, viewer.SingleStep, viewer.Back, viewer.Forward, viewer.ShowStep, viewer.Restart, viewer.NewSeed, viewer.NextScheduler}
	if d.o.Save != nil {
		all = append(all, viewer.Save)
	}
	if d.p.Prompted() {
		all = append(all, viewer.MoreGuidance, viewer.LessGuidance)
	}
	if d.p.Prompted() && d.frames == 0 {
		all = append(all, viewer.ToggleHeat, viewer.NextHeat)
	}
	if d.frames > 1 {
		all = append(all, viewer.PlayFrames)
	}
	if len(d.hints) > 0 {
		all = append(all, viewer.MoreControl, viewer.LessControl)
	}
	if len(d.hints) > 1 {
		all = append(all, viewer.NextControl)
	}
	return all
}

// Do implements [viewer.Session].
func (d *Diffusion) Do(c viewer.Command) {
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
func (d *Diffusion) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (d *Diffusion) Changed() <-chan struct{} { return d.changed }
