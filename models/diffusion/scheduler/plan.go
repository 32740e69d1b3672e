package scheduler

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Plan is what a scheduler does, from the first evaluation of the model to the last.
type Plan struct {
	Class     string
	InitSigma float64 // factor of unit noise to begin with
	EndScale  float64 // InputScale of what would follow: 1, but of a part that ends before the picture
	Kept      int     // tensors besides the latents, the output and the noise
	Steps     []Step
}

// Step is one evaluation of the model and what follows. The updates of all steps
// of a plan are as many and store the same tensors in the same order.
type Step struct {
	Timestep   float64 // whole, but for Euler's and Heun's
	InputScale float64 // the model's input is the latents times this
	Level      Level   // of noise in the latents before the step
	Known      Level   // that inpainting gives what it keeps before the step: Level, but between the two halves of some steps
	Noise      bool    // an update takes noise
	Updates    []Update
}

// Level is how a picture's latents x0 are brought to a level of noise:
// Image·x0 + Noise·noise.
type Level struct{ Image, Noise float64 }

// Update computes a tensor: the sum of the terms, each value then clipped to
// ±Clip if that is not 0. The tensor may be among the terms.
type Update struct {
	To    Tensor
	Terms []Term
	Clip  float64
}

// MostTerms is the largest number of terms that an update has.
const MostTerms = 6

// Term is a tensor times a factor.
type Term struct {
	Of     Tensor
	Factor float64
}

// Tensor is one of those that updates read and write, all of the latents' shape.
type Tensor int

// The tensors. From Kept on they are the plan's own, Plan.Kept of them; none is
// read before it was written.
const (
	Latents Tensor = iota
	Output         // the model's, after guidance; only read
	Noise          // of variance 1, new at every step; only read
	Kept
)

// Operands are, for each of a step's updates, the tensors that it takes in any
// step of the plan, at most MostTerms: with them and [Update.Factors] one recorded
// sequence of combinations does every step. A factor 0 must leave its tensor
// unread, since it may not have been written yet.
func (p *Plan) Operands() [][]Tensor {
	operands := make([][]Tensor, len(p.Steps[0].Updates))
	for _, s := range p.Steps {
		for i, u := range s.Updates {
			for _, t := range u.Terms {
				if !slices.Contains(operands[i], t.Of) {
					operands[i] = append(operands[i], t.Of)
				}
			}
		}
	}
	return operands
}

// Factors are those of the operands of an update.
func (u Update) Factors(operands []Tensor) []float64 {
	factors := make([]float64, len(operands))
	for _, t := range u.Terms {
		factors[slices.Index(operands, t.Of)] = t.Factor
	}
	return factors
}

// dropUnused leaves out the updates that take nothing in any step, as those of
// tensors that a plan is too short to need.
func (p *Plan) dropUnused() {
	operands := p.Operands()
	for i := range p.Steps {
		var used []Update
		for k, u := range p.Steps[i].Updates {
			if operands[k] != nil {
				used = append(used, u)
			}
		}
		p.Steps[i].Updates = used
	}
}

// Guidance is classifier-free guidance (Ho and Salimans 2022) as factors of the
// outputs without and with the prompt: uncond + g·(cond − uncond).
func Guidance(g float64) (uncond, cond float64) { return 1 - g, g }

// Plan plans steps, of which strength, in (0, 1], says how many remain: 1 for
// all, as one needs to begin with noise; less to begin with a picture that has
// the level of noise of the first remaining step.
func (c *Config) Plan(steps int, strength float64) (*Plan, error) {
	p, err := c.plan(steps, strength)
	if err != nil {
		return nil, fmt.Errorf("plan %d steps of %s: %w", steps, c.Class, err)
	}
	return p, nil
}

func (c *Config) plan(steps int, strength float64) (*Plan, error) {
	if !(strength > 0 && strength <= 1) {
		return nil, fmt.Errorf("strength %v is out of range; expected more than 0, at most 1", strength)
	}
	remain := int(float64(steps) * strength)
	if remain == 0 && steps > 0 && !c.StrengthOfOriginal {
		return nil, fmt.Errorf("strength %v leaves no step; expected at least %.3g, or more steps", strength, 1/float64(steps))
	}
	p, err := c.planFrom(steps, steps-remain, strength)
	if err != nil {
		return nil, err
	}
	p.dropUnused()
	return p, nil
}

// planFrom plans the steps from begin on.
func (c *Config) planFrom(steps, begin int, strength float64) (*Plan, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if steps < 1 || steps > c.TrainTimesteps {
		return nil, fmt.Errorf("expected 1 to %d steps, as many as the model was trained with", c.TrainTimesteps)
	}
	p := &planner{Config: c, noise: c.schedule(), steps: steps, begin: begin, strength: strength, plan: &Plan{Class: c.Class, InitSigma: 1, EndScale: 1}}
	if err := classes[c.Class].plan(p); err != nil {
		return nil, err
	}
	if len(p.plan.Steps) == 0 {
		return nil, errors.New("lambda_min_clipped leaves no step; use a lower one or a greater strength")
	}
	return p.plan, p.checkFinite()
}

// PlanPart plans what of steps lies between two parts of the way from noise, 0, to the
// picture, 1, as SDXL's base and refiner share them (denoising_end and
// denoising_start). The second begins with the latents that the first ends with.
func (c *Config) PlanPart(steps int, from, to float64) (*Plan, error) {
	p, err := c.planPart(steps, from, to)
	if err != nil {
		return nil, fmt.Errorf("plan %d steps of %s from %v to %v: %w", steps, c.Class, from, to, err)
	}
	return p, nil
}

func (c *Config) planPart(steps int, from, to float64) (*Plan, error) {
	if !(from >= 0 && from < to && to <= 1) {
		return nil, errors.New("expected parts from 0 to 1, the first less than the second")
	}
	p, err := c.planFrom(steps, 0, 1)
	if err != nil {
		return nil, err
	}
	below := func(part float64) func(Step) bool { // in training timesteps
		cut := math.RoundToEven(float64(c.TrainTimesteps) - part*float64(c.TrainTimesteps))
		return func(s Step) bool { return s.Timestep < cut }
	}
	if from > 0 {
		left := 0
		for _, s := range p.Steps {
			if below(from)(s) {
				left++
			}
		}
		order := classes[c.Class].evaluations()
		if order == 2 && left%2 == 0 { // a step is not begun in its middle
			left++
		}
		if p, err = c.planFrom(steps, (len(p.Steps)-left)/order, 1); err != nil {
			return nil, err
		}
	}
	if to < 1 {
		if i := slices.IndexFunc(p.Steps, below(to)); i >= 0 {
			p.EndScale = p.Steps[i].InputScale
		}
		p.Steps = slices.DeleteFunc(p.Steps, below(to))
	}
	if len(p.Steps) == 0 {
		return nil, errors.New("no step lies between them; use more steps")
	}
	p.dropUnused()
	return p, nil
}

// planner makes a plan.
type planner struct {
	*Config
	noise    noiseSchedule
	steps    int // all, begin among them
	begin    int // the first of the steps that remain
	strength float64
	plan     *Plan
}

// step appends a step. Terms of no weight are left out.
func (p *planner) step(timestep, scale float64, level Level, updates ...Update) {
	s := Step{Timestep: timestep, InputScale: scale, Level: level, Known: level, Updates: updates}
	for i, u := range updates {
		updates[i].Terms = nil
		for _, t := range u.Terms {
			if t.Factor != 0 {
				updates[i].Terms = append(updates[i].Terms, t)
				s.Noise = s.Noise || t.Of == Noise
			}
		}
		p.plan.Kept = max(p.plan.Kept, int(u.To-Kept)+1)
	}
	p.plan.Steps = append(p.plan.Steps, s)
}

// checkFinite refuses a plan whose formulas divide by zero.
func (p *planner) checkFinite() error {
	for i, s := range p.plan.Steps {
		for _, u := range s.Updates {
			for _, t := range u.Terms {
				if math.IsNaN(t.Factor) || math.IsInf(t.Factor, 0) {
					return p.notFinite(i, s)
				}
			}
		}
	}
	return nil
}

func (p *planner) notFinite(i int, s Step) error {
	if p.RescaleBetasZeroSNR && p.PredictionType == "epsilon" {
		return fmt.Errorf("with rescale_betas_zero_snr timestep %v is noise alone, of which prediction_type epsilon tells nothing; expected v_prediction or sample, or another spacing than %s", s.Timestep, p.TimestepSpacing)
	}
	return fmt.Errorf("step %d at timestep %v divides by zero, as its noise and its neighbour's are the same; use fewer steps, or final_sigmas_type zero with lower_order_final", i, s.Timestep)
}

// linear is a sum of tensors with factors, each tensor once.
type linear []Term

// one is a tensor alone.
func one(t Tensor) linear { return linear{{t, 1}} }

// times multiplies by a factor.
func (l linear) times(f float64) linear {
	out := make(linear, len(l))
	for i, t := range l {
		out[i] = Term{t.Of, t.Factor * f}
	}
	return out
}

// plus adds sums.
func (l linear) plus(others ...linear) linear {
	out := slices.Clone(l)
	for _, o := range others {
		for _, t := range o {
			if i := slices.IndexFunc(out, func(x Term) bool { return x.Of == t.Of }); i >= 0 {
				out[i].Factor += t.Factor
			} else {
				out = append(out, t)
			}
		}
	}
	return out
}

// minus subtracts a sum.
func (l linear) minus(o linear) linear { return l.plus(o.times(-1)) }

// to stores a sum.
func (l linear) to(t Tensor) Update { return Update{To: t, Terms: l} }

// shift moves n tensors from first on by one, to make room for a new first one.
// written is how many were written; the others are not read.
func shift(first Tensor, n, written int) []Update {
	var updates []Update
	for t := first + Tensor(n-1); t > first; t-- {
		u := Update{To: t}
		if t <= first+Tensor(written) {
			u.Terms = one(t - 1)
		}
		updates = append(updates, u)
	}
	return updates
}

// hold leaves n tensors from first on as they are, in the order of shift.
func hold(first Tensor, n, written int) []Update {
	var updates []Update
	for t := first + Tensor(n-1); t >= first; t-- {
		u := Update{To: t}
		if t < first+Tensor(written) {
			u.Terms = one(t)
		}
		updates = append(updates, u)
	}
	return updates
}
