package unet

import (
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
	return c, diffusion.Renamed(src), err
}

// Parse reads config.json of diffusers' UNet2DModel or UNet2DConditionModel.
func Parse(config []byte) (Config, error) {
	var head struct {
		Class string `json:"_class_name"`
	}
	if err := json.Unmarshal(config, &head); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if err := diffusion.OneOf("_class_name", head.Class, "UNet2DModel", "UNet2DConditionModel"); err != nil {
		return Config{}, err
	}
	j := defaults()
	if head.Class == "UNet2DConditionModel" {
		j = conditionDefaults()
	}
	if err := json.Unmarshal(config, &j); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if err := j.refuse(); err != nil {
		return Config{}, err
	}
	return j.config()
}

// jsonConfig is config.json of either class.
type jsonConfig struct {
	Class        string          `json:"_class_name"`
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
	Depth        diffusion.Ints  `json:"transformer_layers_per_block"`
	DepthUp      json.RawMessage `json:"reverse_transformer_layers_per_block"`
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

// text is a pointer to s.
func text(s string) *string { return &s }

// defaults are UNet2DModel's for absent keys.
func defaults() jsonConfig {
	groups := 32
	return jsonConfig{In: 3, Out: 3, TimeType: "positional", CosFirst: true,
		DownTypes: []string{"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"}, MidType: text("UNetMidBlock2D"),
		UpTypes: []string{"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"}, Widths: []int{224, 448, 672, 896},
		Layers: diffusion.Ints{2}, MidScale: 1, DownPadding: 1, DownType: "conv", UpType: "conv", Act: "silu", HeadDim: diffusion.Ints{8},
		Groups: &groups, Eps: 1e-5, TimeNorm: "default", AddAttention: true, Depth: diffusion.Ints{1}, OutScale: 1, KernelIn: 3, KernelOut: 3, AttnType: "default"}
}

// conditionDefaults are UNet2DConditionModel's.
func conditionDefaults() jsonConfig {
	j := defaults()
	j.In, j.Out, j.Widths, j.Context = 4, 4, []int{320, 640, 1280, 1280}, diffusion.Ints{1280}
	j.DownTypes = []string{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}
	j.MidType = text("UNetMidBlock2DCrossAttn")
	j.UpTypes = []string{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}
	return j
}

// refuse names what the library's networks have that this one has not.
func (j *jsonConfig) refuse() error {
	set := func(p *string) bool { return p != nil && *p != "" }
	for key, is := range map[string]bool{
		"center_input_sample": j.Center, "resnet_skip_time_act": j.SkipTimeAct, "dual_cross_attention": j.DualCross, "class_embeddings_concat": j.ClassConcat,
		"only_cross_attention": strings.Contains(string(j.OnlyCross), "true"), "mid_block_only_cross_attention": j.MidOnlyCross != nil && *j.MidOnlyCross,
		"encoder_hid_dim": j.ContextDim != nil || set(j.ContextType), "time_embedding_act_fn": set(j.TimeAct), "timestep_post_act": set(j.TimePost),
		"cross_attention_norm": set(j.CrossNorm), "num_class_embeds": j.Classes != nil && !set(j.ClassType),
		"reverse_transformer_layers_per_block": len(j.DepthUp) > 0 && string(j.DepthUp) != "null",
		"norm_num_groups: null":                j.Groups == nil, "mid_block_scale_factor": j.MidScale != 1, "resnet_out_scale_factor": j.OutScale != 1,
		"attn_norm_num_groups": j.AttnGroups != nil && (j.Groups == nil || *j.AttnGroups != *j.Groups),
	} {
		if is {
			return fmt.Errorf("config.json has %s, which is not supported; networks without it are, as those of DDPM, Stable Diffusion 1 and 2, and SDXL", key)
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
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: act_fn: %w", err)
	}
	c := Config{In: j.In, Out: j.Out, Size: j.Sample, KernelIn: j.KernelIn, KernelOut: j.KernelOut, DownPadding: j.DownPadding, ActOut: act,
		Block: diffusion.Config{Groups: *j.Groups, Eps: j.Eps, Act: act, Time: j.TimeDim}, CosFirst: j.CosFirst, FreqShift: j.FreqShift}
	if c.Block.Time == 0 {
		c.Block.Time = 4 * j.Widths[0]
	}
	if j.Class == "UNet2DModel" {
		c.ActOut = ops.SiLU // whatever act_fn is
	}
	if err := j.levels(&c); err != nil {
		return Config{}, err
	}
	return c, j.embeddings(&c)
}

// levels reads the blocks of both ways and the middle.
func (j *jsonConfig) levels(c *Config) error {
	n := len(j.Widths)
	layers, err := j.Layers.Of("layers_per_block", n)
	if err != nil {
		return err
	}
	for i := range n {
		down, err := j.attention(i, j.DownTypes[i], "Down")
		if err != nil {
			return fmt.Errorf("down_block_types: %w", err)
		}
		up, err := j.attention(i, j.UpTypes[n-1-i], "Up")
		if err != nil {
			return fmt.Errorf("up_block_types: %w", err)
		}
		c.Down = append(c.Down, Level{Width: j.Widths[i], Blocks: layers[i], Attention: down})
		c.Up = append(c.Up, Level{Width: j.Widths[i], Blocks: layers[i] + 1, Attention: up})
	}
	slices.Reverse(c.Up)
	if j.MidType != nil {
		c.HasMiddle = true
		if c.Middle, err = j.attention(n-1, *j.MidType, "Mid"); err != nil {
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

// attention is that of a type of block at level i.
func (j *jsonConfig) attention(i int, kind, way string) (Attention, error) {
	condition := j.Class == "UNet2DConditionModel"
	supported := []string{"Attn" + way + "Block2D", way + "Block2D"}
	switch {
	case way == "Mid" && condition:
		supported = []string{"UNetMidBlock2DCrossAttn"}
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
	depth, err := j.Depth.Of("transformer_layers_per_block", len(j.Widths))
	if err != nil {
		return Attention{}, err
	}
	return Attention{Kind: CrossAttention, Heads: heads, Depth: depth[i]}, nil
}

// heads is how many heads the attention at level i has. In UNet2DModel
// attention_head_dim is the size of one, in UNet2DConditionModel their number
// (diffusers' issue 2011).
func (j *jsonConfig) heads(i int) (int, error) {
	if len(j.HeadDim) == 0 && j.Class == "UNet2DModel" { // null: one head
		return 1, nil
	}
	values, err := j.HeadDim.Of("attention_head_dim", len(j.Widths))
	if err != nil {
		return 0, err
	}
	if j.Class == "UNet2DConditionModel" {
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
