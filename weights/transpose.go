package weights

// Transposed shows a matrix [In, Out] of a source as [Out, In] under another
// name. The values are moved by Tensor.Bytes. ok is false where src has no such
// tensor or it is no matrix.
func Transposed(src Source, name, as string) (turned *Tensor, ok bool) {
	t, ok := headOf(src, name)
	if !ok || len(t.Shape) != 2 {
		return nil, false
	}
	rows, columns := t.Shape[0], t.Shape[1]
	out := *t
	out.Name, out.Shape, out.Data = as, []int{columns, rows}, nil
	out.join = func() []byte {
		data := t.Bytes()
		if len(data) == 0 {
			return data
		}
		return transposeColumns(data, rows, columns, t.DType.Size())
	}
	return &out, true
}
