package ops

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/shaders"
)

// Every case against its twin, with its inputs unchanged and its padding zero,
// and again with NaN wherever nothing was written.
func TestCases(t *testing.T) {
	d, poisoned := plainDevice.Open(t), poisonDevice.Open(t)
	for _, c := range Cases() {
		if c.Bench {
			continue
		}
		for _, precision := range precisions {
			t.Run(fmt.Sprintf("%s %s", c, precision), func(t *testing.T) {
				want := verified(t, d, precision, c)
				require.Equal(t, want, result(t, poisoned, precision, c), "poison changes the result")
			})
		}
	}
}

// wideChain has activations of more than 64 KiB and a small input: a layer makes
// a wide activation of a narrow input, since inputs are never cut up.
func wideChain() Case {
	const rows, width = 600, 90
	return newCase("chain", shapeName(rows, width), func(o *operands) *gpu.Tensor {
		var model struct {
			First  Linear    `w:"first"`
			Norm   LayerNorm `w:"norm"`
			Second Linear    `w:"second"`
			Gated  Linear    `w:"gated"`
		}
		model.First, model.Norm, model.Second = o.b.Linear(3, width, true), o.b.LayerNorm(width, 1e-5), o.b.Linear(width, width, true)
		model.Gated = o.b.Linear(width, 2*width, true, Grouped{Out: 2})
		o.layers(&model)
		x := model.First.Forward(o.r, o.activation("x", 1, rows, 3))
		y := model.Second.Forward(o.r, model.Norm.Forward(o.r, x), Then(GELU), Residual(x))
		return Add(o.r, Softmax(o.r, y), Apply(o.r, GLU(o.r, model.Gated.Forward(o.r, y), SiLU, GateFirst), Sigmoid), 0.5)
	})
}

// visionChain has a batch of pictures that exceeds 64 KiB, as do its q, k and v.
func visionChain() Case {
	const n, heads, width = 40, 2, 16
	return newCase("vision", "40x3x24x20", func(o *operands) *gpu.Tensor {
		var model struct {
			Embed Conv2d `w:"embed"`
			QKV   Linear `w:"qkv"`
		}
		model.Embed, model.QKV = o.b.Conv2d(Conv{In: 3, Out: width, Kernel: Square(4), Stride: Square(4), Bias: true}), o.b.Linear(width, 3*width, true, Grouped{Out: 3 * heads})
		o.layers(&model)
		x := Tokens(o.r, model.Embed.Forward(o.r, o.dense("x", n, 3, 24, 20)), o.table(31, width))
		return Mean(o.r, Attention(o.r, model.QKV.Forward(o.r, x), heads, Mask{}), 1, 31)
	})
}

// mapChain has windows of a map whose q, k and v exceed 64 KiB, as does what the queries
// give the distances; and regions, of as many windows as fit none of the parts.
func mapChain() Case {
	const n, heads, size, h, w = 40, 2, 16, 5, 7
	return newCase("map", shapeName(n, heads, size, h, w), func(o *operands) *gpu.Tensor {
		var model struct {
			QKV      Linear           `w:"qkv"`
			Position RelativePosition `w:"attn"`
		}
		model.QKV, model.Position = o.b.Linear(3, 3*heads*size, true, Grouped{Out: 3 * heads}), o.b.RelativePosition(h, w, size)
		o.layers(&model)
		qkv := model.QKV.Forward(o.r, o.activation("x", 1, n, h*w, 3))
		regions := make([]uint32, 5*h*w)
		for i := range regions {
			regions[i] = o.rng.Uint32N(3)
		}
		y := Attention(o.r, qkv, heads, Mask{}, RelativePositions(model.Position.Forward(o.r, qkv, heads, h, w), h, w))
		return Add(o.r, y, Attention(o.r, qkv, heads, Mask{}, Regions(o.b.Index("regions", regions, 5, h*w))), 1)
	})
}

// pictureChain has pictures of which a batch exceeds 64 KiB after the first convolution.
func pictureChain() Case {
	const n, width = 12, 64 // whose windows are aligned on every adapter
	return newCase("pictures", "12x3x8x10", func(o *operands) *gpu.Tensor {
		var model struct {
			Stem Conv2d `w:"stem"`
		}
		model.Stem = o.b.Conv2d(Conv{In: 3, Out: width, Kernel: Square(3), Pad: Pad(1), Bias: true})
		o.layers(&model)
		x := model.Stem.Forward(o.r, o.activation("x", 1, n, 8, 10, 3))
		x = Scale(o.r, x, Apply(o.r, AdaptiveAvgPool(o.r, x, 1, 1), Sigmoid))
		return AdaptiveAvgPool(o.r, MaxPool(o.r, x, Pool{Kernel: Square(3), Stride: Square(1), Pad: Square(1)}), 2, 2)
	})
}

// largeMap has one map that exceeds 64 KiB, of which a transposed convolution cuts the edges.
func largeMap() Case {
	c := ConvTranspose{In: 9, Out: 13, Kernel: Square(4), Stride: [2]int{2, 3}, Pad: [2]int{3, 1}, Bias: true}
	return convTransposeCase("large", ReLU, []int{1, 37, 45}, c)
}

// choiceChain has scores and a cache of eight items of five beams that exceed 64 KiB.
func choiceChain() Case {
	const items, beams, width = 8, 5, 1020
	return newCase("choice", shapeName(items, beams, width), func(o *operands) *gpu.Tensor {
		var model struct {
			Head  Linear `w:"head"`
			Cache Linear `w:"cache"`
		}
		model.Head, model.Cache = o.b.Linear(3, width, true), o.b.Linear(3, 64, true)
		o.layers(&model)
		x := model.Head.Forward(o.r, o.activation("x", 1, items*beams, 3))
		x = Penalize(o.r, x, Penalties{Repetition: 1.5, Repeated: o.list("repeated", width, items*beams, 9), Suppressed: o.b.Index("suppressed", []uint32{3, 5}, 2)})
		u, scores, parents := make([]float32, items*beams), make([]float32, items*beams), make([]uint32, items*beams)
		for i := range u {
			u[i], scores[i], parents[i] = o.rng.Float32(), -o.rng.Float32(), o.rng.Uint32N(beams)
		}
		o.in["u"], o.in["scores"], o.in["parents"], o.in["filled"] = u, scores, parents, []uint32{11}
		o.r.Output("drawn", Sample(o.r, x, o.r.Input("u", gpu.F32, len(u)), Sampling{TopK: 50, TopP: 0.9}))
		o.r.Output("probabilities", Probabilities(o.r, x, Sampling{TopP: 0.5}))
		state, err := o.b.State("state", o.r.Precision, 1, items*beams, 16, 64)
		if err != nil {
			o.err = err
		}
		Keep(o.r, state, model.Cache.Forward(o.r, o.activation("tokens", 1, items*beams, 16, 3)))
		Reorder(o.r, state, o.r.Input("parents", gpu.U32, len(parents)), o.r.Input("filled", gpu.U32, 1), beams)
		return Beams(o.r, LogSoftmax(o.r, x), o.r.Input("scores", gpu.F32, len(scores)), beams, 8)
	})
}

// Tensors larger than the adapter's largest binding are cut into windows, with
// the same result.
func TestWindows(t *testing.T) {
	d, small := plainDevice.Open(t), smallDevice.Open(t)
	for _, c := range []Case{
		wideChain(),
		visionChain(),
		mapChain(),
		linearCase{m: 20, n: 1003, k: 125, act: GELU}.newCase(), // windows of weights
		embeddingCase([]int{2, 9, 1200, 40}),
		pictureChain(),
		largeMap(),
		choiceChain(),
		nearestCase(Distance, "", []int{250, 900, 90, 5}), // windows of rows and of the bank
	} {
		for _, precision := range precisions {
			t.Run(fmt.Sprintf("%s %s", c, precision), func(t *testing.T) {
				whole, parts := build(t, d, precision, c), build(t, small, precision, c)
				defer whole.close()
				defer parts.close()
				require.Greater(t, parts.program.Dispatches(), whole.program.Dispatches(), "nothing was cut up")
				parts.verify(t)
				require.Equal(t, whole.run(t), parts.run(t))
			})
		}
	}
}

// Shapes drawn at random. Rows stay few and the other sizes unlimited by any
// tile, since kernels differ by the number of rows and would each be compiled.
// Results have a score of values at least: a single sum may all but cancel, which
// no relative tolerance allows for.
func TestRandomShapes(t *testing.T) {
	d := poisonDevice.Open(t)
	size := func(most int) *rapid.Generator[int] { return rapid.IntRange(1, most) }
	draws := map[string]func(t *rapid.T) Case{
		"matmul": func(t *rapid.T) Case {
			groups := rapid.SampledFrom([][2]int{{1, 1}, {1, 1}, {3, 1}, {1, 3}, {2, 6}}).Draw(t, "groups")
			act := rapid.SampledFrom([]Activation{Identity, GELU, Sigmoid}).Draw(t, "act")
			if groups[1] > 1 && act == Sigmoid {
				act = GELU // refused: see TestWrongShapes
			}
			return linearCase{
				m: rapid.SampledFrom([]int{1, 8, 9, 16, 17, 40}).Draw(t, "m"), n: rapid.IntRange(17, 70).Draw(t, "n") * groups[1], k: size(90).Draw(t, "k") * groups[0],
				inGroups: groups[0], outGroups: groups[1], noBias: rapid.Bool().Draw(t, "no bias"), residual: rapid.Bool().Draw(t, "residual"),
				scale: rapid.SampledFrom([]float64{0, 0.25, 3}).Draw(t, "scale"), act: act,
			}.newCase()
		},
		"attention": func(t *rapid.T) Case {
			a := attentionCase{
				heads: rapid.IntRange(3, 5).Draw(t, "heads"), size: rapid.SampledFrom([]int{1, 5, 8, 72}).Draw(t, "size"),
				tq: rapid.SampledFrom([]int{7, 33, 65}).Draw(t, "tq"), batch: size(3).Draw(t, "batch"),
			}
			if rapid.Bool().Draw(t, "cross") {
				a.causal = rapid.Bool().Draw(t, "causal")
				a.tk = size(90).Draw(t, "tk")
				if a.causal {
					a.tk += a.tq // every query sees a key
					a.tail = rapid.Bool().Draw(t, "tail")
				}
				a.bias = !a.tail && rapid.Bool().Draw(t, "bias")
				if rapid.Bool().Draw(t, "fewer") {
					a.keyHeads = size(2).Draw(t, "key heads")
					a.heads = a.keyHeads * size(3).Draw(t, "repeat")
				}
			} else if rapid.Bool().Draw(t, "map") {
				a.grid = [2]int{size(9).Draw(t, "h"), size(9).Draw(t, "w")}
				a.tq = a.grid[0] * a.grid[1]
			}
			return a.newCase()
		},
		"layernorm": func(t *rapid.T) Case {
			return layerNormCase([]int{size(40).Draw(t, "rows"), rapid.IntRange(2, 300).Draw(t, "width")})
		},
		"softmax": func(t *rapid.T) Case {
			return softmaxCase([]int{size(40).Draw(t, "rows"), size(300).Draw(t, "width")})
		},
		"conv2d": func(t *rapid.T) Case {
			c := Conv{Stride: [2]int{size(3).Draw(t, "sy"), size(3).Draw(t, "sx")}, Groups: rapid.SampledFrom([]int{1, 1, 2, 3, 5}).Draw(t, "groups")}
			c.Kernel = [2]int{size(5).Draw(t, "kh"), size(5).Draw(t, "kw")}
			c.Dilation = [2]int{size(2).Draw(t, "dy"), size(2).Draw(t, "dx")}
			c.In, c.Out = c.Groups*size(12).Draw(t, "in"), c.Groups*rapid.IntRange(4, 20).Draw(t, "out")
			if rapid.Bool().Draw(t, "depthwise") {
				c.In, c.Groups = c.Out, c.Out
			}
			pad := rapid.IntRange(0, 4)
			c.Pad = Padding{Top: pad.Draw(t, "top"), Left: pad.Draw(t, "left"), Bottom: pad.Draw(t, "bottom"), Right: pad.Draw(t, "right"), Same: rapid.Bool().Draw(t, "same")}
			c.Bias = rapid.Bool().Draw(t, "bias")
			if rapid.Bool().Draw(t, "norm") {
				c.Norm = 1e-3
			}
			x := convCase{n: size(2).Draw(t, "n"), h: 9 + size(12).Draw(t, "h"), w: 9 + size(12).Draw(t, "w"), conv: c,
				act: rapid.SampledFrom([]Activation{Identity, ReLU, Sigmoid}).Draw(t, "act"), residual: rapid.Bool().Draw(t, "residual")}
			x.after = x.residual && rapid.Bool().Draw(t, "after")
			x.dense = c.Groups == 1 && rapid.Bool().Draw(t, "dense")
			if c.Groups == 1 && !x.dense && c.Kernel != Square(1) && rapid.Bool().Draw(t, "up") {
				x.up = [2]int{2*x.h - rapid.IntRange(0, 1).Draw(t, "odd h"), 2*x.w - rapid.IntRange(0, 1).Draw(t, "odd w")}
			}
			return x.newCase()
		},
		"conv_transpose2d": func(t *rapid.T) Case {
			c := ConvTranspose{Stride: [2]int{size(4).Draw(t, "sy"), size(4).Draw(t, "sx")}, Groups: rapid.SampledFrom([]int{1, 1, 1, 3}).Draw(t, "groups")}
			c.Kernel = [2]int{size(5).Draw(t, "kh"), size(5).Draw(t, "kw")}
			c.Dilation = [2]int{size(3).Draw(t, "dy"), size(3).Draw(t, "dx")}
			c.In, c.Out = c.Groups*size(12).Draw(t, "in"), c.Groups*rapid.IntRange(4, 20).Draw(t, "out")
			for i := range c.Pad {
				c.Pad[i] = rapid.IntRange(0, 6).Draw(t, "pad")
				c.OutputPadding[i] = rapid.IntRange(0, max(c.Stride[i], c.Dilation[i])-1).Draw(t, "output padding")
			}
			if c.Bias = rapid.Bool().Draw(t, "bias"); !c.Bias {
				c.Norm = 1e-3
			}
			nhw := []int{size(2).Draw(t, "n"), 13 + size(5).Draw(t, "h"), 13 + size(5).Draw(t, "w")}
			return convTransposeCase(fmt.Sprint(nhw, c), rapid.SampledFrom([]Activation{Identity, Sigmoid}).Draw(t, "act"), nhw, c)
		},
		"pool2d": func(t *rapid.T) Case {
			x := poolCase{name: rapid.SampledFrom([]string{"max_pool", "avg_pool", "adaptive_avg_pool"}).Draw(t, "function"),
				n: size(3).Draw(t, "n"), h: size(21).Draw(t, "h"), w: size(21).Draw(t, "w"), c: rapid.IntRange(17, 50).Draw(t, "c")}
			x.to = [2]int{size(9).Draw(t, "to h"), rapid.IntRange(2, 9).Draw(t, "to w")}
			if x.name == "adaptive_avg_pool" {
				return x.newCase()
			}
			// At most as large as the padded picture. A stride of zero is the kernel.
			for i, side := range []int{x.h, x.w} {
				x.p.Kernel[i] = size(min(5, side)).Draw(t, "kernel")
				x.p.Stride[i] = rapid.IntRange(0, 4).Draw(t, "stride")
				x.p.Pad[i] = rapid.IntRange(0, x.p.Kernel[i]/2).Draw(t, "pad")
			}
			x.p.Ceil, x.p.ExcludePad = rapid.Bool().Draw(t, "ceil"), rapid.Bool().Draw(t, "exclude pad")
			return x.newCase()
		},
		"resize": func(t *rapid.T) Case {
			how := Resampling{Cubic: rapid.Bool().Draw(t, "cubic"), Corners: rapid.Bool().Draw(t, "corners")}
			return resizeCase(how, []int{size(3).Draw(t, "n"), size(12).Draw(t, "h"), size(12).Draw(t, "w"), rapid.IntRange(17, 50).Draw(t, "c"), size(30).Draw(t, "to h"), size(30).Draw(t, "to w")})
		},
		"scale": func(t *rapid.T) Case {
			return scaleCase([]int{size(3).Draw(t, "n"), size(20).Draw(t, "h"), size(20).Draw(t, "w"), rapid.IntRange(17, 70).Draw(t, "c")})
		},
		"glu": func(t *rapid.T) Case {
			act := rapid.SampledFrom([]Activation{SiLU, GELU, Sigmoid}).Draw(t, "act")
			gate := rapid.SampledFrom([]Gate{GateFirst, GateSecond}).Draw(t, "gate")
			return gluCase(act, gate, []int{size(40).Draw(t, "rows"), 2 * rapid.IntRange(17, 150).Draw(t, "half")})
		},
		"combine": func(t *rapid.T) Case {
			return combineCase(size(MostCombined).Draw(t, "operands"), rapid.SampledFrom([]float32{0, 0.5}).Draw(t, "clip"),
				[]int{size(5).Draw(t, "n"), size(9).Draw(t, "h"), size(9).Draw(t, "w"), rapid.IntRange(17, 40).Draw(t, "c")})
		},
		"keep": func(t *rapid.T) Case {
			return keepCase([]int{size(40).Draw(t, "rows"), rapid.IntRange(17, 70).Draw(t, "width")})
		},
		"blend": func(t *rapid.T) Case {
			return blendCase([]int{size(3).Draw(t, "n"), size(9).Draw(t, "h"), size(9).Draw(t, "w"), rapid.IntRange(17, 40).Draw(t, "c")})
		},
		"rescale_guidance": func(t *rapid.T) Case {
			return rescaleCase([]int{size(3).Draw(t, "n"), size(9).Draw(t, "h"), size(9).Draw(t, "w"), rapid.IntRange(17, 40).Draw(t, "c")})
		},
		"concat": func(t *rapid.T) Case {
			return concatCase([]int{size(40).Draw(t, "rows"), size(70).Draw(t, "a"), rapid.IntRange(17, 70).Draw(t, "b")})
		},
		"groupnorm": func(t *rapid.T) Case {
			groups := size(8).Draw(t, "groups")
			shifted := rapid.SampledFrom([]string{"", " shifted"}).Draw(t, "shifted")
			return normCase(size(3).Draw(t, "n"), 0, SiLU, []int{groups, rapid.IntRange(3, 20).Draw(t, "h"), rapid.IntRange(3, 20).Draw(t, "w"), groups * size(9).Draw(t, "size")}, shifted)
		},
		"depth_to_space": func(t *rapid.T) Case {
			return depthToSpaceCase([2]int{size(4).Draw(t, "block h"), size(4).Draw(t, "block w")}, []int{size(3).Draw(t, "n"), size(9).Draw(t, "h"), size(9).Draw(t, "w"), rapid.IntRange(17, 40).Draw(t, "c")})
		},
		"demodulation": func(t *rapid.T) Case {
			return demodulationCase([]int{size(3).Draw(t, "n"), size(9).Draw(t, "h"), size(9).Draw(t, "w"), rapid.IntRange(17, 40).Draw(t, "c")})
		},
		"fourier": func(t *rapid.T) Case {
			return fourierCase([]int{size(5).Draw(t, "n"), size(9).Draw(t, "points"), rapid.IntRange(9, 70).Draw(t, "features")})
		},
		"products": func(t *rapid.T) Case {
			return productsCase([]int{size(4).Draw(t, "n"), size(70).Draw(t, "rows"), size(20).Draw(t, "others"), rapid.IntRange(17, 90).Draw(t, "width")})
		},
		"grn": func(t *rapid.T) Case {
			return grnCase([]int{size(10).Draw(t, "n"), size(20).Draw(t, "h"), size(20).Draw(t, "w"), rapid.IntRange(17, 60).Draw(t, "c")})
		},
		"choose": func(t *rapid.T) Case {
			s := chooseShape{rows: size(5).Draw(t, "rows"), width: size(300).Draw(t, "width"), draw: rapid.Bool().Draw(t, "draw")}
			if s.draw {
				s.probabilities = rapid.Bool().Draw(t, "probabilities")
				s.sampling = Sampling{
					Temperature: rapid.SampledFrom([]float64{0, 0.3, 2}).Draw(t, "temperature"), TopK: rapid.IntRange(0, 70).Draw(t, "top k"),
					TopP: rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 0.999}).Draw(t, "top p"), MinP: rapid.SampledFrom([]float64{0, 0.01, 0.3}).Draw(t, "min p"),
				}
			}
			s.banned = rapid.IntRange(0, s.width).Draw(t, "banned")
			if s.probabilities {
				s.banned = min(s.banned, s.width-1) // of nothing there are no probabilities
			}
			return s.newCase()
		},
		"penalize": func(t *rapid.T) Case {
			which := rapid.SampledFrom([]string{"", "repetition", "banned", "ranges", "all"}).Draw(t, "which")
			return penalizeCase(which, []int{size(5).Draw(t, "rows"), size(300).Draw(t, "width"), size(30).Draw(t, "length")})
		},
		"beams": func(t *rapid.T) Case {
			d := []int{size(3).Draw(t, "items"), size(5).Draw(t, "beams"), size(300).Draw(t, "width"), 0}
			d[3] = size(min(MostBeams, d[1]*d[2])).Draw(t, "best")
			return beamsCase(rapid.IntRange(0, min(3, d[2]-1)).Draw(t, "banned"), d)
		},
		"reorder": func(t *rapid.T) Case {
			room := size(20).Draw(t, "room")
			return reorderCase(1, rapid.IntRange(0, room+1).Draw(t, "filled"), []int{size(3).Draw(t, "items"), size(4).Draw(t, "beams"), room, rapid.IntRange(5, 50).Draw(t, "width")})
		},
		"mean": func(t *rapid.T) Case {
			groups, tokens := size(3).Draw(t, "groups"), size(30).Draw(t, "tokens")
			first := rapid.IntRange(0, tokens-1).Draw(t, "first")
			end := rapid.IntRange(first+1, tokens).Draw(t, "end")
			return meanCase(groups, first, end, []int{size(3).Draw(t, "n"), tokens, groups * rapid.IntRange(17, 50).Draw(t, "width")})
		},
	}
	for op, draw := range draws {
		t.Run(op, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := draw(t)
				for _, precision := range precisions {
					verified(t, d, precision, c)
				}
			})
		})
	}
}

// NaN goes through every activation and pooling to the end, where an overflow
// of halves is noticed by it.
func TestNaNStays(t *testing.T) {
	d, nan := plainDevice.Open(t), float32(math.NaN())
	in := []float32{nan, 1, -2, nan, 7, 3, -1, 0.5}
	check := func(name string, precision gpu.DType, at []int, op func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor) {
		r := d.Record(precision)
		r.Output("y", op(r, Pack(r, r.Input("x", gpu.F32, 1, 1, 8, 1), 1)))
		program, err := r.Finish()
		require.NoError(t, err)
		defer program.Close()
		out, err := program.Run(t.Context(), map[string]any{"x": in})
		require.NoError(t, err)
		for i, v := range out["y"] {
			assert.Equal(t, slices.Contains(at, i), v != v, "%s %s: y[%d] = %g", name, precision, i, v)
		}
	}
	for _, precision := range precisions {
		for _, a := range Activations {
			check(string(a), precision, []int{0, 3}, func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor { return Apply(r, x, a) })
		}
		check("max_pool", precision, []int{0, 1}, func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
			return MaxPool(r, x, Pool{Kernel: [2]int{1, 2}, Stride: [2]int{1, 2}})
		})
		check("avg_pool", precision, []int{0, 1}, func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
			return AvgPool(r, x, Pool{Kernel: [2]int{1, 2}, Stride: [2]int{1, 2}})
		})
	}
}

// Norms, softmax and attention give nothing finite where PyTorch gives NaN: of values
// that are not finite, and of those whose squares are not.
func TestNormsLetNaNThrough(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	plain := []float32{1, -2, 7, 3, -1, 0.5, 4, 2}
	rows := map[string][]float32{
		"NaN": {nan, 1, -2, 7, 3, -1, 0.5, 4}, "Inf": {1, inf, -2, 7, 3, -1, 0.5, 4}, "1e30": {1e30, -1e30, 3e29, 1, 2, 3, 4, 5},
		"Inf alone": {inf, inf, inf, inf, inf, inf, inf, inf},
	}
	type layers struct {
		Norm  LayerNorm `w:"norm"`
		Group GroupNorm `w:"group"`
		GRN   GRN       `w:"grn"`
	}
	checks := map[string]func(r *gpu.Recorder, l *layers, x *gpu.Tensor) *gpu.Tensor{
		"layernorm": func(r *gpu.Recorder, l *layers, x *gpu.Tensor) *gpu.Tensor { return l.Norm.Forward(r, x) },
		"groupnorm": func(r *gpu.Recorder, l *layers, x *gpu.Tensor) *gpu.Tensor { return l.Group.Forward(r, x, SiLU) },
		"grn":       func(r *gpu.Recorder, l *layers, x *gpu.Tensor) *gpu.Tensor { return l.GRN.Forward(r, x) },
		"normalize": func(r *gpu.Recorder, _ *layers, x *gpu.Tensor) *gpu.Tensor { return Normalize(r, x) },
		"softmax":   func(r *gpu.Recorder, _ *layers, x *gpu.Tensor) *gpu.Tensor { return Softmax(r, x) },
		"attention": func(r *gpu.Recorder, _ *layers, x *gpu.Tensor) *gpu.Tensor { return CrossAttention(r, x, x, x, Mask{}) },
		"probabilities": func(r *gpu.Recorder, _ *layers, x *gpu.Tensor) *gpu.Tensor {
			return CrossAttentionProbs(r, x, x, Mask{})
		},
	}
	// PyTorch's are finite too: 1e30 is the largest of a softmax, and its norm infinite.
	finite := map[string]bool{"normalize 1e30 f32": true, "softmax 1e30 f32": true}
	for _, class := range []gpu.Class{gpu.ClassCPU, gpu.ClassNVIDIA} {
		d := gputest.Open(t, gpu.Options{Class: class})
		for _, precision := range precisions {
			o := &operands{b: NewBuilder(d, precision), seed: 1}
			t.Cleanup(o.b.Close)
			l := &layers{Norm: o.b.LayerNorm(8, 1e-5), Group: o.b.GroupNorm(1, 8, 1e-5), GRN: o.b.GRN(8)}
			o.layers(l)
			require.NoError(t, o.err)
			for op, record := range checks {
				r := d.Record(precision)
				r.Output("y", record(r, l, Pack(r, r.Input("x", gpu.F32, 2, 1, 8), 1)))
				program, err := r.Finish()
				require.NoError(t, err)
				for name, row := range rows {
					out, err := program.Run(t.Context(), map[string]any{"x": append(slices.Clone(row), plain...)})
					require.NoError(t, err)
					key := fmt.Sprintf("%s %s %s", op, name, precision)
					half := len(out["y"]) / 2
					assert.Equal(t, finite[key], gpu.Finite(out["y"][:half]), "%s as on %s: %v", key, class, out["y"][:half])
					assert.True(t, gpu.Finite(out["y"][half:]), "%s as on %s: the other row is %v", key, class, out["y"][half:])
				}
				program.Close()
			}
		}
	}
}

func TestShapeCase(t *testing.T) {
	c, err := ShapeCase("matmul", "512x768X768")
	require.NoError(t, err)
	assert.Equal(t, "matmul 512x768x768", c.String())
	for _, op := range CaseNames() {
		assert.NotEmpty(t, CaseDims(op))
	}
	for shape, want := range map[string]string{"512x768": "expected MxNxK", "1x2x3x4": "has 4 numbers", "1xax3": `"a" is not a size`, "0x1x1": `"0" is not`, "": "not a size", "8x8x8 gelu": `"gelu" can't follow`} {
		_, err := ShapeCase("matmul", shape)
		assert.ErrorContains(t, err, want)
	}
	c, err = ShapeCase("activation", "3x4 gelu")
	require.NoError(t, err)
	assert.Equal(t, "activation 3x4 gelu", c.String())
	_, err = ShapeCase("matmull", "1x1x1")
	assert.ErrorContains(t, err, "layernorm")
	assert.Empty(t, CaseDims("matmull"))
}

// One name, one place: what Go files record as an operation is in the
// registry, and every shader is named by a Go file.
func TestNames(t *testing.T) {
	var text strings.Builder // of both
	var ops string
	for _, folder := range []string{".", "../cmd/bench"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				raw, err := os.ReadFile(f)
				require.NoError(t, err)
				text.Write(raw)
			}
		}
		if folder == "." {
			ops = text.String()
		}
	}
	kinds := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:Kind:|\bkind:|\.kind =)\s*"(\w+)"`).FindAllStringSubmatch(ops, -1) {
		kinds[m[1]] = true
	}
	names := map[string]bool{}
	for _, c := range Cases() {
		assert.False(t, names[c.String()], "%s is there twice", c)
		names[c.String()] = true
	}
	for _, op := range CaseNames() {
		assert.True(t, kinds[op], "no operation is recorded as %s", op)
		shader := op
		if op == "conv_transpose2d" { // a convolution whose channels are the phases of the stride
			shader = "conv2d"
		}
		assert.FileExists(t, filepath.Join("../shaders", shader+".wgsl"))
		delete(kinds, op)
	}
	assert.Empty(t, kinds, "operations without an entry in the registry")
	for _, name := range shaders.Names() {
		if name == "view" { // package viewer's
			continue
		}
		assert.Contains(t, text.String(), `"`+name+`"`, "no Go file names shader %s", name)
	}
}
