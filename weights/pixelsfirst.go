package weights

import "slices"

// PixelsFirst shows weights over flattened pictures as those over pictures whose
// pixels lie one after the other: a tensor [Out, C·P], or [Out, C, H, W] with
// H·W = P, becomes [Out, P·C]. PyTorch flattens [C, H, W]; what has its channels
// innermost flattens [H, W, C]. A tensor of another shape stays as it is, so
// that Bind reports it. The values are moved by Tensor.Bytes.
func PixelsFirst(src Source, pixels int, names ...string) Source {
	return &pixelsFirst{src: src, pixels: pixels, moved: names}
}

type pixelsFirst struct {
	src    Source
	pixels int
	moved  []string
}

func (p *pixelsFirst) Names() []string { return p.src.Names() }

func (p *pixelsFirst) Tensor(name string) (*Tensor, bool) {
	t, ok := headOf(p.src, name)
	if !ok || !slices.Contains(p.moved, name) {
		return t, ok
	}
	columns := 1
	for _, d := range t.Shape[min(1, len(t.Shape)):] {
		columns *= d
	}
	if len(t.Shape) != 2 && (len(t.Shape) != 4 || t.Shape[2]*t.Shape[3] != p.pixels) || columns%p.pixels != 0 {
		return t, true
	}
	moved := *t
	moved.Shape, moved.Data = []int{t.Shape[0], columns}, nil
	moved.join = func() []byte { return transposeColumns(t.Bytes(), columns/p.pixels, p.pixels, t.DType.Size()) }
	return &moved, true
}

// transposeColumns turns rows of [channels, pixels] elements of size bytes into
// rows of [pixels, channels].
func transposeColumns(data []byte, channels, pixels, size int) []byte {
	out := make([]byte, len(data))
	row := channels * pixels * size
	for start := 0; start < len(data); start += row {
		from, to := data[start:start+row], out[start:start+row]
		for c := range channels {
			for p := range pixels {
				copy(to[(p*channels+c)*size:][:size], from[(c*pixels+p)*size:][:size])
			}
		}
	}
	return out
}
