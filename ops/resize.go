package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Resampling is how [Resize] finds values between pixels.
type Resampling struct {
	Cubic   bool // over 4×4 pixels (torch's bicubic), else over 2×2 (bilinear)
	Nearest bool // over one pixel (nearest, as torch rounds down); the others do not matter
	// Corners has the corner pixels of both sizes be at one place (align_corners), else
	// the pictures' borders.
	Corners bool
}

// Resize brings x [N, H, W, C] to the height and width of size, as
// torch.nn.functional.interpolate does without antialias.
func Resize(r *gpu.Recorder, x *gpu.Tensor, size [2]int, how Resampling) *gpu.Tensor {
	call := resizeCall{x: x, size: size, how: how}
	if len(x.Shape) != 4 || x.Dense() || x.Groups != 1 || min(size[0], size[1]) < 1 {
		r.Fail(fmt.Errorf("%s: found %s and a size %v, expected pictures [N H W C] in one group and one pixel at least", r.Label("resize"), x, size))
		return r.New("resize", 1, 1, 1, 1, 1)
	}
	if size == [2]int{x.Shape[1], x.Shape[2]} { // every pixel is where one was
		return x
	}
	y := r.New("resize", 1, x.Shape[0], size[0], size[1], x.Width())
	if r.Err() != nil {
		return y
	}
	op := gpu.Op{Kind: "resize", Label: r.Label("resize"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: call.twin}
	var err error
	if op.Dispatches, err = call.dispatches(r, y); err != nil {
		r.Fail(fmt.Errorf("%s: %w", op.Label, err))
		return y
	}
	r.Do(op)
	return y
}

// resizeCall is a resize of one input.
type resizeCall struct {
	x    *gpu.Tensor
	size [2]int
	how  Resampling
}

func (c resizeCall) dispatches(r *gpu.Recorder, y *gpu.Tensor) ([]gpu.Dispatch, error) {
	spec, variant := shaders.Spec{Const: map[string]int{}, Forms: forms(r.Precision)}, r.Precision.String()+" bilinear"
	taps := 2
	if c.how.Cubic && !c.how.Nearest {
		taps = 4
		spec.Const["CUBIC"], spec.Const["TAPS"], variant = 1, taps, r.Precision.String()+" bicubic"
	}
	switch {
	case c.how.Nearest:
		taps = 1
		spec.Const["NEAREST"], spec.Const["TAPS"], variant = 1, taps, r.Precision.String()+" nearest"
	case c.how.Corners:
		spec.Const["CORNERS"], variant = 1, variant+" corners"
	}
	k, err := kernel("resize", variant, spec)
	if err != nil {
		return nil, err
	}
	x, n := c.x, c.x.Shape[0]
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		return nil, err
	}
	rows := pixelsOfThread(r)
	blocks, vectors := ceilDiv(c.size[0], rows), y.Stride()/4
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		items := part[1] - part[0]
		count := items * blocks * c.size[1] * vectors
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "vectors": vectors, "rows": rows, "blocks": blocks,
				"height": x.Shape[1], "width": x.Shape[2], "out_height": c.size[0], "out_width": c.size[1],
			},
			Bind: []gpu.View{itemView(x, n, part[0], part[1]), itemView(y, n, part[0], part[1])}, Groups: elementwise(count),
			FLOPs: 2 * float64(items) * float64(c.size[0]*c.size[1]*taps*(taps+1)*y.Stride()),
			Bytes: float64(items) * float64(itemBytes(x, n)+itemBytes(y, n)),
		})
	}
	return dispatches, nil
}

func (c resizeCall) twin(in [][]float32) [][]float64 {
	n, from, width := c.x.Shape[0], [2]int{c.x.Shape[1], c.x.Shape[2]}, c.x.Width()
	return [][]float64{sampled(in[0], n, width, from, c.how.taps(from[0], c.size[0]), c.how.taps(from[1], c.size[1]))}
}

// taps gives, for each of `to` pixels along a side, what it takes of `from`.
func (how Resampling) taps(from, to int) [][]tap {
	out := make([][]tap, to)
	for i := range out {
		if how.Nearest {
			out[i] = []tap{{i * from / to, 1}}
			continue
		}
		at := (float64(i)+0.5)*float64(from)/float64(to) - 0.5
		if how.Corners {
			at = float64(i*(from-1)) / float64(max(1, to-1))
		}
		out[i] = tapsAt(at, from, how.Cubic)
	}
	return out
}
