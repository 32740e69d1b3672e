package ops

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// Operands that do not fit are told by the recorder, with what was found, and
// nothing is recorded after.
func TestWrongShapes(t *testing.T) {
	d := plainDevice.Open(t)
	b := NewBuilder(d, gpu.F16)
	defer b.Close()
	var model struct {
		Linear       Linear           `w:"fc"`
		Heads        Linear           `w:"heads"`
		Norm         LayerNorm        `w:"norm"`
		Embedding    Embedding        `w:"words"`
		Conv         Conv2d           `w:"conv"`
		Up           ConvTranspose2d  `w:"up"`
		Position     RelativePosition `w:"attn"`
		Demodulation Demodulation     `w:"end"`
	}
	model.Linear, model.Heads, model.Norm = b.Linear(8, 9, true), b.Linear(8, 15, true, Grouped{Out: 3}), b.LayerNorm(8, 1e-5)
	model.Embedding = b.Embedding(10, 8)
	model.Conv = b.Conv2d(Conv{In: 8, Out: 9, Kernel: [2]int{6, 3}})
	model.Up = b.ConvTranspose2d(ConvTranspose{In: 8, Out: 9, Kernel: Square(2), Stride: Square(2), Pad: Square(2), OutputPadding: Square(1)})
	model.Position = b.RelativePosition(3, 2, 7)
	model.Demodulation = b.Demodulation([2]int{3, 2}, 8)
	src, err := RandomWeights(&model, 1)
	require.NoError(t, err)
	require.NoError(t, b.Bind(&model, src))
	table := b.Table("table", 4, 8)

	for name, c := range map[string]struct {
		record func(r *gpu.Recorder, x func(groups int, shape ...int) *gpu.Tensor)
		want   string
	}{
		"linear": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Linear.Forward(r, x(1, 3, 7)) },
			"fc: [3 7] in 1 groups · [9 8]ᵀ in 1 groups do not match"},
		"depth to space": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { DepthToSpace(r, x(2, 1, 3, 3, 8), Square(2)) },
			"in 2 groups, expected a map [N H W C] in 4"},
		"transposed":   {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Up.Forward(r, x(1, 1, 3, 3, 9)) }, "up: found an input"},
		"nothing left": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Up.Forward(r, x(1, 1, 3, 1, 8)) }, "nothing is left beside a padding of [2 2]"},
		"transposed options": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Up.Forward(r, x(1, 1, 3, 3, 8), Scaled(2))
		}, "takes an activation alone"},
		"transposed output padding": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			up := b.ConvTranspose2d(ConvTranspose{In: 8, Out: 9, Kernel: Square(3), Stride: Square(2), OutputPadding: [2]int{0, 2}})
			up.Forward(r, x(1, 1, 3, 3, 8))
		}, "output padding of [0 2] must be less than the stride [2 2]"},
		"demodulation": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Demodulation.Forward(r, x(1, 2, 3, 2, 8), x(1, 2, 1, 1, 8))
		}, "[2 1 1 8] of f16, expected f32 [2 1 1 8]"},
		"demodulation of another size": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Demodulation.Forward(r, x(1, 2, 3, 3, 8), x(1, 2, 1, 1, 8))
		}, "expected maps [N 3 2 8]"},
		"products": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Products(r, x(1, 2, 3, 8), x(1, 2, 3, 9)) }, "expected activations [N … C] and [N T C]"},
		"nearest":  {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Nearest(r, x(1, 3, 8), x(1, 5, 9), 1, Product) }, "expected activations [… D] and [B D]"},
		"too many nearest": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Nearest(r, x(1, 3, 8), x(1, 5, 8), 6, Distance)
		}, "the 6 nearest of 5 rows, expected 1 to 5"},
		"fourier": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			(&Fourier{Features: 4}).Forward(r, x(1, 2, 3, 2))
		}, "expected an input of f32 [N T 2]"},
		"add table":     {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { AddTable(r, x(1, 2, 3, 8), table) }, "a table of 4 rows can't be added in turn to the 6"},
		"linear groups": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Linear.Forward(r, x(2, 3, 8)) }, "in 2 groups"},
		"residual": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Linear.Forward(r, x(1, 3, 8), Residual(x(1, 2, 9)))
		}, "fc: residual:"},
		"activation of groups": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Heads.Forward(r, x(1, 3, 8), Then(Sigmoid))
		}, "heads: sigmoid is not zero at zero"},
		"layernorm": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Norm.Forward(r, x(1, 3, 7)) }, "norm: normalises rows of 8"},
		"softmax":   {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Softmax(r, x(2, 3, 8)) }, "has 2 groups"},
		"add":       {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Add(r, x(1, 3, 8), x(1, 3, 9), 1) }, "[3 9]"},
		"glu":       {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { GLU(r, x(1, 3, 8), SiLU, GateFirst) }, "expected two halves"},
		"attention": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Attention(r, x(3, 1, 3, 24), 2, Mask{}) }, "is not q, k and v of 2 heads"},
		"attention_probs": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { AttentionProbs(r, x(3, 1, 3, 24), 0, Mask{}) },
			"is not q, k and v of 0 heads"},
		"cross attention": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			CrossAttention(r, x(2, 1, 3, 16), x(2, 1, 5, 16), x(2, 1, 6, 16), Mask{})
		}, "v [1 6 16]"},
		"attention of fewer queries' heads": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			CrossAttention(r, x(2, 1, 3, 16), x(4, 1, 5, 32), x(4, 1, 5, 32), Mask{})
		}, "in 2 heads, k [1 5 32] in 4"},
		"causal beams": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			CrossAttention(r, x(2, 6, 1, 16), x(2, 2, 5, 16), x(2, 2, 5, 16), Mask{Causal: true})
		}, "6 items of q to 2 of k"},
		"bias": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Attention(r, x(6, 2, 5, 48), 2, Mask{}, Bias(table))
		}, "a bias [4 8] for 2 heads of 5 queries over 5 keys"},
		"bias of a tail": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			CrossAttention(r, x(4, 1, 1, 32), x(4, 1, 8, 32), x(4, 1, 8, 32), Mask{Causal: true, Tail: true, Lengths: r.Input("lengths", gpu.U32, 1)}, Bias(table))
		}, "the tail of the keys"},
		"regions": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Attention(r, x(6, 3, 5, 48), 2, Mask{}, Regions(r.Input("regions", gpu.U32, 2, 5)))
		}, "do not fit 3 items of 5 queries"},
		"relative positions": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Attention(r, x(6, 2, 6, 48), 2, Mask{}, RelativePositions(r.NewTyped("y", gpu.F32, 1, 2, 2, 3, 24), 3, 2))
		}, "on a map 3×2"},
		"relative positions beside regions": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Attention(r, x(6, 2, 6, 48), 2, Mask{}, RelativePositions(r.NewTyped("y", gpu.F32, 1, 2, 2, 2, 24), 3, 2), Regions(r.Input("regions", gpu.U32, 2, 6)))
		}, "beside a bias or regions"},
		"relative positions of a text": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Attention(r, x(6, 2, 6, 48), 2, Mask{Causal: true}, RelativePositions(r.NewTyped("y", gpu.F32, 1, 2, 2, 2, 24), 3, 2))
		}, "with a mask"},
		"relative position": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Position.Forward(r, x(6, 2, 6, 48), 2, 3, 2)
		}, "expected at least 2 heads of 7"},
		"normalize heads": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { NormalizeHeads(r, x(2, 2, 6, 16), table) }, "gains [4 8] do not fit"},
		"tail": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			CrossAttention(r, x(2, 1, 3, 16), x(2, 1, 5, 16), x(2, 1, 5, 16), Mask{Causal: true, Tail: true})
		}, "a causal mask with lengths"},
		"mean": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Mean(r, x(1, 1, 3, 8), 2, 4) }, "tokens 2 to 4"},
		"mean of": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			MeanOf(r, x(1, 2, 3, 8), r.Input("lengths", gpu.U32, 3, 1))
		}, "do not fit 2 items"},
		"tokens": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Tokens(r, x(1, 1, 5, 8), table) }, "do not fit a table [4 8]"},
		"embedding": {func(r *gpu.Recorder, _ func(int, ...int) *gpu.Tensor) {
			model.Embedding.Forward(r, r.Input("ids", gpu.U32, 1, 3), table)
		}, "do not fit positions [4 8]"},
		"conv2d": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { model.Conv.Forward(r, x(1, 1, 5, 5, 7)) },
			"conv: found an input of shape [1 5 5 7] with 7 channels, expected 8"},
		"conv2d input": {func(r *gpu.Recorder, _ func(int, ...int) *gpu.Tensor) {
			model.Conv.Forward(r, r.Input("x", gpu.F32, 1, 8, 5, 9))
		}, "conv: a picture of height 5 with padding 0 and 0 is smaller than the filter's 6"},
		"conv2d residual": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Conv.Forward(r, x(1, 1, 6, 3, 8), Residual(x(1, 1, 1, 2, 9)))
		}, "conv: residual:"},
		"conv2d upsampled": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			model.Conv.ForwardUpsampled(r, x(1, 1, 6, 3, 8), [2]int{12, 7})
		}, "[1 6 3 8] can't be upsampled to [12 7], only to twice its size or one less"},
		"concat": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Concat(r, x(1, 3, 8), x(1, 4, 8)) }, "[4 8] do not fit, expected activations in one group"},
		"sinusoid": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { (&Sinusoid{Width: 8}).Forward(r, x(1, 3, 8)) },
			"expected f32 [... V]"},
		"max pool": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			MaxPool(r, x(1, 1, 5, 2, 8), Pool{Kernel: Square(3)})
		}, "max_pool: a picture of width 2 with padding 0 on either side is smaller than the window's 3"},
		"pool padding": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			AvgPool(r, x(1, 1, 5, 5, 8), Pool{Kernel: [2]int{4, 3}, Pad: Square(2)})
		}, "avg_pool: found padding [2 2], expected at most half the window [4 3]"},
		"pool window": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			MaxPool(r, x(1, 1, 5, 5, 8), Pool{Stride: Square(1)})
		},
			"max_pool: found a window [0 0] and a stride [1 1], expected sizes of at least 1"},
		"pool rank": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			AvgPool(r, x(1, 5, 8), Pool{Kernel: Square(3)})
		}, "[5 8], expected pictures [N H W C]"},
		"adaptive avg pool":      {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { AdaptiveAvgPool(r, x(1, 1, 5, 5, 8), 0, 1) }, "adaptive_avg_pool: found a result of 0×1 pixels"},
		"adaptive avg pool rank": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { AdaptiveAvgPool(r, x(2, 1, 5, 5, 8), 1, 1) }, "expected pictures [N H W C] in one group"},
		"scale": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Scale(r, x(1, 2, 5, 5, 8), x(1, 2, 9)) },
			"[2 9] do not fit blocks.3.pack [2 5 5 8], expected [2 1 1 8]"},
		"scale batch": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Scale(r, x(1, 2, 5, 5, 8), x(1, 1, 1, 1, 8)) }, "[1 1 1 8] do not fit"},
		"scale rank":  {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Scale(r, x(1, 2, 5, 8), x(1, 2, 8)) }, "scale: found blocks.3.pack [2 5 8], expected pictures"},
		"combine": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, CombineFactors), 0, Operand{X: x(1, 1, 5, 8)}, Operand{X: x(1, 1, 5, 9)})
		}, "combine: items of blocks.3.pack [1 5 9] (1 groups) are not those of the result [2 5 8]"},
		"combine nothing": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			x(1, 1, 8)
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, CombineFactors), 0)
		}, "combine: found 0 operands, expected 1 to 6"},
		"combine factors": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, 3), 0, Operand{X: x(1, 1, 5, 8)})
		}, "factors f [1 3] (f32) are no dense f32"},
		"combine row": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, CombineFactors), 1, Operand{X: x(1, 1, 5, 8)})
		}, "combination 1 is not among"},
		"combine item": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, CombineFactors), 0, Operand{x(1, 3, 5, 8), 3})
		}, "there is no item 3 in"},
		"combine ids": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			x(1, 1, 8)
			Combine(r, gpu.F32, 2, r.Input("f", gpu.F32, 1, CombineFactors), 0, Operand{X: r.Input("ids", gpu.U32, 1, 3)})
		}, "ids [1 3] is of u32"},
		"combine batch": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Combine(r, gpu.F32, 0, r.Input("f", gpu.F32, 1, CombineFactors), 0, Operand{X: x(1, 1, 8)})
		}, "a result [0 8] of f32"},
		"choose": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { Greedy(r, x(2, 3, 8)) }, "choose: found blocks.3.pack [3 8] (f16) in 2 groups, expected an activation [rows V] in one group"},
		"choose numbers": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Sample(r, x(1, 3, 8), r.Input("u", gpu.F32, 2), Sampling{})
		}, "choose: the numbers u [2] do not fit"},
		"choose temperature": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Probabilities(r, x(1, 3, 8), Sampling{Temperature: -1})
		}, "choose: a temperature of -1, expected"},
		"choose top-p": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Probabilities(r, x(1, 3, 8), Sampling{TopP: 1.5})
		}, "choose: top-k 0, top-p 1.5 and min-p 0, expected"},
		"logsoftmax": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			x(1, 8)
			LogSoftmax(r, r.Input("ids", gpu.U32, 3, 8))
		}, "logsoftmax: found ids [3 8] (u32)"},
		"penalize list": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Penalize(r, x(1, 3, 8), Penalties{Banned: r.Input("banned", gpu.U32, 2, 5)})
		}, "penalize: the list banned [2 5] (u32) does not fit blocks.3.pack [3 8], expected u32 [3 L]"},
		"penalize ranges": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Penalize(r, x(1, 3, 8), Penalties{Ranges: r.Input("ranges", gpu.U32, 3, 5)})
		}, "the list ranges [3 5] (u32) does not fit"},
		"penalize repetition": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Penalize(r, x(1, 3, 8), Penalties{Repetition: 1.2})
		}, "penalize: a repetition penalty of 1.2 without"},
		"beams": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Beams(r, LogSoftmax(r, x(1, 6, 8)), r.Input("scores", gpu.F32, 6), 4, 8)
		}, "of items with 4 beams, expected f32 [items·beams V]"},
		"beams best": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Beams(r, LogSoftmax(r, x(1, 6, 2)), r.Input("scores", gpu.F32, 6), 3, 7)
		}, "beams: the 7 best of 6 candidates, expected 1 to 6"},
		"beams halves": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Beams(r, x(1, 6, 8), r.Input("scores", gpu.F32, 6), 3, 6)
		}, "(f16) of items with 3 beams, expected f32"},
		"reorder": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) {
			Reorder(r, x(1, 6, 5, 8), r.Input("parents", gpu.U32, 6), r.Input("filled", gpu.U32, 1), 4)
		}, "reorder: the state blocks.3.pack [6 5 8] of items with 4 beams"},
		"groups": {func(r *gpu.Recorder, x func(int, ...int) *gpu.Tensor) { x(3, 2, 8) }, "8 columns do not make 3 equal groups"},
	} {
		r := d.Record(gpu.F16)
		r.Enter("blocks.3")
		c.record(r, func(groups int, shape ...int) *gpu.Tensor {
			return Pack(r, r.Input("x", gpu.F32, shape...), groups)
		})
		r.Leave()
		assert.ErrorContains(t, r.Err(), c.want, name)
		assert.ErrorContains(t, r.Err(), "blocks.3", name)
		_, err := r.Finish()
		assert.Equal(t, r.Err(), err, name)
	}
	_, err = ActivationByName("gelou")
	assert.ErrorContains(t, err, `"gelou" is not supported`)
}

// Models that come and go leave nothing behind. Early rounds fill the driver's
// caches, so late ones are compared.
func TestNothingLeaks(t *testing.T) {
	d := plainDevice.Open(t)
	chain := wideChain()
	resident := func() (int64, bool) {
		runtime.GC()
		return residentBytes()
	}
	var stats gpu.Stats
	var before int64
	for i := range 200 {
		x := build(t, d, precisions[i%2], chain)
		if i%10 == 0 {
			x.run(t)
		}
		x.close()
		if i == 100 {
			stats, before = d.Stats(), 0
			before, _ = resident()
		}
	}
	after := d.Stats()
	assert.Equal(t, stats.Buffers, after.Buffers, "buffers alive")
	assert.Equal(t, stats.BufferBytes, after.BufferBytes, "bytes of buffers alive")
	assert.Equal(t, stats.Pipelines, after.Pipelines, "pipelines")
	if now, ok := resident(); ok {
		t.Logf("resident after 100 models %s, after 200 %s", gpu.MiB(before), gpu.MiB(now))
		assert.Less(t, now-before, int64(16<<20), "resident memory grows")
	}
}

// residentBytes is the process's memory, where the system tells.
func residentBytes() (int64, bool) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
