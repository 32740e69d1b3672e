package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// DepthToSpace makes a block of pixels of each: of x [N, H, W, h·w·C], whose groups are the
// pixels of a block of h×w row by row, a map [N, h·H, w·W, C].
func DepthToSpace(r *gpu.Recorder, x *gpu.Tensor, block [2]int) *gpu.Tensor {
	size := block[0] * block[1]
	if r.Err() == nil && (len(x.Shape) != 4 || x.Dense() || size < 1 || x.Groups != size) {
		r.Fail(fmt.Errorf("depth to space: found %s in %d groups, expected a map [N H W C] in %d, one for each pixel of a block", x, x.Groups, size))
	}
	if r.Err() != nil {
		return x
	}
	return depthToSpace(r, x, pixelBlocks{channels: x.Width() / size, block: block, size: [2]int{x.Shape[1] * block[0], x.Shape[2] * block[1]}})
}

// pixelBlocks says what of a map of blocks of pixels is taken: size pixels from crop on.
// Each pixel of a block has so many channels, and what pads them to a multiple of eight.
type pixelBlocks struct {
	channels          int
	block, crop, size [2]int
}

// depthToSpace takes a map [N, size…, channels] of x, whose rows are blocks of pixels as a
// tensor in groups has them; or x itself where that is the map.
func depthToSpace(r *gpu.Recorder, x *gpu.Tensor, p pixelBlocks) *gpu.Tensor {
	if r.Err() != nil || p.block == Square(1) && p.crop == [2]int{} && p.size == [2]int{x.Shape[1], x.Shape[2]} && x.Groups == 1 {
		return x
	}
	y := r.New("depth_to_space", 1, x.Shape[0], p.size[0], p.size[1], p.channels)
	op := gpu.Op{Kind: "depth_to_space", Label: r.Label("depth_to_space"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{p.twin(in[0], x.Shape)} }}
	var err error
	if op.Dispatches, err = p.dispatches(r, x, y); err != nil {
		r.Fail(fmt.Errorf("depth to space: %w", err))
		return y
	}
	r.Do(op)
	return y
}

func (p pixelBlocks) dispatches(r *gpu.Recorder, x, y *gpu.Tensor) ([]gpu.Dispatch, error) {
	k, err := kernel("depth_to_space", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		return nil, err
	}
	n, h, w := x.Shape[0], x.Shape[1], x.Shape[2]
	windows, aligned, err := p.windows(r.Device(), x, y)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, out := range windows {
		in := window{first: out.first, end: out.end, hi: h}
		if aligned > 0 {
			in.lo = (out.lo + p.crop[0]) / p.block[0] / aligned * aligned
			in.hi = (out.hi-1+p.crop[0])/p.block[0] + 1
		}
		count := out.items() * (out.hi - out.lo) * p.size[1] * y.Stride() / 4
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "vectors": y.Stride() / 4, "height": in.hi - in.lo, "width": w, "block_h": p.block[0], "block_w": p.block[1],
				"out_height": out.hi - out.lo, "out_width": p.size[1], "top": out.lo + p.crop[0] - in.lo*p.block[0], "left": p.crop[1],
			},
			Bind:   []gpu.View{in.view(x, n, h), out.view(y, n, p.size[0])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	return dispatches, nil
}

// windows are those of the output: whole maps where they fit a binding, else lines, whose
// blocks then begin at a line of the input that is a multiple of aligned.
func (p pixelBlocks) windows(d *gpu.Device, x, y *gpu.Tensor) (windows []window, aligned int, err error) {
	n, h := x.Shape[0], x.Shape[1]
	if chunks, err := itemChunks(d, n, x, y); err == nil {
		return itemWindows(chunks, p.size[0]), 0, nil
	}
	align := max(1, d.Traits().OffsetAlignment)
	if n > 1 && itemBytes(x, n)%align != 0 {
		return nil, 0, fmt.Errorf("the maps of %s, which exceed the adapter's largest binding, do not start aligned; use a batch of one", x)
	}
	aligned = alignedLines(1, itemBytes(x, n*h), align)
	most := p.size[0]
	if lines := mostOf(d, x, n*h); lines < h {
		most = (lines - aligned) * p.block[0] // of which the first may be needed in part
	}
	windows, err = lineWindows(d, n, p.size[0], 1, most, y)
	return windows, aligned, err
}

// twin is of x as its shape has it, where the padding of a pixel's channels may count as some.
func (p pixelBlocks) twin(x []float32, shape []int) []float64 {
	wide := shape[3] / p.block[0] / p.block[1]
	y := make([]float64, 0, shape[0]*p.size[0]*p.size[1]*p.channels)
	for i := range shape[0] * p.size[0] * p.size[1] {
		row, column := i/p.size[1]%p.size[0]+p.crop[0], i%p.size[1]+p.crop[1]
		at := (i/p.size[1]/p.size[0]*shape[1]+row/p.block[0])*shape[2] + column/p.block[1]
		at = (at*p.block[0]+row%p.block[0])*p.block[1] + column%p.block[1]
		for _, v := range x[at*wide:][:p.channels] {
			y = append(y, float64(v))
		}
	}
	return y
}
