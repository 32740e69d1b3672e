package unet

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is diffusers' config.json.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "time_embedding.linear_1.weight") || !checkpoint.Has(src, "conv_in.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "UNet of a diffusion model", "no time_embedding.linear_1.weight beside conv_in.weight (diffusers)")
	}
	if err := diffusion.Configured(config); err != nil {
		return Config{}, nil, err
	}
	c, err := Parse(config)
	if c.Frames > 0 {
		src = frameNames(src)
	}
	return c, diffusion.Renamed(src), err
}

// frameNames shows the tensors of a network of videos as [diffusion.Stage] has them: the attention
// among frames as motion modules, and the convolutions over frames without the filters' last side,
// which is one.
func frameNames(src weights.Source) weights.Source {
	var filters []*weights.Tensor
	for _, name := range src.Names() {
		if t, ok := src.Tensor(name); ok && strings.Contains(name, ".temp_convs.") && len(t.Shape) == 5 && t.Shape[4] == 1 {
			t.Shape = t.Shape[:4]
			filters = append(filters, t)
		}
	}
	return weights.Rename(weights.With(src, filters...), []weights.Rule{{From: "**.temp_attentions.**", To: "**.motion_modules.**"}})
}

// Parse reads config.json of diffusers' UNet2DModel, UNet2DConditionModel or UNet3DConditionModel. Keys
// that the class does not take are passed over, as diffusers does; those that it
// takes count, mean nothing beside the others, or are refused.
func Parse(config []byte) (Config, error) {
	// What one of the classes has no key for.
	j := jsonConfig{OutScale: 1, KernelIn: 3, KernelOut: 3, AttnType: "default", AddAttention: true, DownType: "conv", UpType: "conv", Depth: depths{{1}},
		CosFirst: true, TimeType: "positional", TimeNorm: "default"}
	if err := checkpoint.Decode("config.json", config, &j.head); err != nil {
		return Config{}, err
	}
	if err := signatures.Decode("config.json", j.Class, config, &j, inert...); err != nil {
		return Config{}, err
	}
	if j.Class == ofVideos {
		j.MidType = &midOfVideos
	}
	if err := j.refuse(); err != nil {
		return Config{}, err
	}
	return j.config()
}

// The classes of diffusers.
const (
	ofPixels  = "UNet2DModel"
	ofPrompts = "UNet2DConditionModel"
	ofVideos  = "UNet3DConditionModel"
)

// midOfVideos is the block in the middle of a network of videos, which has no key for it.
var midOfVideos = "UNetMidBlock3DCrossAttn"

// signaturesJSON are the keys of these classes with their defaults;
// golden/generate_signatures.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference: dropout, how precisely the
// library computes the softmax, how it stores projections, and what means something
// only beside values of other keys that are refused.
var inert = []string{"dropout", "upcast_attention", "use_linear_projection", "num_train_timesteps", "addition_embed_type_num_heads"}

type head struct {
	Class string `json:"_class_name"`
}

// jsonConfig is config.json of any of the classes.
type jsonConfig struct {
	head
	Sample       checkpoint.Pair `json:"sample_size"`
	In           int             `json:"in_channels"`
	Out          int             `json:"out_channels"`
	Center       bool            `json:"center_input_sample"`
	TimeType     string          `json:"time_embedding_type"`
	TimeDim      int             `json:"time_embedding_dim"`
	FreqShift    float64         `json:"freq_shift"`
	CosFirst     bool            `json:"flip_sin_to_cos"`
	DownTypes    []string        `json:"down_block_types"`
	MidType      *string         `json:"mid_block_type"`
	UpTypes      []string        `json:"up_block_types"`
	Widths       []int           `json:"block_out_channels"`
	Layers       diffusion.Ints  `json:"layers_per_block"`
	MidScale     float64         `json:"mid_block_scale_factor"`
	DownPadding  int             `json:"downsample_padding"`
	DownType     string          `json:"downsample_type"`
	UpType       string          `json:"upsample_type"`
	Act          string          `json:"act_fn"`
	HeadDim      diffusion.Ints  `json:"attention_head_dim"`
	Groups       *int            `json:"norm_num_groups"`
	AttnGroups   *int            `json:"attn_norm_num_groups"`
	Eps          float64         `json:"norm_eps"`
	TimeNorm     string          `json:"resnet_time_scale_shift"`
	AddAttention bool            `json:"add_attention"`
	ClassType    *string         `json:"class_embed_type"`
	Classes      *int            `json:"num_class_embeds"`

	// UNet2DConditionModel's
	Context      diffusion.Ints  `json:"cross_attention_dim"`
	Depth        depths          `json:"transformer_layers_per_block"`
	DepthUp      depths          `json:"reverse_transformer_layers_per_block"`
	Heads        diffusion.Ints  `json:"num_attention_heads"`
	OnlyCross    json.RawMessage `json:"only_cross_attention"`
	MidOnlyCross *bool           `json:"mid_block_only_cross_attention"`
	DualCross    bool            `json:"dual_cross_attention"`
	ContextType  *string         `json:"encoder_hid_dim_type"`
	ContextDim   *int            `json:"encoder_hid_dim"`
	AddedType    *string         `json:"addition_embed_type"`
	AddedTime    int             `json:"addition_time_embed_dim"`
	AddedDim     int             `json:"projection_class_embeddings_input_dim"`
	SkipTimeAct  bool            `json:"resnet_skip_time_act"`
	OutScale     float64         `json:"resnet_out_scale_factor"`
	TimeAct      *string         `json:"time_embedding_act_fn"`
	TimePost     *string         `json:"timestep_post_act"`
	TimeCond     *int            `json:"time_cond_proj_dim"`
	KernelIn     int             `json:"conv_in_kernel"`
	KernelOut    int             `json:"conv_out_kernel"`
	AttnType     string          `json:"attention_type"`
	ClassConcat  bool            `json:"class_embeddings_concat"`
	CrossNorm    *string         `json:"cross_attention_norm"`
}

// depths are the numbers of transformer blocks at each level: of each block there,
// or one for all.
type depths []diffusion.Ints

// Expected says what is read into them, for errors.
func (*depths) Expected() string { return "a whole number, or a list of them and of lists of them" }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *depths) UnmarshalJSON(data []byte) error {
	var one int
	if string(data) != "null" && json.Unmarshal(data, &one) == nil {
		*d = depths{{one}}
		return nil
	}
	*d = nil
	return json.Unmarshal(data, (*[]diffusion.Ints)(d))
}

// at are the depths of a level's blocks.
func (d depths) at(key string, level, levels, blocks int) ([]int, error) {
	if len(d) == 1 {
		level, levels = 0, 1
	}
	if len(d) != levels {
		return nil, fmt.Errorf("config.json: %s has %d values, expected one or one for each of the %d blocks", key, len(d), levels)
	}
	if of := d[level]; len(of) > blocks { // as the library takes the first
		return of[:blocks], nil
	}
	return d[level].Of(key, blocks)
}

// refuse names what the library's networks have that this one has not.
func (j *jsonConfig) refuse() error {
	set := func(p *string) bool { return p != nil && *p != "" }
	for key, is := range map[string]bool{
		"center_input_sample": j.Center, "resnet_skip_time_act": j.SkipTimeAct, "dual_cross_attention": j.DualCross, "class_embeddings_concat": j.ClassConcat,
		"only_cross_attention": strings.Contains(string(j.OnlyCross), "true"), "mid_block_only_cross_attention": j.MidOnlyCross != nil && *j.MidOnlyCross,
		"encoder_hid_dim": j.ContextDim != nil, "encoder_hid_dim_type": set(j.ContextType), "time_embedding_act_fn": set(j.TimeAct), "timestep_post_act": set(j.TimePost),
		"cross_attention_norm": set(j.CrossNorm), "num_class_embeds": j.Classes != nil && !set(j.ClassType),
		"num_attention_heads":   j.Heads != nil,
		"norm_num_groups: null": j.Groups == nil, "mid_block_scale_factor": j.MidScale != 1, "resnet_out_scale_factor": j.OutScale != 1,
		"attn_norm_num_groups": j.AttnGroups != nil && (j.Groups == nil || *j.AttnGroups != *j.Groups),
	} {
		if is {
			return fmt.Errorf("config.json has %s, which is not supported; networks without it are, as those of DDPM, Stable Diffusion 1 and 2, and SDXL", key)
		}
	}
	for key, list := range map[string]diffusion.Ints{"layers_per_block": j.Layers, "attention_head_dim": j.HeadDim, "cross_attention_dim": j.Context} {
		if j.Class == ofVideos && len(list) != 1 {
			return fmt.Errorf("config.json: %s has %d values; a %s takes one", key, len(list), j.Class)
		}
	}
	if j.Class == ofPixels && set(j.ClassType) {
		if err := diffusion.OneOf("class_embed_type", *j.ClassType, "timestep"); err != nil {
			return err
		}
	}
	for key, found := range map[string]string{"downsample_type": j.DownType, "upsample_type": j.UpType} {
		if err := diffusion.OneOf(key, found, "conv"); err != nil {
			return err
		}
	}
	for key, found := range map[string]string{"resnet_time_scale_shift": j.TimeNorm, "attention_type": j.AttnType} {
		if err := diffusion.OneOf(key, found, "default"); err != nil {
			return err
		}
	}
	return diffusion.OneOf("time_embedding_type", j.TimeType, "positional")
}

// config brings the two classes to one form.
func (j *jsonConfig) config() (Config, error) {
	n := len(j.Widths)
	if n == 0 || len(j.DownTypes) != n || len(j.UpTypes) != n {
		return Config{}, fmt.Errorf("config.json has %d block_out_channels, %d down_block_types and %d up_block_types; expected as many of each", n, len(j.DownTypes), len(j.UpTypes))
	}
	if err := j.bounds(); err != nil {
		return Config{}, err
	}
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: act_fn: %w", err)
	}
	if j.DownPadding != 0 && j.DownPadding != 1 {
		return Config{}, fmt.Errorf("config.json: downsample_padding is %d; 0 and 1 are supported", j.DownPadding)
	}
	c := Config{In: j.In, Out: j.Out, Size: j.Sample, KernelIn: j.KernelIn, KernelOut: j.KernelOut, DownPadding: j.DownPadding, ActOut: act, ActTime: act, ActClass: act,
		Block: diffusion.Config{Groups: *j.Groups, Eps: j.Eps, Act: act, Time: j.TimeDim}, CosFirst: j.CosFirst, FreqShift: j.FreqShift}
	if c.Block.Time == 0 {
		c.Block.Time = 4 * j.Widths[0]
	}
	switch j.Class { // whatever act_fn is
	case ofPixels:
		c.ActOut, c.ActTime, c.ActClass = ops.SiLU, ops.SiLU, ops.SiLU
	case ofVideos:
		c.ActOut, c.Frames = ops.SiLU, j.HeadDim[0]
		if err := diffusion.Bounded(map[string]int{"attention_head_dim": c.Frames}, mostFrameHead); err != nil {
			return Config{}, err
		}
	}
	if err := j.levels(&c); err != nil {
		return Config{}, err
	}
	return c, j.embeddings(&c)
}

// bounds refuses numbers of blocks that nothing should be made of.
func (j *jsonConfig) bounds() error {
	if err := diffusion.Bounded(map[string]int{"number of block_out_channels": len(j.Widths)}, diffusion.MostLevels); err != nil {
		return err
	}
	if err := diffusion.CheckSample(j.Sample); err != nil {
		return err
	}
	for _, w := range j.Widths {
		if err := diffusion.Positive(map[string]int{"block_out_channels": w}); err != nil {
			return err
		}
	}
	for _, n := range j.Layers {
		if err := diffusion.Bounded(map[string]int{"layers_per_block": n}, diffusion.MostBlocks); err != nil {
			return err
		}
	}
	return nil
}

// levels reads the blocks of both ways and the middle.
func (j *jsonConfig) levels(c *Config) error {
	n := len(j.Widths)
	layers, err := j.Layers.Of("layers_per_block", n)
	if err != nil {
		return err
	}
	for i := range n {
		down, err := j.attention(i, layers[i], j.DownTypes[i], "Down")
		if err != nil {
			return fmt.Errorf("down_block_types: %w", err)
		}
		up, err := j.attention(i, layers[i]+1, j.UpTypes[n-1-i], "Up")
		if err != nil {
			return fmt.Errorf("up_block_types: %w", err)
		}
		c.Down = append(c.Down, Level{Width: j.Widths[i], Blocks: layers[i], Attention: down})
		c.Up = append(c.Up, Level{Width: j.Widths[i], Blocks: layers[i] + 1, Attention: up})
	}
	slices.Reverse(c.Up)
	if j.MidType != nil {
		c.Middle.Blocks = 2
		if j.Class == ofPrompts && *j.MidType == "UNetMidBlock2D" {
			c.Middle.Blocks = 1
		}
		if c.Middle.Attention, err = j.attention(n-1, 1, *j.MidType, "Mid"); err != nil {
			return fmt.Errorf("mid_block_type: %w", err)
		}
	}
	for _, w := range j.Context {
		if c.Context = j.Context[0]; w != c.Context {
			return fmt.Errorf("config.json: cross_attention_dim is %v; one width for all blocks is supported", j.Context)
		}
	}
	return nil
}

// attention is that of a type of block at level i, whose blocks are so many.
func (j *jsonConfig) attention(i, blocks int, kind, way string) (Attention, error) {
	condition := j.Class != ofPixels
	supported := []string{"Attn" + way + "Block2D", way + "Block2D"}
	switch {
	case way == "Mid" && j.Class == ofVideos:
		supported = []string{midOfVideos}
	case j.Class == ofVideos:
		supported = []string{"CrossAttn" + way + "Block3D", way + "Block3D"}
	case way == "Mid" && condition:
		supported = []string{"UNetMidBlock2DCrossAttn", "UNetMidBlock2D"}
	case way == "Mid":
		supported = []string{"UNetMidBlock2D"}
	case condition:
		supported[0] = "Cross" + supported[0]
	}
	if err := diffusion.OneOf("a block", kind, supported...); err != nil {
		return Attention{}, err
	}
	if kind != supported[0] || way == "Mid" && !j.AddAttention {
		return Attention{}, nil
	}
	heads, err := j.heads(i)
	if err != nil {
		return Attention{}, err
	}
	if !condition {
		return Attention{Kind: PixelAttention, Heads: heads}, nil
	}
	depth, err := j.depth(i, blocks, way)
	return Attention{Kind: CrossAttention, Heads: heads, Depths: depth}, err
}

// depth is how many transformer blocks follow each block of level i.
func (j *jsonConfig) depth(i, blocks int, way string) ([]int, error) {
	n := len(j.Widths)
	const down, up = "transformer_layers_per_block", "reverse_transformer_layers_per_block"
	if way != "Up" {
		return j.Depth.at(down, i, n, blocks)
	}
	if j.DepthUp != nil {
		return j.DepthUp.at(up, n-1-i, n, blocks)
	}
	for _, d := range j.Depth {
		if len(d) != 1 {
			return nil, fmt.Errorf("config.json: %s has lists, beside which %s must say those of the way up", down, up)
		}
	}
	return j.Depth.at(down, i, n, blocks)
}

// heads is how many heads the attention at level i has. In UNet2DModel and
// UNet3DConditionModel attention_head_dim is the size of one, in UNet2DConditionModel
// their number (diffusers' issue 2011).
func (j *jsonConfig) heads(i int) (int, error) {
	if len(j.HeadDim) == 0 && j.Class == ofPixels { // null: one head
		return 1, nil
	}
	values, err := j.HeadDim.Of("attention_head_dim", len(j.Widths))
	if err != nil {
		return 0, err
	}
	if j.Class == ofPrompts {
		return values[i], nil
	}
	if values[i] < 1 || j.Widths[i]%values[i] != 0 {
		return 0, fmt.Errorf("config.json: %d channels do not make attention heads of %d (attention_head_dim)", j.Widths[i], values[i])
	}
	return j.Widths[i] / values[i], nil
}

// embeddings reads what is added to the time.
func (j *jsonConfig) embeddings(c *Config) error {
	if j.TimeCond != nil {
		c.TimeCond = *j.TimeCond
		if err := diffusion.Positive(map[string]int{"time_cond_proj_dim": c.TimeCond}); err != nil {
			return err
		}
	}
	if j.ClassType != nil {
		if err := diffusion.OneOf("class_embed_type", *j.ClassType, "timestep", "projection"); err != nil {
			return err
		}
		c.Class = j.AddedDim
		if c.ClassTime = *j.ClassType == "timestep"; c.ClassTime {
			c.Class = j.Widths[0]
		}
		if err := diffusion.Positive(map[string]int{"projection_class_embeddings_input_dim": c.Class}); err != nil {
			return err
		}
	}
	if j.AddedType == nil {
		return nil
	}
	if err := diffusion.OneOf("addition_embed_type", *j.AddedType, "text_time"); err != nil {
		return err
	}
	c.Added, c.AddedTime = j.AddedDim, j.AddedTime
	return diffusion.Positive(map[string]int{"projection_class_embeddings_input_dim": c.Added, "addition_time_embed_dim": c.AddedTime})
}
