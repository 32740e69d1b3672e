package weights

// Level shows a source as it is, and is the one whose tensors [Parts] gives.
func Level(src Source) Source { return level{src} }

type level struct{ Source }

// Parts are the tensors that a tensor of a source is made of, one after the other along the
// first dimension: mostly one, several where a [Rename] joined them. They are those of the
// [Level] that it is shown through, with their names there. ok is false where it is no such
// tensor, or its values are computed or moved.
func Parts(src Source, name string) (parts []*Tensor, ok bool) {
	switch s := src.(type) {
	case *renamed:
		for _, origin := range s.parts[name] {
			some, ok := Parts(s.src, origin)
			if !ok {
				return nil, false
			}
			parts = append(parts, some...)
		}
		return parts, len(parts) > 0
	case *with:
		if _, added := s.added[name]; added {
			return nil, false
		}
		return Parts(s.src, name)
	case level:
		t, ok := headOf(s.Source, name)
		if ok {
			t.Name = name
		}
		return []*Tensor{t}, ok
	}
	t, ok := src.Tensor(name)
	return []*Tensor{t}, ok && t.join == nil
}
