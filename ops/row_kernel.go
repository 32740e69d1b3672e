package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// inSubgroups is the form of kernels that add up by the functions of subgroups.
const inSubgroups = "subgroups"

// rowKernel specialises a kernel that works row by row, and gives the rows of a
// workgroup: one, by a whole wavefront, or where barriers are dear eight, a thread
// each, which need none. more are forms beside the precision's.
func rowKernel(r *gpu.Recorder, name string, more ...string) (k *gpu.Kernel, rows int, err error) {
	return rowKernelOf(r, name, r.Precision.String(), append(forms(r.Precision), more...))
}

// rowKernelOf is rowKernel for values of a type, by its name, in forms.
func rowKernelOf(r *gpu.Recorder, name, typ string, forms []string) (k *gpu.Kernel, rows int, err error) {
	threads, rows := 1, 8
	if r.Device().Traits().CheapBarriers {
		threads, rows = 64, 1
	}
	spec := shaders.Spec{
		Const: map[string]int{"W": threads, "R": rows, "WR": threads * rows}, Forms: forms, Workgroup: [3]int{rows, threads, 1},
	}
	variant := fmt.Sprintf("%s %dx%d", typ, threads, rows)
	if slices.Contains(forms, inSubgroups) {
		variant += " " + inSubgroups
		if name == "softmax" || name == "rmsnorm" { // which say so
			total, err := shaders.FuncIn("layernorm", inSubgroups, "total")
			if err != nil {
				return nil, 0, err
			}
			spec = spec.WithFunc("total", total)
		}
	}
	k, err = kernel(name, variant, spec)
	return k, rows, err
}

// doRows records an operation by a kernel that works row by row. Where the threads of a row
// wait for each other, and the adapter has subgroups, that can be in two ways; record gives
// the dispatches in forms beside the precision's.
func doRows(r *gpu.Recorder, op gpu.Op, shape string, record func(forms ...string) ([]gpu.Dispatch, error)) {
	by := func(name string, forms ...string) way {
		return way{name: name, record: func() ([]gpu.Dispatch, error) { return record(forms...) }}
	}
	if t := r.Device().Traits(); t.Subgroups && t.CheapBarriers {
		do(r, op, shape, by(op.Kind), func() []way { return []way{by(op.Kind+" "+inSubgroups, inSubgroups)} })
		return
	}
	var err error
	if op.Dispatches, err = record(); err != nil {
		r.Fail(fmt.Errorf("%s: %w", op.Label, err))
		return
	}
	r.Do(op)
}
