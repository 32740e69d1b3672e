package weights

// Columns shows the columns first ≤ i < end of a tensor [Out, In] as a tensor of
// its own: a layer over joined inputs, cut into one for each. They are copied by
// Tensor.Bytes. ok is false where src has no such tensor or it has fewer columns.
func Columns(src Source, name, as string, first, end int) (columns *Tensor, ok bool) {
	t, ok := headOf(src, name)
	if !ok || len(t.Shape) != 2 || first < 0 || first >= end || end > t.Shape[1] {
		return nil, false
	}
	size, rows, width := t.DType.Size(), t.Shape[0], t.Shape[1]
	part := *t
	part.Name, part.Shape, part.Data = as, []int{rows, end - first}, nil
	part.join = func() []byte {
		from, data := t.Bytes(), make([]byte, 0, rows*(end-first)*size)
		for r := range rows {
			data = append(data, from[(r*width+first)*size:(r*width+end)*size]...)
		}
		return data
	}
	return &part, true
}
