package ppocr

import (
	"encoding/json"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// PathConfig is what the neck of the large detectors depends on.
type PathConfig struct {
	Reduce  int   // of a quarter of the neck's channels, within the blocks
	Kernels []int // of the rounds of a block, pixels
	Biased  bool  // the large filters have biases (v6)
}

// large filters of the neck, pixels.
const largeFilter = 9

// Paths is a neck that adds maps from the smallest to the largest and back, with large
// filters (LK-PAN), and blocks that see along lines (PP-OCRv5).
type Paths struct {
	Adjust  []ops.Conv2d `w:"adjust"`
	Project []ops.Conv2d `w:"project"`
	Halve   []ops.Conv2d `w:"halve"`
	Lateral []ops.Conv2d `w:"lateral"`
	Blocks  []Strips     `w:"blocks"`
}

// Strips is x + what rounds of filters make of it, each the sum of a square, an upright and
// a lying one, which are folded into the square.
type Strips struct {
	Reduce ops.Conv2d   `w:"reduce"`
	Rounds []ops.Conv2d `w:"rounds"`
	Widen  ops.Conv2d   `w:"widen"`
}

// Refine is a second look at the map of text, beside the features that it was made of; what
// comes out is the mean of both.
type Refine struct {
	Conv  ops.Conv2d `w:"conv"`
	Final ops.Conv2d `w:"final"`

	act ops.Activation
}

func newPaths(b *ops.Builder, c DetConfig) *Paths {
	p, quarter, reduced := &Paths{}, c.Neck/4, c.Neck/4/c.Paths.Reduce
	square := func(in, out, kernel, stride int, bias bool) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Stride: ops.Square(stride), Pad: ops.Pad(kernel / 2), Bias: bias})
	}
	for i, channels := range c.Backbone.Channels() {
		p.Adjust = append(p.Adjust, square(channels, c.Neck, 1, 1, false))
		p.Project = append(p.Project, square(c.Neck, quarter, largeFilter, 1, c.Paths.Biased))
		p.Lateral = append(p.Lateral, square(quarter, quarter, largeFilter, 1, c.Paths.Biased))
		if i > 0 {
			p.Halve = append(p.Halve, square(quarter, quarter, 3, 2, false))
		}
		s := Strips{Reduce: square(quarter, reduced, 1, 1, true)}
		for _, kernel := range c.Paths.Kernels {
			s.Rounds = append(s.Rounds, square(reduced, reduced, kernel, 1, true))
		}
		s.Widen = b.Conv2d(ops.Conv{In: reduced, Out: quarter, Kernel: ops.Square(1), Bias: true, Norm: batchNorm})
		p.Blocks = append(p.Blocks, s)
	}
	return p
}

func newRefine(b *ops.Builder, c DetConfig) *Refine {
	return &Refine{
		Conv:  *normed(b, c.Neck/4+1, c.Neck/4, ops.Square(3), ops.Square(1), ops.Pad(1), 1),
		Final: b.Conv2d(ops.Conv{In: c.Neck / 4, Out: 1, Kernel: ops.Square(1), Bias: true}),
		act:   c.Act,
	}
}

// forward gives the maps of four sizes with a quarter of the neck's channels.
func (p *Paths) forward(r *gpu.Recorder, m *Detector, maps []*gpu.Tensor) []*gpu.Tensor {
	for i := range maps {
		maps[i] = p.Adjust[i].Forward(r, maps[i])
	}
	m.topDown(r, maps)
	for i := range maps {
		r.Enter(fmt.Sprintf("neck.%d", i))
		maps[i] = p.Project[i].Forward(r, maps[i])
		if i > 0 {
			maps[i] = p.Halve[i-1].Forward(r, maps[i-1], ops.Residual(maps[i]))
		}
		r.Leave()
	}
	all := make([]*gpu.Tensor, len(maps))
	for i := range maps {
		r.Enter(fmt.Sprintf("block.%d", i))
		all[i] = p.Blocks[i].forward(r, p.Lateral[i].Forward(r, maps[i]))
		r.Leave()
	}
	return all
}

func (s *Strips) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := s.Reduce.Forward(r, x)
	for i := range s.Rounds {
		y = s.Rounds[i].Forward(r, y)
	}
	return ops.Add(r, x, s.Widen.Forward(r, y, ops.Then(ops.ReLU)), 1)
}

// forward sees the map p of images and the features x of half its size.
func (f *Refine) forward(r *gpu.Recorder, m *Detector, x, p *gpu.Tensor) *gpu.Tensor {
	y := ops.Concat(r, p, m.enlarge(r, x, p))
	y = ops.Apply(r, f.Final.Forward(r, f.Conv.Forward(r, y, ops.Then(f.act))), ops.Sigmoid)
	return ops.Affine(r, ops.Add(r, p, y, 1), 0.5, 0)
}

// largeHeader is the config of a large detector.
type largeHeader struct {
	Backbone json.RawMessage            `json:"backbone_config"`
	Mode     string                     `json:"interpolate_mode"`
	Neck     int                        `json:"neck_out_channels"`
	Reduce   int                        `json:"reduce_factor"`
	Blocks   int                        `json:"intraclass_block_number"`
	Block    map[string]json.RawMessage `json:"intraclass_block_config"`
	Scale    int                        `json:"scale_factor"`
	Scales   []int                      `json:"scale_factor_list"`
	Act      string                     `json:"hidden_act"`
	Kernels  []int                      `json:"kernel_list"`
}

func parseLarge(src weights.Source, k kind, config []byte) (c DetConfig, err error) {
	h := largeHeader{Act: "relu"}
	if err := signatures.Decode("config.json", k.class, config, &h, inert...); err != nil {
		return c, err
	}
	if c.Backbone, err = parseBackbone(src, h.Backbone, k.backbone, k.backbones...); err != nil {
		return c, err
	}
	c.Neck, c.Bilinear, c.Refines = h.Neck, h.Mode == "bilinear", !k.v6
	c.Paths = &PathConfig{Reduce: h.Reduce, Biased: k.v6}
	if c.Kernel, err = headKernel(h.Kernels, h.Mode); err != nil {
		return c, err
	}
	if c.Act, err = ops.ActivationByName(h.Act); err != nil {
		return c, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	switch {
	case !slices.Equal(c.Backbone.Outputs, []int{1, 2, 3, 4}):
		return c, fmt.Errorf("config.json: backbone_config: the stages %v are asked for; 1, 2, 3 and 4 are expected", c.Backbone.Outputs)
	case h.Blocks != 4 || !slices.Equal(h.Scales, []int{1, 2, 4, 8}):
		return c, fmt.Errorf("config.json: intraclass_block_number is %d and scale_factor_list %v; 4 and [1 2 4 8] are expected", h.Blocks, h.Scales)
	case h.Scale != 2:
		return c, fmt.Errorf("config.json: scale_factor is %d; 2 is expected, the last step of the head", h.Scale)
	case h.Neck < 4 || h.Neck%4 != 0 || h.Neck > 1<<14 || h.Reduce < 1 || h.Neck/4/h.Reduce < 1:
		return c, fmt.Errorf("config.json: neck_out_channels is %d and reduce_factor %d; a multiple of 4, and at most a quarter of it are expected", h.Neck, h.Reduce)
	}
	c.Paths.Kernels, err = blockKernels(h.Block)
	return c, err
}

// rounds are how the names of a block's filters end, and the sizes.
var rounds = []string{"longratio", "midratio", "shortratio"}

// blockKernels are the sizes of the rounds, of intraclass_block_config, which has the size,
// the stride and the padding of each filter.
func blockKernels(block map[string]json.RawMessage) (kernels []int, err error) {
	if block == nil {
		return nil, fmt.Errorf("config.json: there is no intraclass_block_config, which tells the sizes of the neck's filters")
	}
	left := len(block)
	is := func(key string, h, w int) error {
		var size [3][2]int
		left--
		parts := []json.RawMessage{}
		if json.Unmarshal(block[key], &parts) == nil && len(parts) == 3 {
			for i, part := range parts {
				var one int
				if json.Unmarshal(part, &one) == nil {
					size[i] = ops.Square(one)
				} else if err := json.Unmarshal(part, &size[i]); err != nil {
					size[i] = ops.Square(-1)
				}
			}
		}
		if size != [3][2]int{{h, w}, {1, 1}, {h / 2, w / 2}} {
			return fmt.Errorf("config.json: intraclass_block_config: %s is %s; [[%d, %d], [1, 1], [%d, %d]] is expected", key, checkpoint.Shown(block[key]), h, w, h/2, w/2)
		}
		return nil
	}
	for _, round := range rounds {
		var parts []json.RawMessage
		var pair []int
		kernel := 0
		if json.Unmarshal(block["symmetric_conv_long_"+round], &parts) == nil && len(parts) > 0 && json.Unmarshal(parts[0], &kernel) != nil &&
			json.Unmarshal(parts[0], &pair) == nil && len(pair) == 2 {
			kernel = pair[0]
		}
		if kernel < 1 || kernel%2 != 1 || kernel > 31 {
			return nil, fmt.Errorf("config.json: intraclass_block_config: symmetric_conv_long_%s is %s; an odd size, 1 and half of it are expected", round, checkpoint.Shown(block["symmetric_conv_long_"+round]))
		}
		kernels = append(kernels, kernel)
		for key, size := range map[string][2]int{"symmetric_conv_long_": {kernel, kernel}, "vertical_long_to_small_conv_": {kernel, 1}, "horizontal_small_to_long_conv_": {1, kernel}} {
			if err := is(key+round, size[0], size[1]); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range []string{"reduce_channel", "return_channel"} {
		if err := is(key, 1, 1); err != nil {
			return nil, err
		}
	}
	if left != 0 {
		return nil, fmt.Errorf("config.json: intraclass_block_config has %d keys; 11 are expected", len(block))
	}
	return kernels, nil
}

// strips folds the three filters of each round into one.
func (f *folder) strips(c PathConfig) (all []*weights.Tensor) {
	for block := range 4 {
		for i, kernel := range c.Kernels {
			name := fmt.Sprintf("model.neck.intraclass_blocks.%d.", block)
			square, shape := f.values(name+"symmetric_conv_long_"+rounds[i]+".weight", 4)
			if f.err == nil && (shape[2] != kernel || shape[3] != kernel) {
				f.err = fmt.Errorf("%ssymmetric_conv_long_%s.weight has filters of %d×%d; expected %d×%d", name, rounds[i], shape[2], shape[3], kernel, kernel)
			}
			bias, _ := f.values(name+"symmetric_conv_long_"+rounds[i]+".bias", 1)
			for _, part := range []struct {
				key  string
				h, w int
			}{{"vertical_long_to_small_conv_", kernel, 1}, {"horizontal_small_to_long_conv_", 1, kernel}} {
				strip, of := f.values(name+part.key+rounds[i]+".weight", 4)
				more, _ := f.values(name+part.key+rounds[i]+".bias", 1)
				if f.err == nil && (!slices.Equal(of, []int{shape[0], shape[1], part.h, part.w}) || len(more) != len(bias)) {
					f.err = fmt.Errorf("%s%s%s.weight: found shape %v, expected [%d %d %d %d]", name, part.key, rounds[i], of, shape[0], shape[1], part.h, part.w)
				}
				if f.err != nil {
					return nil
				}
				for j, v := range strip {
					row, column := j%kernel, kernel/2
					if part.h == 1 {
						row, column = column, row
					}
					square[j/kernel*kernel*kernel+row*kernel+column] += v
				}
				for j, v := range more {
					bias[j] += v
				}
			}
			to := fmt.Sprintf("paths.blocks.%d.rounds.%d", block, i)
			all = append(all, f.tensor(to+".weight", square, shape...), f.tensor(to+".bias", bias, len(bias)))
		}
	}
	return all
}
