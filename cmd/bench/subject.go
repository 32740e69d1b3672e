package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// seed of all random weights and inputs.
const seed = 1

// The kinds of rows.
const (
	kindModel    = "model"
	kindOp       = "op"
	kindTrain    = "train"    // a step of a training
	kindText     = "text"     // a text of an architecture that writes, with what it is about
	kindStep     = "step"     // one evaluation of a diffusion pipeline's network, with its scheduler
	kindPipeline = "pipeline" // a whole run of one, from prompt to picture
)

// spec names what a row times. It is handed to a new process for the cold time.
type spec struct {
	Kind      string
	Name      string
	Precision string
	Batch     int
	Side      int    // of a model's pictures, 0: its own
	Shape     string // of an operation, as -shape has it

	build *ops.Case // of an operation that is no shape of the registry: in tests
}

func (s spec) String() string {
	switch {
	case s.Kind == kindOp:
		return fmt.Sprintf("%s %s %s", s.Name, s.Shape, s.Precision)
	case s.Side > 0:
		return fmt.Sprintf("%s batch %d of %dx%d %s", s.Name, s.Batch, s.Side, s.Side, s.Precision)
	case s.Kind == kindModel || s.Kind == kindText || s.Kind == kindTrain:
		return fmt.Sprintf("%s batch %d %s", s.Name, s.Batch, s.Precision)
	}
	return fmt.Sprintf("%s %s %s", s.Kind, s.Name, s.Precision)
}

// subject is what a row times, ready to run.
type subject struct {
	spec
	dev *gpu.Device
	// ready prepares a run that is not timed with it; nil: nothing to do.
	ready func(context.Context) error
	run   func(context.Context) error // once, from the upload to the read-back
	// profile times the dispatches of a run; nil of what has several programs.
	profile func(context.Context) ([]gpu.Timing, error)
	// verify compares a run with the CPU or a golden, in samples of the rows of all
	// but small operations if that is asked for.
	verify               func(ctx context.Context, sample bool) (verdict, error)
	pace                 *pace // of texts, or nil
	weights, activations int64 // device memory in bytes; activations with inputs and outputs
	drawn                time.Duration
	close                func()
}

// open makes the subject of a row.
func (s spec) open(ctx context.Context, dev *gpu.Device) (*subject, error) {
	precision, err := models.ParsePrecision(s.Precision)
	if err != nil {
		return nil, err
	}
	switch s.Kind {
	case kindModel:
		return s.openModel(dev, precision)
	case kindOp:
		return s.openOp(dev, precision)
	case kindTrain:
		return s.openTrain(dev, precision)
	case kindText:
		return s.openText(dev, precision)
	}
	return s.openPipeline(ctx, dev, precision)
}

func (s spec) openModel(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	m, err := models.NewStandard(dev, s.Name, precision, models.StandardSize{Batch: s.Batch, Side: s.Side}, seed)
	if err != nil {
		return nil, s.typed(err)
	}
	s.Shape = cli.Dims(m.Shape)
	return s.programmed(dev, m.Program, m.Input, m.WeightBytes(), m.Drawn, m.Close), nil
}

func (s spec) openOp(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	c := s.build
	if c == nil {
		found, err := ops.ShapeCase(s.Name, s.Shape)
		if err != nil {
			return nil, cli.Usage(err)
		}
		c = &found
	}
	s.Shape = c.Name
	b := ops.NewBuilder(dev, precision)
	r := dev.Record(precision)
	began := time.Now()
	in, err := c.Build(b, r)
	drawn := time.Since(began)
	var p *gpu.Program
	if err == nil {
		p, err = r.Finish()
	}
	if err != nil {
		b.Close()
		return nil, s.typed(fmt.Errorf("%s: %w", s, err))
	}
	return s.programmed(dev, p, in, b.Bytes(), drawn, func() { p.Close(); b.Close() }), nil
}

// typed marks an error as one of usage where a number from a flag exceeds memory.
func (s spec) typed(err error) error {
	if errors.Is(err, gpu.ErrOutOfMemory) && (s.Kind == kindOp || s.Batch > 1 || s.Side > 0) {
		return cli.Usage(err)
	}
	return err
}

// programmed is the subject of one program.
func (s spec) programmed(dev *gpu.Device, p *gpu.Program, in map[string]any, weights int64, drawn time.Duration, end func()) *subject {
	m := p.Memory()
	x := &subject{spec: s, dev: dev, weights: weights, activations: m.Arena + m.IO, drawn: drawn, close: end}
	x.run = func(ctx context.Context) error {
		_, err := p.Run(ctx, in)
		return err
	}
	x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return p.Profile(ctx, in) }
	x.verify = func(ctx context.Context, sample bool) (verdict, error) {
		verify := func() ([]gpu.OpCheck, error) { return p.Verify(ctx, in, false) }
		if sample {
			verify = func() ([]gpu.OpCheck, error) { return p.VerifySample(ctx, in) }
		}
		checks, err := verify()
		return x.judge(checks), err
	}
	return x
}

// mine says whether a dispatch belongs to the row: of an operation's program not
// those that only bring its inputs into their layout.
func (s *subject) mine(op string) bool { return s.Kind != kindOp || op == s.Name }
