package resnet

import (
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

var timmArchitectures = checkpoint.ByName(timmJSON)

// timmInert change nothing of an inference, or repeat what the tensors' sizes tell.
var timmInert = []string{
	"drop_rate", "drop_path_rate", "drop_block_rate", "zero_init_last", "device", "dtype", "in_chans",
	"layers", "channels", "num_classes", "cardinality", "base_width", "stem_width",
}

// timmArguments are those of timm's ResNet.
type timmArguments struct {
	Block        string         `json:"block"`
	Pool         string         `json:"global_pool"`
	StemType     string         `json:"stem_type"`
	AvgDown      bool           `json:"avg_down"`
	Act          string         `json:"act_layer"`
	Norm         string         `json:"norm_layer"`
	OutputStride int            `json:"output_stride"`
	StemConv     bool           `json:"replace_stem_pool"`
	Reduce       int            `json:"block_reduce_first"`
	DownKernel   int            `json:"down_kernel_size"`
	AntiAlias    *string        `json:"aa_layer"`
	BlockArgs    map[string]any `json:"block_args"`
}

// refuse names what this network has not.
func (a timmArguments) refuse() error {
	antiAlias := ""
	if a.AntiAlias != nil {
		antiAlias = *a.AntiAlias
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"block", a.Block, []string{"BasicBlock", "Bottleneck"}},
		{"global_pool", a.Pool, []string{"avg"}},
		{"stem_type", a.StemType, []string{"", "deep", "deep_tiered"}},
		{"norm_layer", strings.ToLower(a.Norm), []string{"batchnorm2d", "batchnorm", ""}},
		{"aa_layer", antiAlias, []string{""}},
		{"output_stride", fmt.Sprint(a.OutputStride), []string{"32"}},
		{"block_reduce_first", fmt.Sprint(a.Reduce), []string{"1"}},
		{"down_kernel_size", fmt.Sprint(a.DownKernel), []string{"1"}},
		{"replace_stem_pool", fmt.Sprint(a.StemConv), []string{"false"}},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	if len(a.BlockArgs) > 0 {
		return fmt.Errorf("timm's block_args are %v, which are not supported", a.BlockArgs)
	}
	return nil
}

// describeTimm describes a checkpoint of timm by its config.json.
func describeTimm(src weights.Source, config []byte) (Config, weights.Source, error) {
	t, err := checkpoint.ParseTimm(config)
	if err != nil {
		return Config{}, nil, err
	}
	all, err := timmArchitectures()
	if err != nil {
		return Config{}, nil, err
	}
	own, ok := all[t.Name()]
	switch {
	case !ok:
		return Config{}, nil, fmt.Errorf("config.json: architecture is %q; expected one of timm's ResNet, such as resnet50", t.Architecture)
	case len(own["pruned"]) > 0:
		return Config{}, nil, fmt.Errorf("timm's %s is pruned, which is not supported", t.Architecture)
	}
	merged, err := t.Arguments(signatures, "ResNet", own)
	if err != nil {
		return Config{}, nil, err
	}
	var a timmArguments
	if err := signatures.Decode("config.json: model_args", "ResNet", merged, &a, timmInert...); err != nil {
		return Config{}, nil, err
	}
	if err := a.refuse(); err != nil {
		return Config{}, nil, err
	}
	src, note := checkpoint.ReplacedHead(src, "fc")
	c, err := fromTensors(src)
	if err != nil {
		return Config{}, nil, err
	}
	if note != "" {
		c.Notes = []string{note}
	}
	if err := c.take(a, t); err != nil {
		return Config{}, nil, err
	}
	c.Labels, err = t.Labels(c.Classes)
	return c, weights.Rename(src, torchvisionNames(c.AvgDown)), err
}

// take takes what the arguments alone tell.
func (c *Config) take(a timmArguments, t checkpoint.Timm) (err error) {
	if c.Act, err = checkpoint.TimmActivation(a.Act); err != nil {
		return fmt.Errorf("config.json: act_layer: %w", err)
	}
	c.Inner, c.AvgDown, c.Image = c.Act, a.AvgDown, usual(false)
	if in := t.Pretrained.InputSize; len(in) == 3 {
		c.Image = [2]int{in[1], in[2]}
	}
	switch {
	case (a.StemType == "") != (c.Deep == nil) || c.Small:
		return fmt.Errorf("the checkpoint's stem is not that of stem_type %q of timm's %s", a.StemType, t.Architecture)
	case t.Pool != "" && t.Pool != a.Pool:
		return fmt.Errorf("config.json: global_pool is %q; by model_args and the architecture %s it is %q", t.Pool, t.Architecture, a.Pool)
	}
	return nil
}
