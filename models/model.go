package models

import (
	"context"
	"fmt"
	"sync"
	"time"

	"saccade/gpu"
	"saccade/ops"
	"saccade/picture"
	"saccade/tokenizer"
)

// Model is a loaded network.
type Model struct {
	Name      string // as it was asked for
	Source    string // folder, file, hub id or the embedded zoo
	Precision gpu.DType
	Labels    []string // by class, or nil
	Processor *picture.Processor

	LoadTime    time.Duration // of Load as a whole
	CompileTime time.Duration // from recording to ready: compilation, with the upload beside it

	dev        *gpu.Device
	b          *ops.Builder
	net        Network // nil in a text encoder alone and in a part of a diffusion model
	checkpoint tensors // or nil
	attentions bool
	taps       bool

	text     TextNetwork // nil without a text tower
	pairing  Pairing     // of a dual encoder, or nil
	part     PartNetwork // a part of a diffusion model, or nil
	tokenize func() (*tokenizer.Tokenizer, error)

	mu       *sync.Mutex // shared with the Models that share the weights
	shared   bool        // the weights are another Model's
	pictures programs[shape]
	texts    programs[textShape]
	parts    programs[partShape]

	first       shape      // of the program that Load made
	firstMemory gpu.Memory // of that
	classes     int
}

// shape is a batch of pictures: N, C, H, W.
type shape [4]int

// Array is a dense tensor of float32 in PyTorch's layout.
type Array struct {
	Shape []int
	Data  []float32
}

// Close frees all memory. No call may be under way.
func (m *Model) Close() {
	m.pictures.close()
	m.texts.close()
	m.parts.close()
	if m.shared {
		return
	}
	if m.b != nil {
		m.b.Close()
	}
	if m.checkpoint != nil {
		m.checkpoint.Close()
	}
}

// record takes down the forward pass for a batch.
func (m *Model) record(s shape) *gpu.Recorder {
	r := m.dev.Record(m.Precision)
	r.KeepTaps = m.taps
	if h, w := m.net.Smallest(); s[2] < h || s[3] < w {
		r.Fail(fmt.Errorf("pictures of %dx%d (height x width) are too small, the network takes at least %dx%d", s[2], s[3], h, w))
		return r
	}
	m.net.Forward(r, r.Input("pixel_values", gpu.F32, s[:]...), m.attentions)
	return r
}

// NonFiniteError is an output that holds NaN or Inf.
type NonFiniteError struct {
	Output string
	Op     string // the first operation that made one, "" if the input did
	F16    bool
}

func (e *NonFiniteError) Error() string {
	where := "the first is in the input"
	if e.Op != "" {
		where = "the first is made by " + e.Op
	}
	s := fmt.Sprintf("output %s holds NaN or Inf; %s", e.Output, where)
	if e.F16 {
		s += "; halves overflow beyond 65504: try -precision f32"
	}
	return s
}

// bindPictures is the program for pictures with its inputs.
func (m *Model) bindPictures(pixels Array) (bound, error) {
	s, err := m.shapeOf(pixels)
	if err != nil {
		return bound{}, err
	}
	p, err := m.acquire(s)
	if err != nil {
		return bound{}, err
	}
	return bound{Program: p.Program, in: map[string]any{"pixel_values": pixels.Data}, floats: pixels.Data, release: func() { m.pictures.release(p) }}, nil
}

// Forward runs the network on pictures as PyTorch has them, [N, C, H, W] and
// preprocessed, and gives its outputs by name.
func (m *Model) Forward(ctx context.Context, pixels Array) (map[string]Array, error) {
	return m.ForwardInputs(ctx, Inputs{Pixels: &pixels})
}

// run runs a program and checks that its outputs are finite.
func (m *Model) run(ctx context.Context, b bound) (map[string]Array, error) {
	raw, err := b.Run(ctx, b.in)
	if err != nil {
		return nil, err
	}
	out := map[string]Array{}
	for name, data := range raw {
		out[name] = Array{Shape: b.OutputShape(name), Data: data}
		if gpu.Finite(data) {
			continue
		}
		if !gpu.Finite(b.floats) {
			return nil, &NonFiniteError{Output: name}
		}
		op, err := b.FindNonFinite(ctx, b.in)
		if err != nil {
			return nil, err
		}
		return nil, &NonFiniteError{Output: name, Op: op, F16: m.Precision == gpu.F16}
	}
	return out, nil
}

// acquire gives the program for a batch of pictures, to be released.
func (m *Model) acquire(s shape) (*cached, error) {
	p, err := m.pictures.acquire(s)
	if err != nil {
		return nil, fmt.Errorf("%s: a batch of %d pictures of %dx%d: %w", m.Name, s[0], s[2], s[3], err)
	}
	return p, nil
}

// Classes is the number of classes, 0 for a network without a classifier.
func (m *Model) Classes() int { return m.classes }

// shapeOf checks an input's shape.
func (m *Model) shapeOf(pixels Array) (shape, error) {
	if m.net == nil {
		return shape{}, fmt.Errorf("%s: %w", m.Name, ErrNoPictures)
	}
	c, _, _ := m.net.Input()
	n := 1
	for _, d := range pixels.Shape {
		n *= d
	}
	if len(pixels.Shape) != 4 || pixels.Shape[1] != c || n < 1 || n != len(pixels.Data) {
		return shape{}, fmt.Errorf("pixel_values: found shape %v with %d values, expected [N %d H W]", pixels.Shape, len(pixels.Data), c)
	}
	return shape(pixels.Shape), nil
}

// Preprocess turns a picture into the network's input, [C H W].
func (m *Model) Preprocess(img *picture.Image) (pixels []float32, h, w int, err error) {
	if m.net == nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", m.Name, ErrNoPictures)
	}
	pixels, h, w, err = m.Processor.Apply(img)
	if err != nil {
		return nil, 0, 0, err
	}
	if c, _, _ := m.net.Input(); c == 1 { // a network of grey pictures: luma as Pillow's convert("L")
		grey := make([]float32, h*w)
		for i := range grey {
			grey[i] = 0.299*pixels[i] + 0.587*pixels[h*w+i] + 0.114*pixels[2*h*w+i]
		}
		pixels = grey
	} else if c != 3 {
		return nil, 0, 0, fmt.Errorf("the network takes %d channels, pictures have 3; give -input", c)
	}
	return pixels, h, w, nil
}

// Memory is what the model and its programs take on the device.
func (m *Model) Memory() (weightBytes int64, programs gpu.Memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(p *cached) {
		x := p.Memory()
		programs.Arena += x.Arena
		programs.Live += x.Live
		programs.Sum += x.Sum
		programs.IO += x.IO
	}
	for _, p := range m.pictures.cached {
		add(p)
	}
	for _, p := range m.texts.cached {
		add(p)
	}
	for _, p := range m.parts.cached {
		add(p)
	}
	return m.b.Bytes(), programs
}
