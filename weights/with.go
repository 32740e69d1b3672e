package weights

import "slices"

// With shows a source with more tensors, such as constants that a checkpoint
// leaves out. One that the source has by the same name is replaced.
func With(src Source, tensors ...*Tensor) Source {
	w := &with{src: src, added: map[string]*Tensor{}}
	for _, t := range tensors {
		w.added[t.Name] = t
	}
	w.names = src.Names()
	for _, t := range tensors {
		if !slices.Contains(w.names, t.Name) {
			w.names = append(w.names, t.Name)
		}
	}
	return w
}

type with struct {
	src   Source
	names []string
	added map[string]*Tensor
}

func (w *with) Names() []string { return slices.Clone(w.names) }

func (w *with) Tensor(name string) (*Tensor, bool) {
	if t, ok := w.added[name]; ok {
		copied := *t
		return &copied, true
	}
	return w.src.Tensor(name)
}
