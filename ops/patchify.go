package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// PatchEmbedding is torch.nn.Conv2d with kernel and stride of a patch, as
// vision transformers begin: patches as rows, then a Linear.
type PatchEmbedding struct {
	Linear
	PatchH, PatchW int
}

// PatchEmbedding makes a layer from pictures of some channels to out features
// a patch. The checkpoint's weight is [out, channels, ph, pw].
func (b *Builder) PatchEmbedding(channels, ph, pw, out int, bias bool) PatchEmbedding {
	l := b.Linear(channels*ph*pw, out, bias)
	l.shape = []int{out, channels, ph, pw}
	return PatchEmbedding{Linear: l, PatchH: ph, PatchW: pw}
}

// Forward embeds pictures x, dense f32 [N, C, H, W], as [N, (H/ph)·(W/pw), out].
func (e *PatchEmbedding) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return e.Linear.Forward(r, Patchify(r, x, e.PatchH, e.PatchW))
}

// Patchify takes the patches of pictures x, dense f32 [N, C, H, W], as rows
// [N, (H/ph)·(W/pw), C·ph·pw]: with a Linear whose weight is the convolution's
// [D, C, ph, pw] read as [D, C·ph·pw] it is torch.nn.Conv2d with kernel and
// stride (ph, pw).
func Patchify(r *gpu.Recorder, x *gpu.Tensor, ph, pw int) *gpu.Tensor {
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	gh, gw := h/ph, w/pw
	if gh == 0 || gw == 0 {
		r.Fail(fmt.Errorf("patchify: a picture of %dx%d has no patch of %dx%d", h, w, ph, pw))
		gh, gw = 1, 1
	}
	y := r.New("patchify", 1, n, gh*gw, c*ph*pw)
	if r.Err() != nil {
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("patchify: %w", err))
		return y
	}
	k, err := kernel("patchify", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "pack")})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "patchify", Label: r.Label("patchify"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{patchifyTwin(in[0], n, c, h, w, ph, pw)}
		}}
	for _, part := range chunks {
		count := (part[1] - part[0]) * gh * gw * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "channels": c, "height": h, "width": w, "ph": ph, "pw": pw, "gh": gh, "gw": gw},
			Bind:   []gpu.View{itemView(x, n, part[0], part[1]), itemView(y, n, part[0], part[1])}, Groups: elementwise(count),
			Bytes: 4*float64((part[1]-part[0])*c*h*w) + 4*float64(count)*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func patchifyTwin(x []float32, n, c, h, w, ph, pw int) []float64 {
	var y []float64
	for b := range n {
		for i := range h / ph {
			for j := range w / pw {
				for ch := range c {
					for u := range ph {
						row := ((b*c+ch)*h+i*ph+u)*w + j*pw
						y = append(y, widen(x[row:row+pw])...)
					}
				}
			}
		}
	}
	return y
}
