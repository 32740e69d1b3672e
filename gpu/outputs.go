package gpu

import (
	"fmt"
	"slices"
	"strings"
)

// Wants are the outputs that a recording is asked for.
type Wants struct {
	// Names are those of outputs and intermediates; "attentions" stands for
	// attentions.0, attentions.1 and so on, and [Everything] for all there are.
	Names []string
	// Only says that nothing else is wanted; else what [Recorder.Output] names is too.
	Only bool
}

// Everything is the name that stands for all outputs and intermediates.
const Everything = "*"

// names says that a name is among the wanted ones by itself or by its group.
func (w Wants) names(name string) bool {
	return slices.ContainsFunc(w.Names, func(n string) bool {
		return n == name || n == Everything || strings.HasPrefix(name, n) && name[len(n)] == '.'
	})
}

// Missing are the wanted names for which nothing stands among those offered.
func (w Wants) Missing(offered []string) []string {
	var missing []string
	for _, n := range w.Names {
		if !slices.ContainsFunc(offered, func(o string) bool { return Wants{Names: []string{n}}.names(o) }) {
			missing = append(missing, n)
		}
	}
	return missing
}

// Want says which outputs the recording is for. It is called before anything is recorded.
func (r *Recorder) Want(w Wants) { r.wants = w }

// Offered are the names of all outputs and intermediates that could have been
// wanted so far, in the order of the recording.
func (r *Recorder) Offered() []string { return slices.Clone(r.offered) }

// Wants says whether an intermediate of that name is wanted, so that what it
// alone takes is recorded only then. It offers the name.
func (r *Recorder) Wants(name string) bool {
	if !slices.Contains(r.offered, name) {
		r.offered = append(r.offered, name)
	}
	return r.wants.names(name)
}

// Satisfied says that only some outputs are wanted and all of them are recorded.
func (r *Recorder) Satisfied() bool {
	return r.wants.Only && !slices.ContainsFunc(r.wants.Names, func(name string) bool {
		return !slices.ContainsFunc(r.outputs, func(o output) bool { return o.name == name })
	})
}

// Output names a tensor that every run reads back, unless only others are wanted.
func (r *Recorder) Output(name string, t *Tensor) {
	if r.Wants(name) || !r.wants.Only {
		r.read(output{name: name, tensor: t})
	}
}

// OutputNCHW is Output for images [N, H, W, C], which are read back as PyTorch
// has them, [N, C, H, W].
func (r *Recorder) OutputNCHW(name string, t *Tensor) {
	if r.Wants(name) || !r.wants.Only {
		r.read(output{name: name, tensor: t, nchw: true})
	}
}

// OutputNCFHW is OutputNCHW for the frames of videos [N·frames, H, W, C], which are read back
// as [N, C, frames, H, W].
func (r *Recorder) OutputNCFHW(name string, t *Tensor, frames int) {
	if r.Wants(name) || !r.wants.Only {
		r.read(output{name: name, tensor: t, nchw: true, frames: frames})
	}
}

// OutputRows is Output of a tensor [..., 1] as PyTorch has it without its last size, [...].
func (r *Recorder) OutputRows(name string, t *Tensor) {
	if r.Wants(name) || !r.wants.Only {
		r.read(output{name: name, tensor: t, rows: true})
	}
}

// Tap names an intermediate, which is read back where it is wanted by its name.
func (r *Recorder) Tap(name string, t *Tensor) {
	if r.Wants(name) {
		r.read(output{name: name, tensor: t})
	}
}

// TapNCHW is Tap for images [N, H, W, C]; see OutputNCHW.
func (r *Recorder) TapNCHW(name string, t *Tensor) {
	if r.Wants(name) {
		r.read(output{name: name, tensor: t, nchw: true})
	}
}

// OutputShapes are the shapes of what every run reads back, by name.
func (r *Recorder) OutputShapes() map[string][]int {
	shapes := map[string][]int{}
	for _, o := range r.outputs {
		shapes[o.name] = o.shape()
	}
	return shapes
}

// read has every run read back an output.
func (r *Recorder) read(o output) {
	if r.err != nil {
		return
	}
	if o.nchw && len(o.tensor.Shape) != 4 {
		r.Fail(fmt.Errorf("output %s: %s is no batch of images [N H W C]", o.name, o.tensor))
		return
	}
	if o.frames < 0 || o.frames > 0 && o.tensor.Shape[0]%o.frames != 0 {
		r.Fail(fmt.Errorf("output %s: %s are no videos of %d frames", o.name, o.tensor, o.frames))
		return
	}
	if o.rows && o.tensor.Width() != 1 {
		r.Fail(fmt.Errorf("output %s: %s has rows of %d values, expected one", o.name, o.tensor, o.tensor.Width()))
		return
	}
	r.outputs = append(r.outputs, o)
}

type output struct {
	name   string
	tensor *Tensor
	nchw   bool // images [N, H, W, C], given to the host as [N, C, H, W]
	frames int  // with nchw: videos of so many images, given to the host as [N, C, frames, H, W]; 0: images
	rows   bool // [..., 1], given to the host as [...]
}

// shape is what the host gets.
func (o output) shape() []int {
	if o.rows {
		return o.tensor.Shape[:len(o.tensor.Shape)-1]
	}
	switch s := o.tensor.Shape; {
	case o.frames > 0:
		return []int{s[0] / o.frames, s[3], o.frames, s[1], s[2]}
	case o.nchw:
		return []int{s[0], s[3], s[1], s[2]}
	}
	return o.tensor.Shape
}

// decode reads what the host gets out of the tensor's memory.
func (o output) decode(raw []byte) []float32 {
	v := o.tensor.decode(raw)
	if !o.nchw {
		return v
	}
	s := o.tensor.Shape
	each := max(1, o.frames)
	n, pixels, channels := s[0]/each, each*s[1]*s[2], s[3]
	out := make([]float32, len(v))
	for i := range n {
		for p := range pixels {
			for c := range channels {
				out[(i*channels+c)*pixels+p] = v[(i*pixels+p)*channels+c]
			}
		}
	}
	return out
}

// Capture records with f and gives what f names as outputs and is wanted to the
// caller, by name, instead of having every run read it back: for a network that is
// a part of a larger recording.
func (r *Recorder) Capture(w Wants, f func()) map[string]*Tensor {
	wants, outputs, offered := r.wants, r.outputs, r.offered
	r.wants, r.outputs, r.offered = w, nil, nil
	f()
	captured := map[string]*Tensor{}
	for _, o := range r.outputs {
		captured[o.name] = o.tensor
	}
	r.wants, r.outputs, r.offered = wants, outputs, offered
	return captured
}
