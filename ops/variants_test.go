package ops

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/shaders"
)

// classes are all for which a table may choose another kernel.
var classes = []gpu.Class{gpu.ClassCPU, gpu.ClassNVIDIA, gpu.ClassAMD, gpu.ClassIntel, gpu.ClassApple, gpu.ClassQualcomm, gpu.ClassOther, gpu.ClassFXC}

// choice is a case by which a class of adapters comes to a kernel.
type choice struct {
	class     gpu.Class
	precision gpu.DType
	c         Case
}

// choices finds, by asking the tables for many shapes, a case for every variant
// that they have, whatever adapter it is for.
func choices() map[string]choice {
	found := map[string]choice{}
	keep := func(class gpu.Class, p gpu.DType, variant string, c func() Case) {
		key := fmt.Sprint(p, " ", variant)
		if _, ok := found[key]; !ok {
			found[key] = choice{class: class, precision: p, c: c()}
		}
	}
	for _, class := range classes {
		traits := gpu.Info{Class: class, Limits: gpu.Limits{MaxWorkgroupStorage: 16 << 10}}.Traits()
		for _, p := range precisions {
			eachMatmul(func(m, n, k int) {
				v := chooseMatmul(traits, p, m, gpu.Pad8(n), gpu.Pad8(k))
				keep(class, p, v.Family+" "+v.String(), linearCase{m: m, n: n, k: k, act: GELU, residual: true}.newCase)
			})
			eachConv(func(c convCase) {
				g := c.implicitMatmul()
				v := chooseConv(traits, p, g.m, g.n, g.k, g.count, false)
				keep(class, p, fmt.Sprint(v.Family, " ", v, " slices ", v.Slices > 1), c.newCase)
			})
			eachAttention(func(tq, size int) {
				v := chooseAttention(traits, p, tq, gpu.Pad8(size))
				a := attentionCase{heads: 2, size: size, tq: tq, tk: 21, batch: 2}
				keep(class, p, v.Family+" "+v.String(), a.newCase)
			})
			tiled := fmt.Sprint(traits.CheapBarriers, traits.ManyThreads)
			for i, c := range winogradShapes {
				keep(class, p, fmt.Sprint("winograd ", i, tiled), c.newCase)
			}
			eachFew(func(a attentionCase) {
				v, _ := chooseFew(traits, p, a.tq*a.heads/a.keyHeads, a.batch*a.keyHeads, a.tk, gpu.Pad8(a.size))
				keep(class, p, fmt.Sprint(v, " head ", a.size), a.newCase)
			})
			for _, a := range maskedAttention {
				v := chooseAttention(traits, p, a.tq, gpu.Pad8(a.size))
				keep(class, p, fmt.Sprint("masked ", v.Family, " ", v, a.name()), a.newCase)
			}
			keep(class, p, fmt.Sprint("attention in products ", tiled), attentionCase{heads: 2, size: 264, tq: 65, tk: 70, batch: 2}.newCase)
			keep(class, p, fmt.Sprint("rows ", tiled), wideChain)
			keep(class, p, fmt.Sprint("mean ", tiled), func() Case { return meanCase(1, 1, 300, []int{2, 300, 77}) })
			keep(class, p, fmt.Sprint("pool2d ", tiled), poolCase{name: "avg_pool", n: 2, h: 21, w: 10, c: 19, p: Pool{Kernel: Square(3), Pad: Square(1)}}.newCase)
			for _, c := range choiceCases() {
				keep(class, p, fmt.Sprint(c, tiled), func() Case { return c })
			}
			keep(class, p, fmt.Sprint("scale ", tiled), func() Case { return scaleCase([]int{2, 21, 9, 19}) })
		}
	}
	return found
}

// choiceCases have a workgroup a row or item, of another number of threads by class.
func choiceCases() []Case {
	whole := trainedCase{m: 67, r: 70, c: 140, wide: 140, groups: 2, scale: 0.5, whole: true}
	adapter := trainedCase{m: 331, r: 5, c: 75, wide: 75, groups: 1, scale: 1}
	return []Case{
		logSoftmaxCase([]int{3, 2003}), beamsCase(2, []int{2, 5, 2003, 32}), beamsCase(0, []int{3, 2, 7, 4}), reorderCase(3, 7, []int{3, 5, 70, 39}),
		chooseShape{rows: 3, width: 7}.newCase(), chooseShape{rows: 3, width: 2003}.newCase(),
		chooseShape{rows: 5, width: 2003, draw: true, sampling: Sampling{TopK: 50, TopP: 0.9, Temperature: 1.5}}.newCase(),
		chooseShape{rows: 5, width: 2003, draw: true, sampling: Sampling{TopP: 0.95, MinP: 0.001}}.newCase(),
		chooseShape{rows: 5, width: 33, draw: true, sampling: Sampling{TopK: 3}}.newCase(),
		chooseShape{rows: 3, width: 2003, probabilities: true, banned: 9, sampling: Sampling{TopK: 40, TopP: 0.9}}.newCase(),
		nearestCase(Distance, "", []int{9, 150, 23, 3}),
		whole.newCase("project"), whole.newCase("expand"), whole.newCase("outer"), adapter.newCase("outer"),
	}
}

// winogradShapes have both transforms, with their epilogues and a upsampled input.
var winogradShapes = []convCase{
	{n: 2, h: 11, w: 13, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Pad: Pad(1), Norm: 1e-3}, residual: true, after: true, act: ReLU},
	{n: 1, h: 12, w: 9, conv: Conv{In: 32, Out: 40, Kernel: Square(3), Pad: Pad(1), Bias: true}, act: Sigmoid, residual: true},
	{n: 1, h: 5, w: 6, conv: Conv{In: 70, Out: 130, Kernel: Square(3), Pad: Pad(1)}},
	{n: 1, h: 6, w: 4, conv: Conv{In: 33, Out: 40, Kernel: Square(3), Pad: Pad(1), Bias: true}, up: [2]int{11, 8}, residual: true, act: SiLU},
}

// maskedAttention has tiles of keys that some queries of a workgroup see and others
// don't, or none does.
var maskedAttention = []attentionCase{
	{heads: 2, size: 64, tq: 77, batch: 2, causal: true}, {heads: 1, size: 40, tq: 20, tk: 90, batch: 3, padded: true},
	{heads: 1, size: 160, tq: 70, causal: true}, {heads: 1, size: 512, tq: 9, tk: 37, batch: 2, padded: true},
	{heads: 1, size: 1024, tq: 5, tk: 6}, {heads: 1, size: 1024, tq: 5, tk: 6, bias: true}, {heads: 1, size: 1024, tq: 6, grid: [2]int{2, 3}},
	{heads: 6, size: 40, tq: 70, tk: 90, keyHeads: 2, batch: 2, causal: true, tail: true},
	{heads: 2, size: 64, tq: 49, batch: 4, bias: true, windows: 2}, {heads: 1, size: 160, tq: 70, grid: [2]int{10, 7}}, {heads: 2, size: 20, tq: 96, batch: 2, grid: [2]int{8, 12}}, {heads: 1, size: 512, tq: 9, batch: 2, windows: 2},
	{heads: 2, size: 14, tq: 3, batch: 4, bias: true, windows: 2}, {heads: 2, size: 40, tq: 4, batch: 2, grid: [2]int{2, 2}}, {heads: 2, size: 16, tq: 4, batch: 2, grid: [2]int{1, 4}},
}

// eachAttention goes through tokens at one head size and head sizes at one
// number of tokens: all pairs would be a minute of compilation.
func eachAttention(f func(tq, size int)) {
	for _, tq := range []int{5, 7, 9, 17, 25, 33, 50, 65, 77, 130, 197, 512} {
		f(tq, 16)
	}
	for _, size := range []int{5, 16, 32, 64, 72, 80, 128, 160} {
		f(17, size)
	}
}

// eachFew goes through attentions of few queries: of one slice and of several, with
// blocks that are not full, and heads that leave threads idle.
func eachFew(f func(a attentionCase)) {
	for _, a := range []attentionCase{
		{heads: 2, keyHeads: 2, size: 16, tq: 1, tk: 21}, {heads: 6, keyHeads: 2, size: 5, tq: 3, tk: 700}, {heads: 6, keyHeads: 3, size: 80, tq: 1, tk: 300}, {heads: 4, keyHeads: 2, size: 64, tq: 4, tk: 1100},
		{heads: 5, keyHeads: 1, size: 160, tq: 1, tk: 90}, {heads: 2, keyHeads: 1, size: 512, tq: 3, tk: 35}, {heads: 1, keyHeads: 1, size: 1024, tq: 4, tk: 6},
	} {
		a.batch, a.causal, a.tail = 2, true, a.tk > a.tq
		f(a)
	}
}

// eachConv goes through convolutions that are computed as implicit matmuls.
func eachConv(f func(c convCase)) {
	for _, size := range []int{1, 5, 21} {
		for _, out := range []int{5, 64, 300} {
			for _, in := range []int{8, 130, 520} {
				if size*size*out*in < 2e6 { // a large twin takes seconds
					c := Conv{In: in, Out: out, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Bias: true}
					f(convCase{n: 2, h: size, w: size, conv: c, residual: true, after: true, act: ReLU})
				}
			}
		}
	}
}

// implicitMatmul is the size of the implicit matmul of a case of [eachConv].
func (c convCase) implicitMatmul() implicitMatmul {
	out := (c.h + 1) / 2
	return implicitMatmul{m: c.n * out * out, n: gpu.Pad8(c.conv.Out), k: 9 * gpu.Pad8(c.conv.In), count: 1}
}

func eachMatmul(f func(m, n, k int)) {
	for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 33, 65, 130, 197, 257} {
		for _, n := range []int{1, 33, 64, 65, 127, 193, 257, 768, 1000, 3072} {
			for _, k := range []int{9, 64, 129, 257, 768, 3071} {
				if m*n*k < 200e6 { // a large twin takes seconds
					f(m, n, k)
				}
			}
		}
	}
}

// Every kernel that some adapter would get, on this one.
func TestEveryVariant(t *testing.T) {
	devices := map[gpu.Class]*gpu.Device{}
	for name, c := range choices() {
		d, ok := devices[c.class]
		if !ok {
			d = gputest.Open(t, gpu.Options{Class: c.class, Debug: gpu.Debug{Poison: true}})
			devices[c.class] = d
		}
		t.Run(name, func(t *testing.T) {
			t.Logf("%s as on %s", c.c, c.class)
			verified(t, d, c.precision, c.c)
		})
	}
}

// Every file as it stands and every specialisation that the cases use compiles,
// and does nothing when its parameters are zero, by which pipelines are warmed.
func TestKernelsCompileAndRestAtZero(t *testing.T) {
	d := poisonDevice.Open(t)
	for _, name := range shaders.Names() {
		if name == "view" { // draws, where the others compute
			continue
		}
		text, err := shaders.Source(name, shaders.Spec{})
		require.NoError(t, err)
		k, err := gpu.ParseKernel(name, "as it stands", text)
		require.NoError(t, err)
		restsAtZero(t, d, k)
		k.WGSL, err = shaders.Whole(name, d.Info().Extensions...)
		require.NoError(t, err)
		require.NoError(t, d.Check(k), "with all its forms")
	}
	for _, c := range Cases() {
		for _, p := range precisions {
			if !c.Bench {
				record(t, d, p, c)
			}
		}
	}
	count := 0
	kernels.Range(func(_, v any) bool {
		restsAtZero(t, d, v.(*gpu.Kernel))
		count++
		return true
	})
	t.Logf("%d specialisations of %d files", count, len(shaders.Names()))
}

// record records a case without running it.
func record(t *testing.T, d *gpu.Device, p gpu.DType, c Case) {
	t.Helper()
	b := NewBuilder(d, p)
	defer b.Close()
	_, err := c.Build(b, d.Record(p))
	require.NoError(t, err, "%s", c)
}

// restsAtZero dispatches a workgroup of k with zero parameters over NaN, which must stay.
func restsAtZero(t *testing.T, d *gpu.Device, k *gpu.Kernel) {
	t.Helper()
	if err := d.Check(k); err != nil {
		require.ErrorContains(t, err, "exceed the adapter's", "%s", k)
		return // its workgroups are too large here, and the tables must know
	}
	params := gpu.Params{}
	for _, f := range k.Params {
		params[f.Name] = 0
	}
	r := d.Record(gpu.F32)
	x := gpu.Dispatch{Kernel: k, Params: params}
	for _, b := range k.Bindings {
		v := d.Dummy()
		if b.Write {
			v = r.New(b.Name, 1, 16, 8)
			r.Output(b.Name, v)
		}
		x.Bind = append(x.Bind, gpu.All(v))
	}
	r.Do(gpu.Op{Kind: k.Name, Dispatches: []gpu.Dispatch{x}})
	program, err := r.Finish()
	require.NoError(t, err, "%s", k)
	defer program.Close()
	out, err := program.Run(t.Context(), nil)
	require.NoError(t, err, "%s", k)
	for name, values := range out {
		for i, v := range values {
			if v == v {
				assert.Failf(t, "a kernel stored with zero parameters", "%s: %s[%d] became %v", k, name, i, v)
				break
			}
		}
	}
}

// Where compiling is dear a layer without an activation runs the kernel of one that
// has any, wherever that is recorded, and the cheap ones share one; elsewhere that of
// ReLU alone, which costs nothing to compute in vain. An activation that masks padding
// has a kernel of its own.
func TestSharedKernels(t *testing.T) {
	for _, c := range []struct {
		class   gpu.Class
		acts    []Activation // of the layers
		kernels int
	}{
		{gpu.ClassCPU, []Activation{Identity, GELU}, 1},
		{gpu.ClassCPU, []Activation{GELU, Identity}, 1},
		{gpu.ClassCPU, []Activation{Identity, GELU, SiLU, Identity}, 2},
		{gpu.ClassCPU, []Activation{Identity, Sigmoid}, 2},
		{gpu.ClassCPU, []Activation{ReLU, HardSwish, Identity, LeakyReLU(0.2), HardSwish, ReLU, LeakyReLU(0.1)}, 1},
		{gpu.ClassCPU, []Activation{HardSwish, GELU, ReLU6, Identity}, 2},
		{gpu.ClassFXC, []Activation{ReLU, HardTanh(1), Identity}, 1},
		{gpu.ClassNVIDIA, []Activation{Identity, ReLU, HardSwish}, 2},
		{gpu.ClassNVIDIA, []Activation{Identity, GELU}, 2},
		{gpu.ClassNVIDIA, []Activation{Identity, ReLU}, 1},
	} {
		d := gputest.Open(t, gpu.Options{Class: c.class})
		x := build(t, d, gpu.F16, newCase("layers", fmt.Sprint(c.acts), func(o *operands) *gpu.Tensor {
			var model struct {
				Layers []Linear `w:"layers"`
			}
			for range c.acts {
				model.Layers = append(model.Layers, o.b.Linear(24, 24, true))
			}
			o.layers(&model)
			x := o.activation("x", 1, 9, 24)
			for i := range model.Layers {
				x = model.Layers[i].Forward(o.r, x, Then(c.acts[i]))
			}
			return x
		}))
		defer x.close()
		seen := map[string]bool{}
		profile, err := x.program.Profile(t.Context(), x.in)
		require.NoError(t, err)
		for _, p := range profile {
			if p.Op == "matmul" {
				seen[p.Kernel] = true
			}
		}
		assert.Len(t, seen, c.kernels, "%s %s", c.class, c.acts)
		x.verify(t)
	}
}

// Where compiling is dear, layers recorded before lend their kernels to those that want
// a little less: the sums of Winograd's matrices, windows without regions.
func TestLentKernels(t *testing.T) {
	for name, c := range map[string]struct {
		record func(o *operands) *gpu.Tensor
		kernel string // of which there is one
	}{
		"sums": {func(o *operands) *gpu.Tensor {
			var model struct {
				Narrow Conv2d `w:"narrow"`
				Wide   Conv2d `w:"wide"`
			}
			model.Narrow = o.b.Conv2d(Conv{In: 128, Out: 128, Kernel: Square(1), Bias: true})
			model.Wide = o.b.Conv2d(Conv{In: 128, Out: 128, Kernel: Square(3), Pad: Pad(1), Bias: true})
			o.layers(&model)
			x := model.Narrow.Forward(o.r, o.activation("x", 1, 1, 28, 28, 128), Then(ReLU))
			return model.Wide.Forward(o.r, x)
		}, "matmul/20x2x2u"},
		"windows": {func(o *operands) *gpu.Tensor {
			const heads, tokens, windows = 2, 49, 4
			qkv, regions := o.activation("qkv", 3*heads, windows, tokens, 3*heads*16), make([]uint32, windows*tokens)
			for i := range regions {
				regions[i] = o.rng.Uint32N(3)
			}
			table := Bias(o.table(heads*tokens, tokens))
			x := Attention(o.r, qkv, heads, Mask{}, table)
			return Add(o.r, x, Attention(o.r, qkv, heads, Mask{}, table, Regions(o.b.Index("regions", regions, windows, tokens))), 1)
		}, "attention"},
	} {
		d := gputest.Open(t, gpu.Options{Class: gpu.ClassCPU})
		x := build(t, d, gpu.F16, newCase(name, "lent", c.record))
		defer x.close()
		seen := map[string]bool{}
		profile, err := x.program.Profile(t.Context(), x.in)
		require.NoError(t, err)
		for _, p := range profile {
			if strings.HasPrefix(p.Kernel, c.kernel) {
				seen[p.Kernel] = true
			}
		}
		assert.Len(t, seen, 1, "%s: %v", name, seen)
		x.verify(t)
	}
}

// The tables for adapters, by their traits; nobody need have them.
func TestChoose(t *testing.T) {
	limits := gpu.Limits{MaxWorkgroupStorage: 32 << 10, MaxUniform: 64 << 10, OffsetAlignment: 256, UniformAlignment: 256, MaxBinding: 1 << 30}
	adapter := func(class gpu.Class, driver string) gpu.Traits {
		traits := gpu.Info{Class: class, Driver: driver, Limits: limits}.Traits()
		if traits.Cores > 0 {
			traits.Cores = 2 // as measured
		}
		return traits
	}
	noWindows := adapter(gpu.ClassCPU, "Mesa 22.3.6")
	noWindows.MaxUniform = 16 << 10
	little := adapter(gpu.ClassCPU, "SwiftShader driver 5.0.0")
	little.MaxWorkgroupStorage = 16 << 10
	for name, c := range map[string]struct {
		traits         gpu.Traits
		matmul, narrow string // of 197×768×768 and 1×1000×512, halves
		conv           string // of 784×128 and 1152 steps, halves
		attention      string // of 197 tokens, heads of 64, f32
		channels       int
	}{
		"NVIDIA":          {adapter(gpu.ClassNVIDIA, "570.1"), "matmul_shared 32x64", "matmul_few 1x1x4/4", "conv2d_shared 32x64 slices 2", "attention_flash 8x2", 2},
		"AMD":             {adapter(gpu.ClassAMD, "Mesa 25.0.7"), "matmul_shared 32x64", "matmul_few 1x1x4/4", "conv2d_shared 32x64 slices 2", "attention_flash 8x2", 2},
		"Apple":           {adapter(gpu.ClassApple, ""), "matmul_shared 32x64", "matmul_few 1x1x4/4", "conv2d_shared 32x64 slices 2", "attention_flash 8x2", 2},
		"unknown":         {adapter("of another time", ""), "matmul_shared 32x64", "matmul_few 1x1x4/4", "conv2d_shared 32x64 slices 2", "attention_flash 8x2", 2},
		"FXC":             {adapter(gpu.ClassFXC, ""), "matmul 8x1x4x8", "matmul 1x1x4x8", "conv2d 4x2x8 k72 slices 9", "attention 1x4x4", 2},
		"lavapipe 22":     {adapter(gpu.ClassCPU, "Mesa 22.3.6"), "matmul 20x2x2u", "matmul 1x1x8", "conv2d 12x2x8 k768 slices 3", "attention 5x8x2", 4},
		"lavapipe 25":     {adapter(gpu.ClassCPU, "Mesa 25.0.7"), "matmul 16x1x4u", "matmul 1x1x8", "conv2d 12x2x8 k768 slices 3", "attention 5x8x2", 4},
		"no windows":      {noWindows, "matmul 20x2x4", "matmul 1x1x8", "conv2d 12x2x8 k768 slices 3", "attention 5x8x2", 4},
		"little to share": {little, "matmul 20x2x2u", "matmul 1x1x8", "conv2d 12x2x8 k768 slices 3", "attention 5x8x2", 4},
	} {
		m, n := chooseMatmul(c.traits, gpu.F16, 197, 768, 768), chooseMatmul(c.traits, gpu.F16, 1, 1000, 512)
		v, a := chooseConv(c.traits, gpu.F16, 784, 128, 1152, 1, false), chooseAttention(c.traits, gpu.F32, 197, 64)
		assert.Equal(t, c.matmul, m.Family+" "+m.String(), name)
		assert.Equal(t, c.narrow, n.Family+" "+n.String(), name)
		assert.Equal(t, c.conv, fmt.Sprint(v.Family, " ", v, " slices ", v.Slices), name)
		assert.Equal(t, c.attention, a.Family+" "+a.String(), name)
		assert.Equal(t, c.channels, channels(c.traits), name)
	}
	// A step of a decoder, 9 heads of queries to 3 of keys, and one with many of its own.
	few := func(class gpu.Class, rows, heads, keys int) string {
		v, ok := chooseFew(adapter(class, ""), gpu.F16, rows, heads, keys, 64)
		require.True(t, ok)
		return v.String()
	}
	assert.Equal(t, "attention_few 3x64/4", few(gpu.ClassNVIDIA, 3, 3, 1024))
	assert.Equal(t, "attention_few 1x64", few(gpu.ClassNVIDIA, 1, 300, 1024))
	assert.Equal(t, "attention_few 4x8", few(gpu.ClassCPU, 12, 3, 1024))
	// Large products take 64×64 tiles, but where so many sums spill.
	large := func(class gpu.Class) string {
		return chooseMatmul(adapter(class, ""), gpu.F16, 2048, 2048, 768).String()
	}
	assert.Equal(t, "64x64", large(gpu.ClassNVIDIA))
	assert.Equal(t, "32x64", large(gpu.ClassApple))
}
