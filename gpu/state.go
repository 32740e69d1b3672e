package gpu

import (
	"fmt"

	"saccade/gpu/internal/wgpu"
)

// State makes a tensor in the layout of activations that keeps its values
// between the runs of programs, all of which may read and write it: what a loop
// carries from step to step. It holds zeros at first. Release frees it, after
// the programs that use it are closed.
func (d *Device) State(name string, typ DType, groups int, shape ...int) (*Tensor, error) {
	t, err := d.ReserveState(name, typ, groups, shape...)
	if err == nil {
		err = t.Allocate()
	}
	return t, err
}

// ReserveState is State without its memory, which [Tensor.Allocate] takes: what a
// recording needs to be planned.
func (d *Device) ReserveState(name string, typ DType, groups int, shape ...int) (*Tensor, error) {
	r := d.Record(typ)
	t := r.New(name, groups, shape...)
	t.place, t.dev = inState, d
	return t, r.err
}

// Allocate takes the memory of a reserved state.
func (t *Tensor) Allocate() error {
	d := t.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Fits(t.bytes); err != nil {
		return fmt.Errorf("state %s: %w", t, err)
	}
	var err error
	t.buf, err = d.newBuffer(t.Name, t.bytes+UniformWindow, wgpu.BufferUsageStorage|wgpu.BufferUsageUniform|wgpu.BufferUsageCopySrc|wgpu.BufferUsageCopyDst)
	return err
}

// Read gives the values of a state, padding left out.
func (t *Tensor) Read() ([]float32, error) {
	raw, err := t.dev.read(t)
	if err != nil {
		return nil, err
	}
	return t.decode(raw), nil
}

// Write sets the values of a state, in the order that Read gives them in.
func (t *Tensor) Write(values []float32) error {
	if t.place != inState || t.Type == U32 || len(values) != product(t.Shape) {
		return fmt.Errorf("writing %d values to %s (%s): expected a state of as many", len(values), t, t.Type)
	}
	raw := make([]byte, (t.bytes+3)&^3)
	size := int(t.Type.Size())
	in, pad := t.Width()/t.Groups, t.Stride()/t.Groups
	for i := range len(values) / in { // groups of all rows
		PutFloats(raw[i*pad*size:], t.Type, values[i*in:(i+1)*in])
	}
	d := t.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.queue.WriteBuffer(t.buf.b, 0, raw); err != nil {
		return fmt.Errorf("writing %s: %s", t, oneLine(err))
	}
	return nil
}

// WriteRows sets a state of halves or floats to rows as they lie in its memory: little-endian,
// each padded with zeros to its stride.
func (t *Tensor) WriteRows(rows []byte) error {
	want := int64(t.Rows()*t.Stride()) * t.Type.Size()
	if t.place != inState || int64(len(rows)) != want {
		return fmt.Errorf("writing %d bytes to %s (%s): expected a state, and %d bytes", len(rows), t, t.Type, want)
	}
	d := t.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.queue.WriteBuffer(t.buf.b, 0, rows); err != nil {
		return fmt.Errorf("writing %s: %s", t, oneLine(err))
	}
	d.stats.Uploads++
	d.stats.UploadBytes += want
	return nil
}

// Copy has a state take the values of another of its shape, type and layout, in
// the order of submits, without waiting for it.
func (d *Device) Copy(to, from *Tensor) error {
	if to.place != inState || from.place != inState || to.bytes != from.bytes || to.Type != from.Type {
		return fmt.Errorf("copying %s (%s) to %s (%s): expected two states of one layout", from, from.Type, to, to.Type)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.submit(func(e *wgpu.CommandEncoder) error {
		return e.CopyBufferToBuffer(from.buf.b, 0, to.buf.b, 0, uint64((from.bytes+3)&^3))
	})
	if err != nil {
		return fmt.Errorf("copying %s: %s", from, oneLine(err))
	}
	return nil
}
