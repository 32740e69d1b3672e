package hgnet

import (
	_ "embed"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the config of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// hgnetConfig is config.json of HGNetV2Config.
type hgnetConfig struct {
	Channels int               `json:"num_channels"`
	Act      string            `json:"hidden_act"`
	Stem     []int             `json:"stem_channels"`
	Strides  []checkpoint.Pair `json:"stem_strides"`
	In       []int             `json:"stage_in_channels"`
	Mid      []int             `json:"stage_mid_channels"`
	Out      []int             `json:"stage_out_channels"`
	Blocks   []int             `json:"stage_num_blocks"`
	Halves   []bool            `json:"stage_downsample"`
	Down     []checkpoint.Pair `json:"stage_downsample_strides"`
	Light    []bool            `json:"stage_light_block"`
	Kernels  []int             `json:"stage_kernel_size"`
	Layers   []int             `json:"stage_numb_of_layers"`
	Affine   bool              `json:"use_learnable_affine_block"`
	Width    int               `json:"embedding_size"`
	Hidden   []int             `json:"hidden_sizes"`
	Depths   []int             `json:"depths"`
}

// inert change nothing of an inference.
var inert = append([]string{"initializer_range", "arch", "return_idx", "freeze_stem_only", "freeze_at", "freeze_norm", "lr_mult_list"}, checkpoint.CommonInert...)

// Describe reads the part of a config.json of a backbone whose tensors' names begin with
// prefix, and which of [Model.Maps] it gives. embedding_size and hidden_sizes must tell the
// channels of these.
func Describe(src weights.Source, prefix string, config []byte) (Config, []int, error) {
	c, maps, h, err := describe(src, prefix, config)
	for _, i := range maps {
		if i > len(c.Stages) || append([]int{h.Width}, h.Hidden...)[i] != c.Width(i) {
			return Config{}, nil, fmt.Errorf("config.json: backbone_config: embedding_size and hidden_sizes are %d and %v; they do not tell the channels of out_features", h.Width, h.Hidden)
		}
	}
	return c, maps, err
}

// DescribeStages is Describe for what takes the channels from stage_out_channels, as PP-OCR
// does.
func DescribeStages(src weights.Source, prefix string, config []byte) (Config, []int, error) {
	c, maps, _, err := describe(src, prefix, config)
	for _, i := range maps {
		if i > len(c.Stages) {
			return Config{}, nil, fmt.Errorf("config.json: backbone_config: stage %d is asked for; there are %d", i, len(c.Stages))
		}
	}
	return c, maps, err
}

func describe(src weights.Source, prefix string, config []byte) (Config, []int, hgnetConfig, error) {
	var h hgnetConfig
	if err := signatures.Decode("config.json: backbone_config", "HGNetV2Config", config, &h, inert...); err != nil {
		return Config{}, nil, h, err
	}
	c, err := h.sizes()
	if err != nil {
		return Config{}, nil, h, fmt.Errorf("config.json: backbone_config: %w", err)
	}
	var own struct {
		Features []string `json:"out_features"`
		Indices  []int    `json:"out_indices"`
	}
	if err := checkpoint.Decode("config.json: backbone_config", config, &own); err != nil {
		return Config{}, nil, h, err
	}
	maps, err := checkpoint.StageOutputs(own.Features, own.Indices, len(h.Depths))
	if err != nil {
		return Config{}, nil, h, fmt.Errorf("config.json: backbone_config: %w", err)
	}
	if h.Affine {
		if c.Affines, err = affines(src, prefix); err != nil {
			return Config{}, nil, h, err
		}
	}
	return c, maps, h, nil
}

func (h hgnetConfig) sizes() (Config, error) {
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, fmt.Errorf("hidden_act: %w", err)
	}
	n := len(h.In)
	for key, length := range map[string]int{
		"stage_mid_channels": len(h.Mid), "stage_out_channels": len(h.Out), "stage_num_blocks": len(h.Blocks), "stage_downsample": len(h.Halves),
		"stage_light_block": len(h.Light), "stage_kernel_size": len(h.Kernels), "stage_numb_of_layers": len(h.Layers),
	} {
		if length != n {
			return Config{}, fmt.Errorf("%s has %d stages and stage_in_channels %d", key, length, n)
		}
	}
	switch {
	case len(h.Stem) != 3 || len(h.Strides) != 5:
		return Config{}, fmt.Errorf("stem_channels are %v and stem_strides %v; expected three and five", h.Stem, h.Strides)
	case h.Stem[0] != h.Channels:
		return Config{}, fmt.Errorf("num_channels is %d and stem_channels begin with %d", h.Channels, h.Stem[0])
	case len(h.Down) < n:
		return Config{}, fmt.Errorf("stage_downsample_strides are %d; expected one for each of %d stages", len(h.Down), n)
	case len(h.Hidden) != len(h.Depths):
		return Config{}, fmt.Errorf("hidden_sizes are %d and depths %d; expected one for each stage", len(h.Hidden), len(h.Depths))
	}
	c := Config{Channels: h.Channels, Stem: [2]int(h.Stem[1:]), Act: act}
	for i := range c.Strides {
		c.Strides[i] = h.Strides[i]
	}
	for i := range n {
		c.Stages = append(c.Stages, Stage{In: h.In[i], Mid: h.Mid[i], Out: h.Out[i], Blocks: h.Blocks[i], Layers: h.Layers[i], Kernel: h.Kernels[i],
			Light: h.Light[i], Halves: h.Halves[i], Stride: h.Down[i]})
	}
	return c, nil
}

// affines reads the scales and shifts of a checkpoint by this package's names.
func affines(src weights.Source, prefix string) (map[string]Affine, error) {
	named := weights.Rename(src, Names(prefix+".", ""))
	all := map[string]Affine{}
	for _, name := range src.Names() {
		path, ok := strings.CutSuffix(name, ".lab.scale")
		if !ok {
			continue
		}
		scale, err := checkpoint.Scalar(src, name, 1)
		if err != nil {
			return nil, err
		}
		shift, err := checkpoint.Scalar(src, path+".lab.bias", 0)
		if err != nil {
			return nil, err
		}
		for _, own := range named.Names() {
			if t, ok := named.Tensor(own); ok && t.Origin == path+".convolution.weight" {
				all[strings.TrimSuffix(strings.TrimSuffix(own, ".weight"), ".conv")] = Affine{scale, shift}
			}
		}
	}
	return all, nil
}

// Names bring transformers' names of a backbone, below the prefix from, to this package's
// below to.
func Names(from, to string) []weights.Rule {
	rules := []weights.Rule{{From: from + "**.num_batches_tracked", To: ""}, {From: from + "**.lab.scale", To: ""}, {From: from + "**.lab.bias", To: ""}}
	for _, pair := range [][2]string{
		{"embedder.stem1", "stem1"}, {"embedder.stem2a", "stem2a"}, {"embedder.stem2b", "stem2b"}, {"embedder.stem3", "stem3"}, {"embedder.stem4", "stem4"},
		{"encoder.stages.*.downsample", "stages.*.down"},
		{"encoder.stages.*.blocks.*.layers.*.conv1", "stages.*.blocks.*.layers.*.point"},
		{"encoder.stages.*.blocks.*.layers.*.conv2", "stages.*.blocks.*.layers.*.conv"},
		{"encoder.stages.*.blocks.*.layers.*", "stages.*.blocks.*.layers.*.conv"},
		{"encoder.stages.*.blocks.*.aggregation.0", "stages.*.blocks.*.squeeze"},
		{"encoder.stages.*.blocks.*.aggregation.1", "stages.*.blocks.*.excite"},
	} {
		rules = append(rules,
			weights.Rule{From: from + pair[0] + ".convolution.*", To: to + pair[1] + ".conv.*"},
			weights.Rule{From: from + pair[0] + ".normalization.*", To: to + pair[1] + ".conv.norm.*"})
	}
	return rules
}

// Standard is a PP-HGNetV2 as PaddleClas has it.
func Standard(name string) (Config, bool) {
	s, ok := published[name]
	c := Config{Channels: 3, Stem: s.stem, Strides: [5][2]int{{2, 2}, {1, 1}, {1, 1}, {2, 2}, {1, 1}}, Act: ops.ReLU}
	in := s.stem[1]
	for i := range s.out {
		kernel := 3
		if i >= 2 {
			kernel = 5
		}
		c.Stages = append(c.Stages, Stage{In: in, Mid: s.mid[i], Out: s.out[i], Blocks: s.blocks[i], Layers: s.layers, Kernel: kernel, Light: i >= 2, Halves: i > 0, Stride: ops.Square(2)})
		in = s.out[i]
	}
	return c, ok
}

var published = map[string]struct {
	stem     [2]int
	mid, out [4]int
	blocks   [4]int
	layers   int
}{
	"hgnetv2_b4": {[2]int{32, 48}, [4]int{48, 96, 192, 384}, [4]int{128, 512, 1024, 2048}, [4]int{1, 1, 3, 1}, 6},
}
