package gpu

import (
	"fmt"
	"slices"
	"strings"
)

// Dispatch is one run of a kernel.
type Dispatch struct {
	Kernel *Kernel
	Params Params
	Bind   []View  // in the order of the kernel's storage bindings
	Groups [3]int  // workgroups in x, y, z; zero counts as one
	FLOPs  float64 // of the operation as it is defined, for rates that compare
	Saved  float64 // of which the kernel does without, as by Winograd's transforms
	Bytes  float64 // read and written once, for bandwidth figures
	Turns  int     // of all loops of an invocation, where they may be as many as drivers do; 0: never
}

// Op is one operation of a model: its dispatches and what they should compute.
type Op struct {
	Kind       string // the operation's one name, e.g. "matmul"
	Label      string // where in the model, e.g. "blocks.3.attn.qkv"
	In, Out    []*Tensor
	Dispatches []Dispatch
	// Twin computes the logical outputs from the logical inputs in f64.
	Twin func(in [][]float32) [][]float64
	// Rows, in place of Twin, computes some rows of the one output: of an operation
	// that may be too large for the CPU, of which Verify then takes a sample.
	Rows func(in [][]float32, rows []int) []float64
	// Judge, in place of Twin, is of an operation of one output that chooses, where of
	// two that are all but even either may be taken: from the inputs and what the GPU
	// made of them it gives the numbers to compare, as they are and as they should be,
	// or the choice that is wrong.
	Judge func(in [][]float32, out []float32) (got []float32, want []float64, err error)
	// Adjoint records the gradients of the inputs from dy, that of the first output: of
	// each input one of its shape, type and layout, or nil where it is not needed. Nil: the
	// operation has none, see [Recorder.Backward].
	Adjoint func(dy *Tensor, needed []bool) []*Tensor
	// Tolerance is the NMSE that Verify allows; zero means the default of the output's type.
	Tolerance float64

	// An operation that can be computed in several ways has a key, which says what
	// decides between them, and the name of the way that its dispatches are.
	Key, Way string
	Others   []Way // where the recording asked for them: see [Recorder.Tries]
}

// Recorder takes operations and makes a program of them. It holds the first
// error, as bufio.Writer does: later operations do nothing and Finish returns it.
type Recorder struct {
	dev       *Device
	Precision DType // F16 or F32: how activations are stored
	Tape      *Tape // of a recording that goes on with a backward pass, or nil

	ops     []Op
	inputs  []*Tensor
	outputs []output
	wants   Wants
	offered []string
	scope   []string
	tries   map[string]bool // keys of operations of which all ways are recorded
	err     error
	kernels map[string]bool    // that the operations run, by name
	based   map[string]*Kernel // by the base, which of those runs in its place
}

// Record starts a recording.
func (d *Device) Record(precision DType) *Recorder {
	return &Recorder{dev: d, Precision: precision}
}

// Device is what the recording is for.
func (r *Recorder) Device() *Device { return r.dev }

// Err is the first error, if any.
func (r *Recorder) Err() error { return r.err }

// Fail keeps err if it is the first.
func (r *Recorder) Fail(err error) {
	if r.err == nil && err != nil {
		if label := r.Label(""); label != "" {
			err = fmt.Errorf("%s: %w", label, err)
		}
		r.err = err
	}
}

// Ops are the operations recorded so far, with the kernels that a program of them
// runs. They may be read, not changed.
func (r *Recorder) Ops() []Op {
	r.share()
	return slices.Clone(r.ops)
}

// Enter prefixes the labels of the operations until Leave with a part of a path.
func (r *Recorder) Enter(part string) { r.scope = append(r.scope, part) }

// Leave ends the latest Enter.
func (r *Recorder) Leave() { r.scope = r.scope[:len(r.scope)-1] }

// Label is the path entered with name at its end, or a name that begins with that path already.
func (r *Recorder) Label(name string) string {
	parts := r.scope
	if strings.HasPrefix(name, strings.Join(parts, ".")+".") {
		return name
	}
	if name != "" {
		parts = append(append([]string{}, parts...), name)
	}
	return strings.Join(parts, ".")
}

// Input declares a dense array that every run uploads.
func (r *Recorder) Input(name string, typ DType, shape ...int) *Tensor {
	t := &Tensor{Name: name, Shape: shape, Groups: 1, Type: typ, place: inInput, dense: true}
	t.bytes = int64(product(shape)) * typ.Size()
	r.inputs = append(r.inputs, t)
	return t
}

// New declares an activation in the recording's precision.
func (r *Recorder) New(name string, groups int, shape ...int) *Tensor {
	return r.NewTyped(name, r.Precision, groups, shape...)
}

// NewTyped declares an activation whose type is not the recording's, e.g. f32 partial sums.
func (r *Recorder) NewTyped(name string, typ DType, groups int, shape ...int) *Tensor {
	t := &Tensor{Name: r.Label(name), Shape: append([]int{}, shape...), Groups: groups, Type: typ, place: inArena}
	if groups < 1 || t.Width()%groups != 0 {
		r.Fail(fmt.Errorf("%s: %d columns do not make %d equal groups", t, t.Width(), groups))
		t.Groups = 1
	}
	rows := (t.Rows() + rowPad - 1) / rowPad * rowPad
	t.bytes = int64(rows) * int64(t.Stride()) * typ.Size()
	return t
}

// Do appends an operation.
func (r *Recorder) Do(op Op) {
	if r.err != nil {
		return
	}
	if op.Label == "" {
		op.Label = r.Label(op.Kind)
	}
	for i := range op.Dispatches {
		if err := r.check(&op.Dispatches[i]); err != nil {
			r.Fail(fmt.Errorf("%s: %w", op.Label, err))
			return
		}
	}
	r.keep(op.Dispatches)
	for i := range op.Others {
		r.checkWay(&op.Others[i])
	}
	r.ops = append(r.ops, op)
}

// check validates a dispatch so that nothing invalid is ever submitted.
func (r *Recorder) check(x *Dispatch) error {
	l := r.dev.traits
	if most := l.Turns; x.Turns > most {
		return fmt.Errorf("kernel %s: its loops take %d turns, of which the driver does %d; use a smaller picture", x.Kernel, x.Turns, most)
	}
	if len(x.Bind) != len(x.Kernel.Bindings) {
		return fmt.Errorf("kernel %s takes %d buffers, got %d", x.Kernel, len(x.Kernel.Bindings), len(x.Bind))
	}
	for i := range x.Groups {
		x.Groups[i] = max(1, x.Groups[i])
		if x.Groups[i] > l.MaxWorkgroups {
			return fmt.Errorf("kernel %s: %d workgroups in one dimension exceed the adapter's %d", x.Kernel, x.Groups[i], l.MaxWorkgroups)
		}
	}
	if _, err := x.Kernel.Encode(x.Params); err != nil {
		return err
	}
	written := map[*Tensor]bool{}
	for i, v := range x.Bind {
		b := x.Kernel.Bindings[i]
		name := b.Name
		switch {
		case v.Tensor == nil:
			return fmt.Errorf("kernel %s: buffer %s is not given", x.Kernel, name)
		case b.Length > 0 && (v.Bytes() != UniformWindow || b.least() != UniformWindow || !l.UniformWindows() || v.Tensor.place == inConstant && v.Offset+v.Bytes() > v.Tensor.bytes):
			return fmt.Errorf("kernel %s: buffer %s: a window of %d bytes of %s for an array of %d; uniform windows are %d bytes of an activation, or within a constant (the adapter's largest is %d)", x.Kernel, name, v.Bytes(), v.Tensor, b.least(), UniformWindow, l.MaxUniform)
		case v.Offset%max(1, l.OffsetAlignment) != 0 || b.Length > 0 && v.Offset%max(1, l.UniformAlignment) != 0 || v.Offset < 0 || v.Bytes() <= 0 || v.Offset >= v.Tensor.bytes || b.Length == 0 && v.Offset+v.Bytes() > v.Tensor.bytes:
			return fmt.Errorf("kernel %s: buffer %s: the window of %d bytes at %d does not fit %s of %d bytes", x.Kernel, name, v.Bytes(), v.Offset, v.Tensor, v.Tensor.bytes)
		case v.Bytes() > l.MaxBinding:
			return fmt.Errorf("kernel %s: buffer %s: %d bytes exceed the adapter's largest binding, %d; the operation must split", x.Kernel, name, v.Bytes(), l.MaxBinding)
		}
		if w := b.Write; w || written[v.Tensor] {
			for j, u := range x.Bind {
				if j != i && u.Tensor == v.Tensor {
					return fmt.Errorf("kernel %s: %s is bound for writing and bound again", x.Kernel, v.Tensor)
				}
			}
			written[v.Tensor] = w
		}
	}
	return nil
}

// Dummy is a constant of [UniformWindow] bytes to bind where a kernel's optional buffer is not used.
func (d *Device) Dummy() *Tensor {
	return &Tensor{Name: "dummy", Shape: []int{UniformWindow / 4}, Groups: 1, Type: F32, place: inConstant, dense: true, bytes: d.dummy.size, buf: d.dummy, dev: d}
}
