package clap

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/swin"
	"saccade/ops"
)

// AudioConfig is what the sound tower's size depends on.
type AudioConfig struct {
	Bins  int // of a spectrogram
	Trunk swin.Config
	// Fused says that there are four spectrograms: of the whole sound, shrunk to the usual
	// length, and of three parts of it, which are fused into patches.
	Fused     bool
	Reduction int // of the channels within the fusion
	// Scale and Shift are the batch norm of the bins, which is done on the host.
	Scale, Shift []float32
}

// Audio is the sound tower. Its spectrograms are normed and folded into squares on the
// host.
type Audio struct {
	AudioConfig

	Swin   *swin.Model `w:"swin"`
	Parts  *ops.Conv2d `w:"mel_conv2d"` // patches of parts; nil without fusion
	Fusion *Fusion     `w:"fusion"`

	b     *ops.Builder
	order map[[4]int]*gpu.Tensor // of the parts' patches
}

// batchNormEps is PyTorch's default, layerNormEps that of the last norm too.
const (
	batchNormEps = 1e-5
	layerNormEps = 1e-5
)

// Fusion is attentional feature fusion (Dai et al. 2021): of two maps the sigmoid of what
// two perceptrons of their sum say, one over pixels, one over their mean.
type Fusion struct {
	Local  Attention `w:"local"`
	Global Attention `w:"global"`
}

// Attention is two convolutions of 1×1 pixels with batch norms.
type Attention struct {
	First  ops.Conv2d `w:"first"`
	Second ops.Conv2d `w:"second"`
}

func newAttention(b *ops.Builder, width, inner int) Attention {
	point := func(in, out int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Stride: ops.Square(1), Bias: true, Norm: batchNormEps})
	}
	return Attention{First: point(width, inner), Second: point(inner, width)}
}

func (a *Attention) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return a.Second.Forward(r, a.First.Forward(r, x, ops.Then(ops.ReLU)))
}

func newAudio(b *ops.Builder, c AudioConfig) (*Audio, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	trunk, err := swin.New(b, c.Trunk)
	if err != nil {
		return nil, err
	}
	a := &Audio{AudioConfig: c, b: b, order: map[[4]int]*gpu.Tensor{}, Swin: trunk}
	if c.Fused {
		kernel := [2]int{c.Trunk.Patch[0], 3 * c.Trunk.Patch[1]}
		parts, inner := b.Conv2d(ops.Conv{In: 1, Out: c.Trunk.Width, Kernel: kernel, Stride: kernel, Bias: true}), c.Trunk.Width/c.Reduction
		a.Parts, a.Fusion = &parts, &Fusion{newAttention(b, c.Trunk.Width, inner), newAttention(b, c.Trunk.Width, inner)}
	}
	return a, nil
}

// check refuses what no tower can be made of.
func (c AudioConfig) check() error {
	side := c.Trunk.Image[0]
	switch {
	case len(c.Scale) != c.Bins || len(c.Shift) != c.Bins:
		return fmt.Errorf("audio_config: num_mel_bins is %d, the batch norm is of %d", c.Bins, len(c.Scale))
	case c.Bins < 1 || side < 1 || side%c.Bins != 0 || side%(side/c.Bins) != 0:
		return fmt.Errorf("audio_config: spec_size %d is no multiple of its num_mel_bins %d", side, c.Bins)
	case c.Fused && (c.Reduction < 1 || c.Trunk.Width/c.Reduction < 1):
		return fmt.Errorf("audio_config: aff_block_r is %d; expected 1 to patch_embeds_hidden_size", c.Reduction)
	case c.Fused && side < 3*c.Trunk.Patch[1]:
		return fmt.Errorf("audio_config: spec_size %d is too small for patches of %d three times as wide", side, c.Trunk.Patch[1])
	}
	return nil
}

// width is that of the pooled states.
func (a *Audio) width() int { return a.Trunk.Stages[len(a.Trunk.Stages)-1].Width }

// ratio is how many strips of a spectrogram lie one upon the other in its square; frames is
// how many columns they hold together.
func (c AudioConfig) ratio() int  { return c.Trunk.Image[0] / c.Bins }
func (c AudioConfig) frames() int { return c.Trunk.Image[0] * c.ratio() }

// The inputs that the device gets of input_features and is_longer.
const (
	folded  = InputFeatures   // the squares [N, 1, S, S], fused of the whole sounds
	parts   = "parts"         // of their parts, [3·N, 1, S, S]
	longer  = IsLonger        // [N, C] of ones where the parts count, else zeros
	shorter = "is_not_longer" // [N, C] of the others
)

// forward is the pooled state [N, D] of spectrograms.
func (a *Audio) forward(r *gpu.Recorder, in map[string]*gpu.Tensor) *gpu.Tensor {
	x := a.Swin.Patch.Forward(r, in[folded]) // [N h w C]
	if a.Fusion != nil {
		x = a.fuse(r, x, in)
	}
	x = a.Swin.Encode(r, x)
	pooled := ops.Mean(r, x, 0, x.Shape[1]*x.Shape[2])
	r.Tap("pooler_output", pooled)
	return pooled
}

// fuse takes into the patches x of whole sounds those of the parts of longer ones.
func (a *Audio) fuse(r *gpu.Recorder, x *gpu.Tensor, in map[string]*gpu.Tensor) *gpu.Tensor {
	local := a.Parts.Forward(r, in[parts])
	local = ops.Rows(r, local, a.beside(x.Shape, local.Shape))
	sum := ops.Add(r, x, local, 1)
	mean := a.Fusion.Global.forward(r, ops.AdaptiveAvgPool(r, sum, 1, 1))
	everywhere := ops.Resize(r, mean, [2]int{x.Shape[1], x.Shape[2]}, ops.Resampling{Nearest: true})
	share := ops.Apply(r, ops.Add(r, a.Fusion.Local.forward(r, sum), everywhere, 1), ops.Sigmoid)
	both := ops.Blend(r, x, local, share)
	fused := ops.Scale(r, ops.Add(r, both, both, 1), ops.Pack(r, in[longer], 1))
	return ops.Add(r, fused, ops.Scale(r, x, ops.Pack(r, in[shorter], 1)), 1)
}

// beside is the index that puts the three parts' patches of a sound beside each other, with
// zeros behind them up to the width of its own.
func (a *Audio) beside(whole, part []int) *gpu.Tensor {
	n, h, w, pw := whole[0], whole[1], whole[2], part[2]
	key := [4]int{n, h, w, pw}
	if at, ok := a.order[key]; ok {
		return at
	}
	index := make([]uint32, n*h*w)
	for i := range index {
		x, y, item := i%w, i/w%h, i/w/h
		if index[i] = ops.NoRow; x < 3*pw {
			index[i] = uint32(((item*3+x/pw)*h+y)*pw + x%pw)
		}
	}
	at := a.b.Index("parts", index, n, h, w)
	a.order[key] = at
	return at
}

// audioNetwork is the sound tower with its inputs.
func (m *Model) audioNetwork() *nn.Network {
	a, channels := m.Audio, 1
	if a.Fused {
		channels = 4
	}
	net := &nn.Network{
		Name:   "audio",
		Inputs: []nn.Input{{Name: InputFeatures, Dims: nn.Dims("N", channels, nn.Dim{Name: "frames", Most: a.frames()}, a.Bins), Convert: func(in map[string]nn.Array) (nn.Array, error) { return a.folded(in[InputFeatures], 0, 1) }}},
		Usual:  map[string]int{"frames": a.frames()},
		Record: m.hear,
	}
	flag := nn.Input{Name: IsLonger, Dims: nn.Dims("N", 1), Convert: func(in map[string]nn.Array) (nn.Array, error) { return a.gates(in, true) }}
	if !a.Fused { // and it changes nothing
		flag.Optional, flag.Convert = true, func(map[string]nn.Array) (nn.Array, error) { return nn.Array{}, nil }
		net.Inputs = append(net.Inputs, flag)
		return net
	}
	net.Inputs = append(net.Inputs, flag,
		nn.Input{Name: parts, From: func(in map[string]nn.Array) (nn.Array, error) { return a.folded(in[InputFeatures], 1, 4) }},
		nn.Input{Name: shorter, From: func(in map[string]nn.Array) (nn.Array, error) { return a.gates(in, false) }})
	net.Complete = func(in map[string]nn.Array, _ int, _ uint64) {
		for i := range in[IsLonger].Data {
			in[IsLonger].Data[i] = 1
		}
	}
	return net
}

// gates are ones for the channels of sounds that are longer, or of those that are not.
func (a *Audio) gates(in map[string]nn.Array, longer bool) (nn.Array, error) {
	flags, width := in[IsLonger], a.Trunk.Width
	out := nn.Array{Shape: []int{len(flags.Data), width}, Data: make([]float32, len(flags.Data)*width)}
	for i, v := range flags.Data {
		if v != 0 && v != 1 {
			return nn.Array{}, fmt.Errorf("found %v, expected 0 or 1", v)
		}
		for c := range width {
			if (v == 1) == longer {
				out.Data[i*width+c] = 1
			}
		}
	}
	return out, nil
}

// folded are the spectrograms of channels from first to before last of x [N, C, frames,
// bins], normed, stretched to all frames and folded: [N·channels, 1, S, S]. Row q·bins + b
// of a square has bin b of the q-th of its strips.
func (a *Audio) folded(x nn.Array, first, last int) (nn.Array, error) {
	n, channels, frames, bins, side := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], a.Trunk.Image[0]
	out := nn.Array{Shape: []int{n * (last - first), 1, side, side}, Data: make([]float32, n*(last-first)*side*side)}
	for i := range n * (last - first) {
		item, channel := i/(last-first), first+i%(last-first)
		from := x.Data[(item*channels+channel)*frames*bins:][:frames*bins]
		normed := make([]float32, len(from))
		for k, v := range from {
			normed[k] = a.Scale[k%bins]*v + a.Shift[k%bins]
		}
		normed = ops.Interpolate(normed, bins, [2]int{frames, 1}, [2]int{a.frames(), 1}, ops.Resampling{Cubic: true, Corners: true})
		to := out.Data[i*side*side:]
		for k, v := range normed {
			t, b := k/bins, k%bins
			to[(t/side*bins+b)*side+t%side] = v
		}
	}
	return out, nil
}
