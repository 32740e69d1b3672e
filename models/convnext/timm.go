package convnext

import (
	"encoding/json"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// timmArchitectures are the arguments of timm's architectures and, beside them, what its
// weights of each want of pictures.
var timmArchitectures = checkpoint.ByName(timmJSON)

// pretrained is the key of timm.json under which that stands.
const pretrained = "pretrained_cfg"

// timmInert change nothing of an inference, or repeat what the tensors tell.
var timmInert = []string{
	"drop_rate", "drop_path_rate", "head_init_scale", "device", "dtype", "in_chans", "num_classes", "depths", "dims", "kernel_sizes", "ls_init_value", "patch_size",
	"head_norm_first", "head_hidden_size", "conv_mlp", "conv_bias", "use_grn",
}

// timmArguments are those of timm's ConvNeXt that tensors do not tell.
type timmArguments struct {
	Pool         string   `json:"global_pool"`
	OutputStride int      `json:"output_stride"`
	Stem         string   `json:"stem_type"`
	Act          string   `json:"act_layer"`
	Norm         *string  `json:"norm_layer"`
	Eps          *float64 `json:"norm_eps"`
}

// refuse names what this network has not.
func (a timmArguments) refuse() error {
	norm := ""
	if a.Norm != nil {
		norm = strings.ToLower(*a.Norm)
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"global_pool", a.Pool, []string{"avg"}},
		{"output_stride", fmt.Sprint(a.OutputStride), []string{"32"}},
		{"stem_type", a.Stem, []string{"patch", "overlap", "overlap_tiered", "overlap_act"}},
		{"norm_layer", norm, []string{"", "layernorm", "layernorm2d"}},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	return nil
}

// describeTimm reads a checkpoint of timm by its config.json or, without one, by the
// architecture that the user named.
func describeTimm(src weights.Source, config []byte, architecture, family string) (Config, weights.Source, error) {
	t := checkpoint.Timm{Architecture: architecture}
	var err error
	if config != nil {
		if t, err = checkpoint.ParseTimm(config); err != nil {
			return Config{}, nil, err
		}
	}
	all, err := timmArchitectures()
	if err != nil {
		return Config{}, nil, err
	}
	own, ok := all[t.Name()]
	switch {
	case !ok && t.Architecture == family:
		return Config{}, nil, fmt.Errorf("the checkpoint has timm's names and no config.json beside it, which tells the activation and the norms' eps; name the architecture, such as -model %s_tiny", family)
	case !ok:
		return Config{}, nil, fmt.Errorf("config.json: architecture is %q; expected one of timm's ConvNeXt, such as %s_tiny", t.Architecture, family)
	}
	a, err := arguments(t, own)
	if err != nil {
		return Config{}, nil, err
	}
	normFirst := checkpoint.Has(src, "norm_pre.weight")
	src, note := checkpoint.ReplacedHead(src, "head.fc", "head")
	if src, err = scaled(src, "gamma", "mlp.fc2"); err != nil {
		return Config{}, nil, err
	}
	src = weights.Rename(checkpoint.Matrices(src, "mlp.fc1", "mlp.fc2"), timmNames(a.Stem))
	c := fromTensors(src)
	c.NormFirst = normFirst
	if note != "" {
		c.Notes = []string{note}
	}
	if err := c.take(a, t, own[pretrained], config != nil); err != nil {
		return Config{}, nil, err
	}
	c.Labels, err = t.Labels(c.Classes)
	return c, src, err
}

// arguments are what timm calls the class with: the architecture's own and the config's.
func arguments(t checkpoint.Timm, own map[string]json.RawMessage) (a timmArguments, err error) {
	merged, err := t.Arguments(signatures, "ConvNeXt", own)
	if err == nil {
		err = signatures.Decode("config.json: model_args", "ConvNeXt", merged, &a, timmInert...)
	}
	if err == nil {
		err = a.refuse()
	}
	if err == nil && t.Pool != "" && t.Pool != a.Pool {
		err = fmt.Errorf("config.json: global_pool is %q; by model_args it is %q", t.Pool, a.Pool)
	}
	return a, err
}

// take takes what the arguments alone tell. cfg is what timm's weights of the architecture
// want of pictures, for a checkpoint without a config that says it.
func (c *Config) take(a timmArguments, t checkpoint.Timm, cfg []byte, said bool) (err error) {
	if c.Act, err = checkpoint.TimmActivation(a.Act); err != nil {
		return fmt.Errorf("config.json: act_layer: %w", err)
	}
	if a.Eps != nil {
		c.Eps, c.HeadEps = *a.Eps, *a.Eps
	}
	c.StemAct, c.Image = a.Stem == "overlap_act", ops.Square(imageSide)
	if !said {
		if err := checkpoint.Decode("timm.json", cfg, &t.Pretrained); err != nil {
			return err
		}
		if c.Processor, err = picture.ParseTimm(cfg); err != nil {
			return err
		}
	}
	if in := t.Pretrained.InputSize; len(in) == 3 {
		c.Image = [2]int{in[1], in[2]}
	}
	return nil
}

// standardArguments are those of timm's ConvNeXt that tell the sizes of an architecture.
type standardArguments struct {
	timmArguments
	Depths    []int `json:"depths"`
	Widths    []int `json:"dims"`
	Patch     int   `json:"patch_size"`
	NormFirst bool  `json:"head_norm_first"`
	Hidden    *int  `json:"head_hidden_size"`
	GRN       bool  `json:"use_grn"`
	Bias      bool  `json:"conv_bias"`
}

// Standard is an architecture of timm as published, with 1000 classes; torchvision's of
// those names are the same.
func Standard(name string) (Config, error) {
	all, err := timmArchitectures()
	if err != nil {
		return Config{}, err
	}
	own, ok := all[name]
	if !ok {
		return Config{}, fmt.Errorf("%s is none of timm's ConvNeXt", name)
	}
	merged, err := json.Marshal(own)
	var a standardArguments
	if err == nil {
		err = signatures.Decode("timm.json", "ConvNeXt", merged, &a)
	}
	if err != nil {
		return Config{}, err
	}
	c := Config{Channels: 3, ConvBias: a.Bias, GRN: a.GRN, NormFirst: a.NormFirst, Classes: 1000, Eps: defaultEps, HeadEps: defaultEps}
	if a.Hidden != nil {
		c.Hidden = *a.Hidden
	}
	first := a.Widths[0]
	switch a.Stem {
	case "overlap_tiered":
		c.Stem = []StemConv{{max(8, (first/2+4)/8*8), 3, 2}, {first, 3, 2}}
	case "patch":
		c.Stem = []StemConv{{first, a.Patch, a.Patch}}
	default:
		c.Stem = []StemConv{{first, 3, 2}, {first, 3, 2}}
	}
	for i, width := range a.Widths {
		s := StageConfig{Down: 2, Width: width, Inner: 4 * width, Kernel: 7, Depth: a.Depths[i]}
		if i == 0 {
			s.Down = 0
		}
		c.Stages = append(c.Stages, s)
	}
	if err := c.take(a.timmArguments, checkpoint.Timm{}, own[pretrained], false); err != nil {
		return Config{}, err
	}
	c.Processor = nil
	return c, nil
}
