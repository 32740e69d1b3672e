package gpu

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"saccade/gpu/internal/wgpu"
)

// Program is a recorded forward pass, ready to be replayed.
type Program struct {
	dev     *Device
	ops     []Op
	steps   []step // the dispatches of all ops, in order; then those of other ways
	count   int    // of steps that a run takes
	others  []otherWay
	inputs  []*Tensor
	outputs []output
	arena   *arena
	memory  Memory

	mu     sync.Mutex // one run at a time: the arena is shared
	slabs  []*buffer
	params *buffer
	inBufs []*buffer

	uploading sync.Mutex // whose inputs are in uploads until they are copied from there
	uploads   []*buffer

	staging *buffer
	stageAt []int64 // where each output starts in staging
	warm    bool
}

// step is a dispatch with what the binding needs to encode it.
type step struct {
	op     int
	x      *Dispatch
	pipe   *pipeline
	group  *wgpu.BindGroup
	params []byte
}

// Finish plans the memory, takes it and makes a program. All constants must
// have been uploaded.
func (r *Recorder) Finish() (*Program, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.share()
	p := &Program{dev: r.dev, ops: r.ops, inputs: r.inputs, outputs: r.outputs}
	var err error
	if p.arena, p.memory, err = r.plan(); err != nil {
		return nil, err
	}
	r.dev.mu.Lock()
	defer r.dev.mu.Unlock()
	if err = p.allocate(); err == nil {
		err = p.bind()
	}
	if err != nil {
		p.closeLocked()
		return nil, err
	}
	r.dev.choose(p.ops)
	return p, nil
}

// UniformWindow is the size in bytes of the windows of activations that
// kernels may bind as uniform arrays. Every buffer of activations has as much
// to spare at its end, so that a window may begin anywhere in a tensor.
const UniformWindow = 64 << 10

// allocate takes slabs, input and staging buffers and the parameters' buffer.
func (p *Program) allocate() error {
	d := p.dev
	if err := d.Fits(p.arena.bytes()); err != nil {
		return fmt.Errorf("activations: %w", err)
	}
	storage := wgpu.BufferUsageStorage | wgpu.BufferUsageUniform | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst
	for i, size := range p.arena.slabs {
		b, err := d.newBuffer(fmt.Sprintf("activations %d", i), size+UniformWindow, storage)
		if err != nil {
			return err
		}
		p.slabs = append(p.slabs, b)
	}
	for t, s := range p.arena.slabOf {
		t.buf = p.slabs[s]
	}
	for _, t := range p.inputs {
		b, err := d.newBuffer(t.Name, t.bytes+UniformWindow, storage)
		if err != nil {
			return err
		}
		t.buf = b
		p.inBufs = append(p.inBufs, b)
		if b, err = d.newBuffer("next "+t.Name, t.bytes, wgpu.BufferUsageCopySrc|wgpu.BufferUsageCopyDst); err != nil {
			return err
		}
		p.uploads = append(p.uploads, b)
	}
	var total int64
	p.stageAt, total = stagingPlan(p.outputs)
	var err error
	p.staging, err = d.newBuffer("outputs", total, wgpu.BufferUsageMapRead|wgpu.BufferUsageCopyDst)
	return err
}

// bind compiles the pipelines, writes the parameters and makes the bind groups.
func (p *Program) bind() error {
	for i := range p.ops {
		if err := p.addSteps(i, p.ops[i].Dispatches); err != nil {
			return fmt.Errorf("%s: %w", p.ops[i].Label, err)
		}
	}
	p.count = len(p.steps)
	p.addOthers()
	if err := p.uploadParams(); err != nil {
		return err
	}
	for i := range p.steps {
		if err := p.bindStep(i); err != nil {
			return fmt.Errorf("%s: %w", p.ops[p.steps[i].op].Label, err)
		}
	}
	return nil
}

// addSteps appends the dispatches of an operation, all or none.
func (p *Program) addSteps(op int, dispatches []Dispatch) error {
	steps := p.steps
	for j := range dispatches {
		x := &dispatches[j]
		params, err := x.Kernel.Encode(x.Params)
		if err != nil {
			return err
		}
		pipe, err := p.dev.pipelineFor(x.Kernel)
		if err != nil {
			return err
		}
		steps = append(steps, step{op: op, x: x, pipe: pipe, params: params})
	}
	p.steps = steps
	return nil
}

// paramStride is the largest offset alignment of uniform buffers that adapters ask for.
const paramStride = 256

func (p *Program) uploadParams() error {
	b, err := p.dev.createBuffer("params", paramBytes(len(p.steps)), wgpu.BufferUsageUniform, true)
	if err != nil {
		return err
	}
	p.params = b
	dst := b.b.GetMappedRange(0, uint(b.size))
	for i, s := range p.steps {
		copy(dst[i*paramStride:], s.params)
	}
	return wgpu.Unmap(b.b)
}

func (p *Program) bindStep(i int) error {
	s := &p.steps[i]
	entries := []wgpu.BindGroupEntry{{Binding: 0, Buffer: p.params.b, Offset: uint64(i) * paramStride, Size: uint64(len(s.params))}}
	for k, v := range s.x.Bind {
		if v.Tensor.buf == nil || v.Tensor.buf.b == nil {
			return fmt.Errorf("kernel %s: %s has no memory: it was not uploaded, or released", s.x.Kernel, v.Tensor)
		}
		entries = append(entries, wgpu.BindGroupEntry{Binding: s.x.Kernel.Bindings[k].Index, Buffer: v.Tensor.buf.b,
			Offset: uint64(v.Tensor.off + v.Offset), Size: uint64((v.Bytes() + 3) &^ 3)})
	}
	var err error
	s.group, err = p.dev.dev.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: s.x.Kernel.Name, Layout: s.pipe.layout, Entries: entries})
	if err != nil {
		return fmt.Errorf("kernel %s: %s", s.x.Kernel, oneLine(err))
	}
	return nil
}

// Close frees the program's memory. Constants stay.
func (p *Program) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	p.closeLocked()
}

func (p *Program) closeLocked() {
	for i := range p.steps {
		if g := p.steps[i].group; g != nil {
			g.Release()
			p.steps[i].group = nil
		}
	}
	for _, b := range slices.Concat(p.slabs, p.inBufs, p.uploads, []*buffer{p.params, p.staging}) {
		b.releaseLocked()
	}
}

// Memory reports the plan.
func (p *Program) Memory() Memory { return p.memory }

// FLOPs is the arithmetic of one run, counting a multiply-add as two: of the
// operations as they are defined, and what the kernels do without.
func (p *Program) FLOPs() (defined, saved float64) {
	for _, s := range p.steps[:p.count] {
		defined += s.x.FLOPs
		saved += s.x.Saved
	}
	return defined, saved
}

// OutputShape is the shape of a named output, nil if there is none.
func (p *Program) OutputShape(name string) []int {
	for _, o := range p.outputs {
		if o.name == name {
			return o.shape()
		}
	}
	return nil
}

// Dispatches is the number of kernel runs of one forward pass.
func (p *Program) Dispatches() int { return p.count }

// Run uploads the inputs, []float32 or []uint32 by name, runs everything and
// reads the outputs back. It stops between submits when ctx ends. Of several runs
// at a time the next one's inputs are uploaded while one computes.
func (p *Program) Run(ctx context.Context, in map[string]any) (map[string][]float32, error) {
	if err := p.begin(ctx, in); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	if err := p.compute(ctx); err != nil {
		return nil, err
	}
	p.warm = true
	return p.readOutputs()
}

// compute does all operations, as the device's options say.
func (p *Program) compute(ctx context.Context) error {
	o := &p.dev.opts
	switch {
	case o.Debug.NaN || o.Debug.Dump != "":
		return p.runWatched(ctx)
	case o.Tuner != nil:
		return p.tune(ctx, o.Tuner)
	}
	return p.execute(ctx, 0, p.count)
}

// begin uploads the inputs, beside a run that is under way, and locks p.mu for one with them;
// after an error it is not locked.
func (p *Program) begin(ctx context.Context, in map[string]any) error {
	p.uploading.Lock()
	defer p.uploading.Unlock()
	if err := p.upload(in); err != nil {
		return err
	}
	p.mu.Lock()
	err := ctx.Err()
	if err == nil {
		err = p.start()
	}
	if err != nil {
		p.mu.Unlock()
	}
	return err
}

// upload writes the inputs to where the next run takes them from. The caller holds p.uploading.
func (p *Program) upload(in map[string]any) error {
	if len(in) != len(p.inputs) {
		return fmt.Errorf("the program takes %d inputs, got %d", len(p.inputs), len(in))
	}
	for i, t := range p.inputs {
		raw, err := inputBytes(t, in[t.Name])
		if err != nil {
			return err
		}
		err = p.dev.mu.beside(func() error {
			p.dev.stats.Uploads++
			p.dev.stats.UploadBytes += int64(len(raw))
			return p.dev.queue.WriteBuffer(p.uploads[i].b, 0, raw)
		})
		if err != nil {
			return fmt.Errorf("uploading %s: %s", t, oneLine(err))
		}
	}
	return nil
}

// start takes the inputs over and poisons the arena if that was asked for. The caller holds p.mu
// and p.uploading.
func (p *Program) start() error {
	p.dev.mu.Lock()
	defer p.dev.mu.Unlock()
	err := p.dev.submit(func(e *wgpu.CommandEncoder) error {
		for i, t := range p.inputs {
			if err := e.CopyBufferToBuffer(p.uploads[i].b, 0, t.buf.b, 0, uint64(t.bytes)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("taking over the inputs: %s", oneLine(err))
	}
	if !p.dev.opts.Debug.Poison {
		return nil
	}
	for _, b := range p.slabs {
		if err := p.dev.queue.WriteBuffer(b.b, 0, poison(b.size)); err != nil {
			return fmt.Errorf("poisoning the arena: %s", oneLine(err))
		}
		p.dev.stats.Poisoned += b.size
	}
	return nil
}

// poison is NaN both as halves and as floats.
func poison(size int64) []byte {
	out := make([]byte, size)
	for i := 0; i+4 <= len(out); i += 4 {
		binary.LittleEndian.PutUint32(out[i:], 0x7fff7fff)
	}
	return out
}

func inputBytes(t *Tensor, v any) ([]byte, error) {
	want := product(t.Shape)
	switch v := v.(type) {
	case []float32:
		if t.Type == F32 && len(v) == want {
			return wgpu.ToBytes(v), nil
		}
		return nil, fmt.Errorf("input %s takes %d %s values, got %d f32", t, want, t.Type, len(v))
	case []uint32:
		if t.Type == U32 && len(v) == want {
			return wgpu.ToBytes(v), nil
		}
		return nil, fmt.Errorf("input %s takes %d %s values, got %d u32", t, want, t.Type, len(v))
	}
	return nil, fmt.Errorf("input %s is not given as []float32 or []uint32 but as %T", t, v)
}

// readOutputs copies every output to the staging buffer in one submit and decodes it.
func (p *Program) readOutputs() (map[string][]float32, error) {
	out := map[string][]float32{}
	if len(p.outputs) == 0 {
		return out, nil
	}
	d := p.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.submit(func(e *wgpu.CommandEncoder) error {
		for i, o := range p.outputs {
			t := o.tensor
			if err := e.CopyBufferToBuffer(t.buf.b, uint64(t.off), p.staging.b, uint64(p.stageAt[i]), uint64((t.bytes+3)&^3)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the outputs: %s", oneLine(err))
	}
	err = p.staging.mapRead(p.staging.size, func(raw []byte) {
		for i, o := range p.outputs {
			out[o.name] = o.decode(raw[p.stageAt[i]:])
		}
	})
	return out, err
}

// read copies a tensor's memory to the host by a staging buffer of its own: for
// checks and states, not for forward passes.
func (d *Device) read(t *Tensor) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.newBuffer("read-back", t.bytes, wgpu.BufferUsageMapRead|wgpu.BufferUsageCopyDst)
	if err != nil {
		return nil, err
	}
	defer s.releaseLocked()
	err = d.submit(func(e *wgpu.CommandEncoder) error {
		return e.CopyBufferToBuffer(t.buf.b, uint64(t.off), s.b, 0, uint64((t.bytes+3)&^3))
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %s", t, oneLine(err))
	}
	var raw []byte
	err = s.mapRead(s.size, func(b []byte) { raw = append(raw, b...) })
	return raw, err
}

// Finite says that no value is NaN or Inf.
func Finite(values []float32) bool { return firstNonFinite(values) < 0 }

// firstNonFinite is the index of the first NaN or Inf, or -1.
func firstNonFinite(v []float32) int {
	for i, x := range v {
		if x-x != 0 { // NaN for NaN and Inf
			return i
		}
	}
	return -1
}
