package weights

// Computed is a tensor like another in all but its data type and values, which
// Tensor.Bytes computes each time. values has to give Len()·dtype.Size() bytes;
// fewer are an error of whoever converts them.
func Computed(like *Tensor, dtype DType, values func() []byte) *Tensor {
	t := *like
	t.DType, t.Data, t.join = dtype, nil, values
	return &t
}
