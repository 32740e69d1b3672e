package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/weights"
)

// RMSNorm is torch.nn.RMSNorm over the innermost dimension, with weight [Width]: a
// row by the root of its mean square (Zhang and Sennrich 2019). Of an activation in
// groups, such as heads, each group of Width is a row.
type RMSNorm struct {
	Width int
	Eps   float64
	// Added is what is added to the weight: 1 in Gemma's models.
	Added float64

	b     *Builder
	name  string
	gamma *gpu.Tensor
}

// RMSNorm makes a layer for rows of width values.
func (b *Builder) RMSNorm(width int, eps float64) RMSNorm {
	return RMSNorm{Width: width, Eps: eps, b: b, gamma: b.reserve("weight", []int{width}, gpu.F32, int64(gpu.Pad8(width))*4)}
}

func (n *RMSNorm) setName(path string) {
	n.name = path
	n.gamma.Name = path + ".weight"
}

// Params is weight [Width].
func (n *RMSNorm) Params() []weights.Param {
	return []weights.Param{{Name: "weight", Shape: []int{n.Width}, Set: func(t *weights.Tensor) error {
		v, err := floats(t)
		if err != nil {
			return err
		}
		return n.gamma.Upload(func(raw []byte) error {
			for i := range v {
				v[i] += float32(n.Added)
			}
			gpu.PutFloats(raw, gpu.F32, v)
			return nil
		})
	}}}
}

// Forward normalises x [..., G·Width] in G groups, each on its own.
func (n *RMSNorm) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.New(n.name, x.Groups, x.Shape...)
	y.Name = n.name
	if r.Err() != nil {
		return y
	}
	if x.Width() != x.Groups*n.Width || x.Dense() {
		r.Fail(fmt.Errorf("%s: normalises groups of %d, got %v in %d groups", n.name, n.Width, x.Shape, x.Groups))
		return y
	}
	op := gpu.Op{Kind: "rmsnorm", Label: n.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: n.twin}
	recordRMSNorm(r, op, n.gamma, 1, gpu.Params{"width": n.Width, "eps": n.Eps})
	return y
}

// recordRMSNorm records op, which normalises the groups of its input, and multiplies them
// by so many rows of gamma in turn.
func recordRMSNorm(r *gpu.Recorder, op gpu.Op, gamma *gpu.Tensor, gammas int, p gpu.Params) {
	x, y := op.In[0], op.Out[0]
	doRows(r, op, fmt.Sprintf("%dx%d", x.Rows()*x.Groups, x.Width()/x.Groups), func(forms ...string) ([]gpu.Dispatch, error) {
		k, perGroup, err := rowKernel(r, "rmsnorm", forms...)
		if err != nil {
			return nil, err
		}
		var all []gpu.Dispatch
		for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
			rows, stride := (c[1]-c[0])*x.Groups, x.Stride()/x.Groups
			all = append(all, gpu.Dispatch{
				Kernel: k, Params: gpu.Params{"rows": rows, "stride": stride, "width": p["width"], "eps": p["eps"], "gammas": gammas},
				Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(gamma), rowView(y, c[0], c[1])},
				Groups: grid(ceilDiv(rows, perGroup)),
				FLOPs:  4 * float64(rows*x.Width()/x.Groups), Bytes: 2 * float64(rows*stride) * float64(x.Type.Size()),
			})
		}
		return all, nil
	})
}

// NormalizeHeads divides each head of x [..., D] by its Euclidean length and multiplies it
// by its row of gains [heads, D/heads], as cosine attention does with queries and keys
// (Swin V2, whose scale of a head is the gain of its queries), with heads as groups. The
// first rows of gains may be of heads of queries, and the others of keys of a fused qk.
func NormalizeHeads(r *gpu.Recorder, x *gpu.Tensor, gains *Table) *gpu.Tensor {
	y := r.New("normalize_heads", x.Groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	head := x.Width() / x.Groups
	if x.Dense() || gains.Rows != x.Groups || gains.Width != head {
		r.Fail(fmt.Errorf("normalize heads: %s in %d groups and gains [%d %d] do not fit", x, x.Groups, gains.Rows, gains.Width))
		return y
	}
	op := gpu.Op{Kind: "rmsnorm", Label: r.Label("normalize_heads"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: func(in [][]float32) [][]float64 {
		y := widen(in[0])
		for at := 0; at < len(y); at += head {
			gain := gains.Values[at/head%gains.Rows*head:]
			length := math.Sqrt(dot(in[0][at:at+head], in[0][at:at+head]))
			for i := range head {
				y[at+i] *= float64(gain[i]) / max(length, 1e-12)
			}
		}
		return [][]float64{y}
	}}
	// The mean of one square is their sum. torch's normalize takes a length of 1e-12 at least.
	recordRMSNorm(r, op, gains.tensor, gains.Rows, gpu.Params{"width": 1, "eps": 1e-24})
	return y
}

func (n *RMSNorm) twin(in [][]float32) [][]float64 {
	gamma := n.b.host(n.name+".weight", gpu.F32)
	y := widen(in[0])
	for at := 0; at < len(y); at += n.Width {
		row, square := y[at:at+n.Width], 0.0
		for _, v := range row {
			square += v * v / float64(n.Width)
		}
		for i, v := range row {
			row[i] = v / math.Sqrt(square+n.Eps) * (float64(gamma[i]) + n.Added)
		}
	}
	return [][]float64{y}
}
