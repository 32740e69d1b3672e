package swin

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
	"drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate", "weight_init", "device", "dtype", "in_chans", "num_classes", "patch_size", "embed_dim", "depths",
	"num_heads", "mlp_ratio", "qkv_bias",
}

// timmArguments are those of timm's SwinTransformer and SwinTransformerV2 that tensors do
// not tell.
type timmArguments struct {
	Image      checkpoint.Pair `json:"img_size"`
	Strict     bool            `json:"strict_img_size"`
	Dynamic    bool            `json:"dynamic_img_size"`
	Window     json.RawMessage `json:"window_size"`
	Pretrained []int           `json:"pretrained_window_sizes"`
	Pool       string          `json:"global_pool"`
	Head       json.RawMessage `json:"head_dim"`
	Always     bool            `json:"always_partition"`
	Embed      string          `json:"embed_layer"`
	Norm       string          `json:"norm_layer"`
	Act        string          `json:"act_layer"`
}

// refuse names what this network has not.
func (a timmArguments) refuse() error {
	head := string(a.Head)
	if head == "null" {
		head = ""
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"global_pool", a.Pool, []string{"avg"}},
		{"head_dim", head, []string{""}},
		{"always_partition", fmt.Sprint(a.Always), []string{"false"}},
		{"embed_layer", a.Embed, []string{"PatchEmbed"}},
		{"norm_layer", strings.ToLower(a.Norm), []string{"layernorm", ""}},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	return nil
}

// windows are those of so many stages.
func (a timmArguments) windows(stages int) ([][2]int, error) {
	bad := fmt.Errorf("config.json: window_size is %s; expected a size, [height, width], or one of these for each of %d stages", checkpoint.Shown(a.Window), stages)
	var one checkpoint.Pair
	var each []checkpoint.Pair
	if json.Unmarshal(a.Window, &one) == nil {
		for range stages {
			each = append(each, one)
		}
	} else if json.Unmarshal(a.Window, &each) != nil || len(each) != stages {
		return nil, bad
	}
	windows := make([][2]int, stages)
	for i, w := range each {
		if windows[i] = w; w[0] < 1 || w[1] < 1 {
			return nil, bad
		}
	}
	return windows, nil
}

// arguments are what timm calls a class with: the architecture's own and the config's.
func arguments(t checkpoint.Timm, own map[string]json.RawMessage, class string) (timmArguments, error) {
	a := timmArguments{Embed: "PatchEmbed", Act: "gelu"} // of a class that has no such keys
	merged, err := t.Arguments(signatures, class, own)
	if err == nil {
		err = signatures.Decode("config.json: model_args", class, merged, &a, timmInert...)
	}
	if err == nil {
		err = a.refuse()
	}
	if err == nil && t.Pool != "" && t.Pool != a.Pool {
		err = fmt.Errorf("config.json: global_pool is %q; by model_args it is %q", t.Pool, a.Pool)
	}
	return a, err
}

// classOf is timm's class of an architecture's arguments.
func classOf(own map[string]json.RawMessage) string {
	if string(own["class"]) == `"SwinTransformerV2"` {
		return "SwinTransformerV2"
	}
	return "SwinTransformer"
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
	case !ok && config == nil:
		return Config{}, nil, fmt.Errorf("the checkpoint has timm's names and no config.json beside it, which tells the windows; name timm's architecture, such as -model %s", map[string]string{"swin": timmV1[0], "swinv2": timmV2[0]}[family])
	case !ok:
		return Config{}, nil, fmt.Errorf("config.json: architecture is %q; expected one of timm's Swin Transformers, such as %s", t.Architecture, timmV1[0])
	}
	var processor *picture.Processor
	if config == nil {
		if err := checkpoint.Decode("timm.json", own[pretrained], &t.Pretrained); err != nil {
			return Config{}, nil, err
		}
		if processor, err = picture.ParseTimm(own[pretrained]); err != nil {
			return Config{}, nil, err
		}
	}
	a, err := arguments(t, own, classOf(own))
	if err != nil {
		return Config{}, nil, err
	}
	src, note := checkpoint.ReplacedHead(src, "head.fc", "head")
	if src, err = named(src, classOf(own) == "SwinTransformerV2", timmNames); err != nil {
		return Config{}, nil, err
	}
	c := fromTensors(src)
	c.Processor = processor
	if note != "" {
		c.Notes = []string{note}
	}
	if err := c.take(a); err != nil {
		return Config{}, nil, err
	}
	if config == nil {
		c.Architecture = t.Name()
		if s, err := Standard(t.Name()); err == nil && !c.sameSizes(s) {
			if err := checkpoint.Misnamed(c.published(timmV1, timmV2), t.Name(), family); err != nil {
				return Config{}, nil, err
			}
		}
	}
	c.Labels, err = t.Labels(c.Classes)
	return c, src, err
}

// take takes what the arguments alone tell. Windows are at most as large as the map that
// pictures of their size have in a stage, and are not shifted along an axis of which one
// holds all.
func (c *Config) take(a timmArguments) (err error) {
	if c.Act, err = checkpoint.TimmActivation(a.Act); err != nil {
		return fmt.Errorf("config.json: act_layer: %w", err)
	}
	c.Image, c.RollFirst = a.Image, true
	c.FixedImage = a.Strict && !a.Dynamic
	c.WholePatches = !c.FixedImage
	windows, err := a.windows(len(c.Stages))
	if err != nil {
		return err
	}
	var grid [2]int
	for axis := range grid {
		grid[axis] = a.Image[axis] / max(1, c.Patch[axis])
	}
	for i := range c.Stages {
		s := &c.Stages[i]
		s.setWindow(windows[i])
		for axis, size := range grid {
			if size <= s.Window[axis] {
				s.Window[axis], s.Shift[axis] = size, 0
			}
			grid[axis] = (size + 1) / 2
		}
		if i < len(a.Pretrained) {
			s.Pretrained = ops.Square(a.Pretrained[i])
		}
	}
	return nil
}

// standardArguments are those that tell the sizes of an architecture.
type standardArguments struct {
	Width  int   `json:"embed_dim"`
	Depths []int `json:"depths"`
	Heads  []int `json:"num_heads"`
	Patch  int   `json:"patch_size"`
	Bias   bool  `json:"qkv_bias"`
}

// timmStandard is an architecture of timm.
func timmStandard(name string) (Config, error) {
	all, err := timmArchitectures()
	if err != nil {
		return Config{}, err
	}
	own, ok := all[name]
	if !ok {
		return Config{}, fmt.Errorf("%s is no Swin Transformer of torchvision or timm", name)
	}
	t := checkpoint.Timm{Architecture: name}
	if err := checkpoint.Decode("timm.json", own[pretrained], &t.Pretrained); err != nil {
		return Config{}, err
	}
	a, err := arguments(t, own, classOf(own))
	if err != nil {
		return Config{}, err
	}
	var s standardArguments
	merged, err := json.Marshal(own)
	if err == nil {
		err = signatures.Decode("timm.json", classOf(own), merged, &s)
	}
	if err != nil {
		return Config{}, err
	}
	c := Config{V2: classOf(own) == "SwinTransformerV2", Channels: 3, Patch: ops.Square(s.Patch), Width: s.Width, QKVBias: s.Bias, Classes: 1000, Eps: edgeEps}
	for i, depth := range s.Depths {
		width := s.Width << i
		c.Stages = append(c.Stages, StageConfig{Depth: depth, Width: width, Inner: 4 * width, Heads: s.Heads[i]})
	}
	return c, c.take(a)
}
