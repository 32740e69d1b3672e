package main

import (
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// seed of all random weights and inputs.
const seed = 1

// spec names what a row times. It is handed to a new process for the cold time.
type spec struct {
	Kind      string // "model" or "op"
	Name      string
	Precision string
	Batch     int
	Shape     string // of an operation, as -shape has it

	build *ops.Case // of an operation that is no shape of the registry: in tests
}

func (s spec) String() string {
	if s.Kind == "op" {
		return fmt.Sprintf("%s %s %s", s.Name, s.Shape, s.Precision)
	}
	return fmt.Sprintf("%s batch %d %s", s.Name, s.Batch, s.Precision)
}

// subject is what a row times, ready to run.
type subject struct {
	spec
	program     *gpu.Program
	in          map[string]any
	weightBytes int64
	drawn       time.Duration // that random operands took
	close       func()
}

// open makes the subject of a row.
func (s spec) open(dev *gpu.Device) (*subject, error) {
	precision, err := models.ParsePrecision(s.Precision)
	if err != nil {
		return nil, err
	}
	if s.Kind == "model" {
		return s.openModel(dev, precision)
	}
	return s.openOp(dev, precision)
}

func (s spec) openModel(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	m, err := models.NewStandard(dev, s.Name, precision, s.Batch, seed)
	if err != nil {
		return nil, err
	}
	s.Shape = sizes(m.Shape)
	return &subject{spec: s, program: m.Program, in: m.Input, weightBytes: m.WeightBytes(), drawn: m.Drawn, close: m.Close}, nil
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
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return &subject{spec: s, program: p, in: in, weightBytes: b.Bytes(), drawn: drawn, close: func() { p.Close(); b.Close() }}, nil
}

// mine says whether a dispatch belongs to the row: all of a model's, and of an
// operation's program not those that only bring its inputs into their layout.
func (s *subject) mine(op string) bool { return s.Kind == "model" || op == s.Name }

// memMiB is the device memory of weights, activations, inputs and outputs.
func (s *subject) memMiB() float64 {
	m := s.program.Memory()
	return float64(s.weightBytes+m.Arena+m.IO) / (1 << 20)
}

func sizes(shape []int) string {
	text := ""
	for i, n := range shape {
		if i > 0 {
			text += "x"
		}
		text += fmt.Sprint(n)
	}
	return text
}
