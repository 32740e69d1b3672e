package live

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"math"
	"sync"
	"time"

	"saccade/picture"
	"saccade/viewer"
)

// TrainingOptions are what a training is shown with.
type TrainingOptions struct {
	Name  string
	Facts []string
	Steps int // that it makes
	// Look draws what the network makes of a probe, such as what it says of a picture; nil: there
	// is none. It is called before the first step, after each Every steps and at the end.
	Look  func(ctx context.Context) (*picture.Image, error)
	Every int
	// Keep writes what was learned after a step, and tells where; nil: it can't be kept.
	Keep func(step int) (path string, err error)
}

// Training is a training with the curve of its loss, and what the network makes of a probe. The
// training calls [Training.Made] between its steps, which carries out what a person asked for.
type Training struct {
	options TrainingOptions
	changed changes
	asked   chan struct{} // something of asks is new

	mu    sync.Mutex // guards what follows
	view  viewer.View
	asks  asks
	curve curve
	drawn time.Time
	looks []look
	at    int // of looks
	gone  bool
	ended bool
}

// asks are what a person wants.
type asks struct{ paused, stop, keep, once bool }

// look is what the network made of the probe after a step.
type look struct {
	step  int
	image *image.RGBA
}

// Sizes of the curve where there is no probe beside it, pixels.
const curveWidth, curveHeight = 640, 480

// mostLooks is how many are kept; of more, every second goes.
const mostLooks = 48

// curveEvery is the time between two drawings of the curve.
const curveEvery = 200 * time.Millisecond

// ErrStopped is what [Training.Made] gives once a person ended the training.
var ErrStopped = errors.New("stopped")

// NewTraining shows a training that is about to begin.
func NewTraining(o TrainingOptions) *Training {
	o.Every = max(1, o.Every)
	return &Training{options: o, changed: make(changes, 1), asked: make(chan struct{}, 1),
		view: viewer.View{Name: o.Name, Facts: o.Facts, Steps: o.Steps}}
}

// Begin draws the probe as it is before the first step.
func (s *Training) Begin(ctx context.Context) error {
	s.mu.Lock()
	s.draw()
	s.mu.Unlock()
	return s.look(ctx, 0)
}

// TrainingStep is what is told of one.
type TrainingStep struct {
	Number int
	Loss   float64
	Held   float64 // on the validation's examples, NaN: there was none
	Took   time.Duration
	Facts  []string // such as the rate
}

// Made tells a step. It comes back when the training is to go on, or with [ErrStopped] when it is
// to end; it waits while a person has it paused. It is called by one goroutine.
func (s *Training) Made(ctx context.Context, t TrainingStep) error {
	s.mu.Lock()
	s.view.Step, s.view.StepTime = t.Number, t.Took
	s.view.Facts = append([]string{fmt.Sprintf("loss %.4g", t.Loss)}, append(t.Facts, s.options.Facts...)...)
	s.curve.add(t)
	if s.asks.once {
		s.asks.once, s.asks.paused = false, true
	}
	if now := time.Now(); now.Sub(s.drawn) >= curveEvery || t.Number == s.options.Steps || s.asks.paused {
		s.draw()
		s.drawn = now
	}
	s.view.Paused = s.asks.paused
	s.changed.tell()
	s.mu.Unlock()
	if t.Number%s.options.Every == 0 || t.Number == s.options.Steps {
		if err := s.look(ctx, t.Number); err != nil {
			return err
		}
	}
	return s.wait(ctx, t.Number)
}

// wait carries out what was asked for, until the training is to go on or to end.
func (s *Training) wait(ctx context.Context, step int) error {
	for {
		s.mu.Lock()
		a := s.asks
		s.asks.keep = false
		s.mu.Unlock()
		switch {
		case a.keep:
			path, err := s.options.Keep(step)
			if err != nil {
				s.Notice(err.Error())
				break
			}
			s.Notice("kept in " + path)
		case a.stop:
			return ErrStopped
		case !a.paused || a.once:
			return nil
		default:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.asked:
			}
		}
	}
}

// look draws the probe after a step.
func (s *Training) look(ctx context.Context, step int) error {
	s.mu.Lock()
	none := s.options.Look == nil || s.gone
	s.mu.Unlock()
	if none {
		return nil
	}
	m, err := s.options.Look(ctx)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	on := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	draw.Draw(on, on.Bounds(), m.NRGBA(), image.Point{}, draw.Src)
	s.mu.Lock()
	defer s.mu.Unlock()
	latest := s.at == len(s.looks)-1
	s.looks = append(s.looks, look{step, on})
	if len(s.looks) > mostLooks {
		kept := s.looks[:0]
		for i, l := range s.looks {
			if i%2 == 0 || i == len(s.looks)-1 {
				kept = append(kept, l)
			}
		}
		s.looks, s.at = kept, s.at/2
	}
	if latest || len(s.looks) == 1 {
		s.at = len(s.looks) - 1
	}
	s.draw()
	return nil
}

// End tells that the training ended, with what there is to say of it.
func (s *Training) End(text string) {
	s.mu.Lock()
	s.ended, s.view.Paused = true, false
	s.draw()
	s.mu.Unlock()
	s.Notice(text)
}

// Leave tells that nobody looks any more: the training goes on by itself.
func (s *Training) Leave() {
	s.mu.Lock()
	s.gone, s.asks.paused = true, false
	s.mu.Unlock()
	s.wake()
}

// Notice says something over the pictures.
func (s *Training) Notice(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.Notice = text
	s.changed.tell()
}

// draw brings the pictures up to date. The caller holds mu.
func (s *Training) draw() {
	v := &s.view
	v.Shown, v.Strip, v.At = nil, nil, s.at
	if m, err := s.curve.draw(s.size(), s.options.Steps); err != nil {
		v.Notice = err.Error()
	} else {
		v.Shown = append(v.Shown, viewer.Picture{Image: m})
	}
	if len(s.looks) > 0 {
		v.Shown = append(v.Shown, viewer.Picture{Image: s.looks[s.at].image})
		for _, l := range s.looks {
			v.Strip = append(v.Strip, viewer.Picture{Image: l.image, Label: fmt.Sprint(l.step)})
		}
	}
	s.changed.tell()
}

// size is that of the curve: the probe's beside it. The caller holds mu.
func (s *Training) size() image.Point {
	if len(s.looks) > 0 {
		return s.looks[s.at].image.Rect.Size()
	}
	return image.Pt(curveWidth, curveHeight)
}

// View implements [viewer.Session].
func (s *Training) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *Training) Actions() []viewer.Action {
	all := []viewer.Action{viewer.Pause, viewer.SingleStep, viewer.Stop}
	if s.options.Keep != nil {
		all = append(all, viewer.Keep)
	}
	if s.options.Look != nil {
		all = append(all, viewer.Back, viewer.Forward, viewer.ShowStep)
	}
	return all
}

// Do implements [viewer.Session].
func (s *Training) Do(c viewer.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.at
	switch c.Action {
	case viewer.Back:
		to--
	case viewer.Forward:
		to++
	case viewer.ShowStep:
		to = c.Step
	default:
		s.ask(c.Action)
		return
	}
	s.at = min(max(0, to), max(0, len(s.looks)-1))
	s.draw()
}

// ask takes what the training is to do. The caller holds mu.
func (s *Training) ask(a viewer.Action) {
	if s.ended {
		return
	}
	switch a {
	case viewer.Pause:
		s.asks.paused, s.asks.once = !s.asks.paused, false
		s.view.Notice = ""
	case viewer.SingleStep:
		s.asks.paused, s.asks.once = true, true
	case viewer.Keep:
		s.asks.keep = true
		s.view.Notice = "what was learned is kept after this step"
	case viewer.Stop:
		s.asks.stop = true
		s.view.Notice = "the training ends after this step"
	}
	s.view.Paused = s.asks.paused && !s.asks.once
	s.changed.tell()
	s.wake()
}

// wake has a training that waits look at what was asked for.
func (s *Training) wake() {
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

// Point implements [viewer.Session].
func (s *Training) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (s *Training) Changed() <-chan struct{} { return s.changed }

// curve is the loss over the steps.
type curve struct {
	steps, losses, means []float64
	heldSteps, held      []float64
}

// smoothing is how much of the running mean of the losses stays from step to step.
const smoothing = 0.9

// add adds a step. A loss that is not finite is not drawn.
func (c *curve) add(t TrainingStep) {
	if !math.IsNaN(t.Held) && !math.IsInf(t.Held, 0) {
		c.heldSteps, c.held = append(c.heldSteps, float64(t.Number)), append(c.held, t.Held)
	}
	if math.IsNaN(t.Loss) || math.IsInf(t.Loss, 0) {
		return
	}
	mean := t.Loss
	if n := len(c.means); n > 0 {
		mean = smoothing*c.means[n-1] + (1-smoothing)*t.Loss
	}
	c.steps, c.losses, c.means = append(c.steps, float64(t.Number)), append(c.losses, t.Loss), append(c.means, mean)
}
