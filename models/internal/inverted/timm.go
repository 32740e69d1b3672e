package inverted

import (
	"encoding/json"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Timm is what a family knows of its checkpoints of timm.
type Timm struct {
	Family     string
	Class      string // timm's
	Signatures checkpoint.Signatures
	// Architecture is what tensors do not tell of one, by its name without TensorFlow's
	// beginning; false of one that is not supported.
	Architecture func(name string) (TimmArchitecture, bool)
	Supported    string // architectures, for messages
	Example      string // one of them
}

// TimmArchitecture is what an architecture's name tells.
type TimmArchitecture struct {
	Plan
	Image            int // pixels a side
	Act              ops.Activation
	SqueezeAct, Gate ops.Activation // SqueezeAct "" is Act
	ReLU             int
}

// TensorFlow begins the names of networks that pad as TensorFlow does and whose batch
// norms have its eps.
const TensorFlow = "tf_"

// The batch norms' eps of PyTorch and of TensorFlow.
const (
	EpsPyTorch    = 1e-5
	EpsTensorFlow = 1e-3
)

// TimmInert change nothing of an inference, or tell sizes, as the tensors do.
var TimmInert = []string{
	"drop_rate", "drop_path_rate", "device", "dtype", "num_classes", "in_chans", "num_features", "stem_size", "fix_stem", "round_chs_fn", "se_from_exp",
}

// timmArguments are those of timm's EfficientNet and MobileNetV3. What an architecture
// itself gives, such as its blocks, is never in a config.
type timmArguments struct {
	Blocks       json.RawMessage `json:"block_args"`
	StemKernel   int             `json:"stem_kernel_size"`
	OutputStride int             `json:"output_stride"`
	Pad          string          `json:"pad_type"`
	Act          *string         `json:"act_layer"`
	Norm         *string         `json:"norm_layer"`
	AntiAlias    *string         `json:"aa_layer"`
	SE           *string         `json:"se_layer"`
	Pool         string          `json:"global_pool"`
	HeadBias     bool            `json:"head_bias"`
	HeadNorm     bool            `json:"head_norm"`
	LayerScale   *float64        `json:"layer_scale_init_value"`
}

// refuse names what this network has not.
func (a timmArguments) refuse() error {
	word := func(p *string) string {
		if p == nil {
			return ""
		}
		return strings.ToLower(*p)
	}
	scale := ""
	if a.LayerScale != nil {
		scale = fmt.Sprint(*a.LayerScale)
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"stem_kernel_size", fmt.Sprint(a.StemKernel), []string{"3"}},
		{"output_stride", fmt.Sprint(a.OutputStride), []string{"32"}},
		{"pad_type", a.Pad, []string{"", "same"}},
		{"norm_layer", word(a.Norm), []string{"", "batchnorm2d", "batchnorm"}},
		{"aa_layer", word(a.AntiAlias), []string{""}},
		{"se_layer", word(a.SE), []string{""}},
		{"global_pool", a.Pool, []string{"avg", "max"}},
		{"head_bias", fmt.Sprint(a.HeadBias), []string{"true"}},
		{"head_norm", fmt.Sprint(a.HeadNorm), []string{"false"}},
		{"layer_scale_init_value", scale, []string{""}},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	if len(a.Blocks) > 0 && string(a.Blocks) != "null" {
		return fmt.Errorf("timm's block_args are not supported in model_args")
	}
	return nil
}

// Describe reads a checkpoint of timm. architecture is the model's name as the user
// gave it, for one without config.
func (f Timm) Describe(src weights.Source, config []byte, architecture string) (Config, weights.Source, error) {
	t := checkpoint.Timm{Architecture: architecture}
	var err error
	if config != nil {
		if t, err = checkpoint.ParseTimm(config); err != nil {
			return Config{}, nil, err
		}
	}
	known, ok := f.Architecture(strings.TrimPrefix(t.Name(), TensorFlow))
	switch {
	case !ok && t.Architecture == f.Family:
		return Config{}, nil, fmt.Errorf("the checkpoint has timm's names and no config.json beside it, and the tensors do not tell the padding; name the architecture, such as -model %s or %s%s", f.Example, TensorFlow, f.Example)
	case !ok:
		return Config{}, nil, fmt.Errorf("timm's architecture %q is not supported; %s are, and the same with %s", t.Architecture, f.Supported, TensorFlow)
	}
	a, err := f.arguments(t)
	if err != nil {
		return Config{}, nil, err
	}
	pad, eps := Symmetric, EpsPyTorch
	if strings.HasPrefix(t.Name(), TensorFlow) {
		pad, eps = Same, EpsTensorFlow
	}
	switch _, given := t.ModelArgs["pad_type"]; {
	case a.Pad == "same":
		pad = Same
	case given:
		pad = Symmetric
	}
	src, note := checkpoint.ReplacedHead(src, "classifier")
	v3 := f.Class == "MobileNetV3"
	if v3 {
		src = checkpoint.Matrices(src, "conv_head") // after the pooling, of a pixel
	}
	src = weights.Rename(src, timmNames(src, v3))
	c := FromTensors(src, pad, known.Plan)
	c.Note(note)
	c.Eps, c.Act, c.ReLU, c.MaxPool = eps, known.Act, known.ReLU, a.Pool == "max"
	if a.Act != nil {
		if c.Act, err = checkpoint.TimmActivation(*a.Act); err != nil {
			return Config{}, nil, fmt.Errorf("config.json: act_layer: %w", err)
		}
	}
	if c.SqueezeAct, c.Gate = known.SqueezeAct, known.Gate; c.SqueezeAct == ops.Identity {
		c.SqueezeAct = c.Act
	}
	c.Image = ops.Square(known.Image)
	if in := t.Pretrained.InputSize; len(in) == 3 {
		c.Image = [2]int{in[1], in[2]}
	}
	c.Labels, err = t.Labels(c.Classes)
	return c, src, err
}

// arguments are what timm calls the class with, none of which is unknown here.
func (f Timm) arguments(t checkpoint.Timm) (timmArguments, error) {
	a := timmArguments{StemKernel: 3, OutputStride: 32, HeadBias: true} // of a class that has no such keys
	merged, err := t.Arguments(f.Signatures, f.Class, nil)
	if err == nil {
		err = f.Signatures.Decode("config.json: model_args", f.Class, merged, &a, TimmInert...)
	}
	if err == nil {
		err = a.refuse()
	}
	if err == nil && t.Pool != "" && t.Pool != a.Pool {
		err = fmt.Errorf("config.json: global_pool is %q; by model_args it is %q", t.Pool, a.Pool)
	}
	return a, err
}
