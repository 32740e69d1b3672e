package gpu

import (
	"fmt"
	"time"

	"saccade/gpu/internal/wgpu"
)

// Has says whether another operation that runs the kernel of a name, as
// [Kernel.String] has it, and of a [Kernel.Base], if it has one, adds nothing to
// compile: an operation recorded before runs it, or one of the two will take the
// other's place.
func (r *Recorder) Has(kernel, base string) bool {
	switch {
	case r.kernels[kernel]:
		return true
	case kernel == base:
		return r.based[base] != nil
	}
	return base != "" && r.kernels[base] && r.based[base] == nil
}

// InPlaceOf is the kernel that the operations recorded so far run in place of the one
// of a name, which is its base, or nil.
func (r *Recorder) InPlaceOf(base string) *Kernel { return r.based[base] }

// keep notes the kernels of an operation for Has and share.
func (r *Recorder) keep(dispatches []Dispatch) {
	if r.kernels == nil {
		r.kernels, r.based = map[string]bool{}, map[string]*Kernel{}
	}
	for _, x := range dispatches {
		k := x.Kernel
		r.kernels[k.String()] = true
		if k.Base != "" && (r.based[k.Base] == nil || k.extends(r.based[k.Base])) {
			r.based[k.Base] = k
		}
	}
}

// share has operations run what takes the place of their kernels: see [Kernel.Base].
func (r *Recorder) share() {
	for _, op := range r.ops {
		for i := range op.Dispatches {
			k := op.Dispatches[i].Kernel
			if by := r.based[k.String()]; by != nil {
				op.Dispatches[i].Kernel = by
			} else if by := r.based[k.Base]; by != nil && by.extends(k) {
				op.Dispatches[i].Kernel = by
			}
		}
	}
}

// Warm begins to have the driver compile the kernels recorded so far, in the
// order of their use, while the caller reads and uploads weights. Most drivers
// compile when a pipeline is made, lavapipe at the first dispatch, so each kernel
// is dispatched once with all parameters zero, which does nothing. Wait, which
// must be called, returns when all kernels are with the driver.
func (r *Recorder) Warm() (wait func() error) {
	if r.err != nil {
		return func() error { return r.err }
	}
	r.share()
	var first []Dispatch // of each kernel
	var labels []string
	seen := map[*Kernel]bool{}
	for _, op := range r.ops {
		for _, x := range op.Dispatches {
			if !seen[x.Kernel] {
				seen[x.Kernel] = true
				first, labels = append(first, x), append(labels, op.Label)
			}
		}
	}
	done := make(chan error, 1)
	go func() {
		w := &warming{d: r.dev}
		defer w.close()
		for i, x := range first {
			if err := w.compile(x.Kernel); err != nil {
				done <- fmt.Errorf("%s: %w", labels[i], err)
				return
			}
		}
		done <- w.finish()
	}()
	return func() error { return <-done }
}

// warming makes pipelines and hands them to the driver in batches, each when the
// one before is done: a driver that compiles within a submit makes the next wait,
// with the device locked.
type warming struct {
	d       *Device
	scratch []*buffer // to be written; a dispatch takes one for each binding
	batch   []step
}

// compile makes the pipeline of k and submits the batch if the driver is idle.
func (w *warming) compile(k *Kernel) error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	p, err := w.d.pipelineFor(k)
	if err != nil || p.warm {
		return err
	}
	if err := w.add(p, k); err != nil {
		return fmt.Errorf("warming %s: %w", k, err)
	}
	if w.d.dev.Poll(false, nil) {
		return w.submit()
	}
	return nil
}

// finish submits what is left when the driver is idle.
func (w *warming) finish() error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if len(w.batch) == 0 {
		return nil
	}
	for !w.d.dev.Poll(false, nil) {
		w.d.mu.Unlock()
		time.Sleep(time.Millisecond)
		w.d.mu.Lock()
	}
	return w.submit()
}

// add appends a dispatch of one workgroup over zero parameters to the batch. Each
// written binding has a buffer of its own: wgpu forbids sharing those.
func (w *warming) add(p *pipeline, k *Kernel) error {
	d := w.d
	entries := []wgpu.BindGroupEntry{{Binding: 0, Buffer: d.dummy.b, Size: uint64(k.paramBytes())}}
	written := 0
	for _, b := range k.Bindings {
		buf := d.dummy
		if b.Write {
			if written == len(w.scratch) {
				made, err := d.newBuffer("warm", 256, wgpu.BufferUsageStorage)
				if err != nil {
					return err
				}
				w.scratch = append(w.scratch, made)
			}
			buf = w.scratch[written]
			written++
		}
		entries = append(entries, wgpu.BindGroupEntry{Binding: b.Index, Buffer: buf.b, Size: uint64(buf.size)})
	}
	group, err := d.dev.CreateBindGroup(&wgpu.BindGroupDescriptor{Layout: p.layout, Entries: entries})
	if err != nil {
		return err
	}
	w.batch = append(w.batch, step{pipe: p, group: group})
	return nil
}

// submit gives the batch to the driver.
func (w *warming) submit() error {
	defer w.release()
	return w.d.submit(func(e *wgpu.CommandEncoder) error {
		pass := e.BeginComputePass(nil)
		defer pass.Release()
		for _, s := range w.batch {
			s.pipe.warm = true
			pass.SetPipeline(s.pipe.pipe)
			pass.SetBindGroup(0, s.group, nil)
			pass.DispatchWorkgroups(1, 1, 1)
		}
		return pass.End()
	})
}

// release frees the batch's bind groups.
func (w *warming) release() {
	for _, s := range w.batch {
		s.group.Release()
	}
	w.batch = nil
}

// close frees all that is left.
func (w *warming) close() {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.release()
	for _, b := range w.scratch {
		b.releaseLocked()
	}
}
