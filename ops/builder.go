package ops

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"saccade/gpu"
	"saccade/weights"
)

// Builder makes the layers of a model for a device and a precision, binds them
// to a checkpoint, and owns their constants.
type Builder struct {
	Dev       *gpu.Device
	Precision gpu.DType // of weights and activations

	constants []*gpu.Tensor
	bindings  []weights.Binding
	src       weights.Source // that was bound
	hosts     map[string]*weights.Tensor
	pending   []func() error         // uploads that recordings asked for
	spans     map[string]*gpu.Tensor // indices, by what they are
	uploaded  bool
}

// NewBuilder starts a model.
func NewBuilder(dev *gpu.Device, precision gpu.DType) *Builder {
	return &Builder{Dev: dev, Precision: precision, hosts: map[string]*weights.Tensor{}, spans: map[string]*gpu.Tensor{}}
}

// reserve names a constant of the model.
func (b *Builder) reserve(name string, shape []int, typ gpu.DType, bytes int64) *gpu.Tensor {
	t := b.Dev.Reserve(name, shape, typ, bytes)
	b.constants = append(b.constants, t)
	return t
}

// State makes a state of the device that the builder owns: see [gpu.Device.State].
// Its memory is taken by the next Upload or Prepare.
func (b *Builder) State(name string, typ gpu.DType, groups int, shape ...int) (*gpu.Tensor, error) {
	t, err := b.Dev.ReserveState(name, typ, groups, shape...)
	if err == nil {
		b.constants = append(b.constants, t)
		b.Later(t.Allocate)
	}
	return t, err
}

// named is a layer that is told where in the model it stands.
type named interface{ setName(path string) }

// Bind pairs the layers of model, a pointer to a struct with `w` tags, with
// the tensors of src and names them. The error lists all that is missing,
// unknown or of another shape. src must stay open until Close.
func (b *Builder) Bind(model any, src weights.Source) error {
	bindings, err := weights.Bind(model, src)
	if err != nil {
		return err
	}
	b.bindings, b.src = bindings, src
	for _, x := range bindings {
		b.hosts[x.Name] = x.Tensor
	}
	return weights.Walk(model, func(path string, m weights.Module) {
		if n, ok := m.(named); ok {
			n.setName(path)
		}
	})
}

// Upload converts, packs and uploads all that was bound, on all cores, after
// checking that the device has room for it; then what recordings asked for. That
// alone is done if it is called again.
func (b *Builder) Upload() error {
	if b.uploaded {
		return b.Prepare()
	}
	if free := b.Bytes(); free > 0 {
		if err := b.Dev.Fits(free); err != nil {
			return fmt.Errorf("weights: %w", err)
		}
	}
	var work []func() error
	bySize := slices.Clone(b.bindings) // the largest first, or one core does it while the others wait
	slices.SortStableFunc(bySize, func(x, y weights.Binding) int { return y.Tensor.Len() - x.Tensor.Len() })
	for _, x := range bySize {
		work = append(work, x.Set)
	}
	if err := onAllCores(work); err != nil {
		return err
	}
	if err := b.Prepare(); err != nil {
		return err
	}
	if err := b.fillDefaults(); err != nil {
		return err
	}
	b.uploaded = true
	return nil
}

// compiling is how many drivers are at it: each has a core of its own then, since a
// first run waits for it, not for the weights.
var compiling atomic.Int32

// Program makes a recording of the builder's layers into a program: the driver
// compiles its pipelines while the weights are uploaded.
func (b *Builder) Program(r *gpu.Recorder) (*gpu.Program, error) {
	compiled := make(chan error, 1)
	compiling.Add(1)
	wait := r.Warm()
	go func() {
		defer compiling.Add(-1)
		compiled <- wait()
	}()
	err := b.Upload()
	if warmErr := <-compiled; err == nil {
		err = warmErr
	}
	if err != nil {
		return nil, err
	}
	return r.Finish()
}

// Later has f, which uploads a constant that a recording asked for, run once
// the weights are there: by Upload, or by the next Prepare.
func (b *Builder) Later(f func() error) { b.pending = append(b.pending, f) }

// Prepare uploads the constants that recordings asked for since the last time.
// The weights must be there.
func (b *Builder) Prepare() error {
	work := b.pending
	b.pending = nil
	return onAllCores(work)
}

// onAllCores runs functions that do not depend on each other, and gives an
// error if any failed. Drivers that are compiling have theirs.
func onAllCores(work []func() error) error {
	queue := make(chan func() error)
	errs := make(chan error, len(work))
	var wg sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)-int(compiling.Load())) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for f := range queue {
				errs <- weights.Guard(f)
			}
		}()
	}
	for _, f := range work {
		queue <- f
	}
	close(queue)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err // the first; the others are of the same file
		}
	}
	return nil
}

// fillDefaults uploads zeros for constants that the checkpoint leaves out: biases.
func (b *Builder) fillDefaults() error {
	var errs []error
	for _, t := range b.constants {
		if !t.Uploaded() {
			errs = append(errs, t.Upload(func([]byte) error { return nil }))
		}
	}
	return errors.Join(errs...)
}

// Parameters is the number of trained values of the layers that were bound; the
// statistics of batch norms are none.
func (b *Builder) Parameters() int64 {
	var n int64
	for _, x := range b.bindings {
		if !strings.HasSuffix(x.Name, "running_mean") && !strings.HasSuffix(x.Name, "running_var") {
			n += int64(x.Tensor.Len())
		}
	}
	return n
}

// Bytes is the device memory of all constants.
func (b *Builder) Bytes() int64 {
	var n int64
	for _, t := range b.constants {
		n += t.Bytes()
	}
	return n
}

// Close frees the constants.
func (b *Builder) Close() {
	for _, t := range b.constants {
		t.Release()
	}
	b.constants = nil
}

// host gives the checkpoint's values of a bound tensor, rounded as the device
// stores them, for twins; nil where the checkpoint has none.
func (b *Builder) host(name string, stored gpu.DType) []float32 {
	t, ok := b.hosts[name]
	if !ok {
		return nil
	}
	v, err := hostValues(t)
	if err != nil {
		return nil
	}
	for i := range v {
		v[i] = gpu.Round(stored, v[i])
	}
	return v
}

// hostValues converts a checkpoint's tensor.
func hostValues(t *weights.Tensor) ([]float32, error) {
	v := make([]float32, t.Len())
	return v, t.Float32s(v)
}

// putRows stores rows of width values with a stride.
func putRows(dst []byte, typ gpu.DType, values []float32, rows, width, stride int) {
	size := int(typ.Size())
	for r := range rows {
		gpu.PutFloats(dst[r*stride*size:], typ, values[r*width:(r+1)*width])
	}
}

// putWords stores values.
func putWords(dst []byte, values []uint32) {
	for i, v := range values {
		binary.LittleEndian.PutUint32(dst[i*4:], v)
	}
}

// floats converts a checkpoint's tensor for a Set function.
func floats(t *weights.Tensor) ([]float32, error) {
	v, err := hostValues(t)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.Name, err)
	}
	return v, nil
}
