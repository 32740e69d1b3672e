package sam

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Keys of SAM 2's configs on which nothing of the classes depends: activations and norms
// that are of masks as prompts, or fixed, and what stages tell of their own.
var (
	secondInert = append([]string{"hidden_act", "layer_norm_eps", "scale"}, inert...)
	hieraInert  = append([]string{"num_attention_heads", "image_size"}, inert...)
)

// secondVisionJSON is vision_config of Sam2Config, hieraJSON its backbone_config.
type secondVisionJSON struct {
	Backbone json.RawMessage   `json:"backbone_config"`
	Channels []int             `json:"backbone_channel_list"`
	Maps     []checkpoint.Pair `json:"backbone_feature_sizes"`
	Width    int               `json:"fpn_hidden_size"`
	Kernel   int               `json:"fpn_kernel_size"`
	Stride   int               `json:"fpn_stride"`
	Pad      int               `json:"fpn_padding"`
	TopDown  []int             `json:"fpn_top_down_levels"`
	Levels   int               `json:"num_feature_levels"`
}

type hieraJSON struct {
	Width      int              `json:"hidden_size"`
	Channels   int              `json:"num_channels"`
	Kernel     *checkpoint.Pair `json:"patch_kernel_size"`
	Stride     *checkpoint.Pair `json:"patch_stride"`
	Pad        *checkpoint.Pair `json:"patch_padding"`
	Pool       *checkpoint.Pair `json:"query_stride"`
	Background *checkpoint.Pair `json:"window_positional_embedding_background_size"`
	Pools      int              `json:"num_query_pool_stages"`
	Depths     []int            `json:"blocks_per_stage"`
	Widths     []int            `json:"embed_dim_per_stage"`
	Heads      []int            `json:"num_attention_heads_per_stage"`
	Windows    []int            `json:"window_size_per_stage"`
	Global     []int            `json:"global_attention_blocks"`
	Ratio      float64          `json:"mlp_ratio"`
	Act        string           `json:"hidden_act"`
	Eps        float64          `json:"layer_norm_eps"`
}

type secondDecoderJSON struct {
	decoderJSON
	Dynamic bool    `json:"dynamic_multimask_via_stability"`
	Delta   float64 `json:"dynamic_multimask_stability_delta"`
	Least   float64 `json:"dynamic_multimask_stability_thresh"`
}

// describeSecond reads a folder of Sam2Model or, for still pictures, Sam2VideoModel.
func describeSecond(src weights.Source, config []byte) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells the windows and heads; give the folder that holds both")
	}
	if err := checkpoint.OfType(config, "sam2", "sam2_video"); err != nil {
		return Config{}, nil, err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(config, &parts); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	var v secondVisionJSON
	var h hieraJSON
	var p promptJSON
	var d secondDecoderJSON
	err := decodeParts(parts, map[string]part{
		"vision_config": {"Sam2VisionConfig", &v, secondInert}, "prompt_encoder_config": {"Sam2PromptEncoderConfig", &p, secondInert}, "mask_decoder_config": {"Sam2MaskDecoderConfig", &d, secondInert},
	})
	if err == nil {
		err = decodeParts(map[string]json.RawMessage{"backbone_config": v.Backbone}, map[string]part{"backbone_config": {"Sam2HieraDetConfig", &h, hieraInert}})
	}
	if err != nil {
		return Config{}, nil, err
	}
	c, err := secondConfig(v, h, p, d)
	if err == nil {
		src, err = tied(src)
	}
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	if src, err = splitPooled(src, "vision_encoder.backbone.", c.Second.Hiera); err == nil {
		src, err = splitPoints(src)
	}
	if err != nil {
		return Config{}, nil, err
	}
	return c, weights.Rename(withPadding(src, "prompt_encoder.not_a_point_embed.weight"), append(secondNames, transformersNames(c.Decoder.ScoreDepth)...)), nil
}

// secondConfig is the configuration that the parts say.
func secondConfig(v secondVisionJSON, h hieraJSON, p promptJSON, d secondDecoderJSON) (Config, error) {
	hiera, err := h.config()
	if err != nil {
		return Config{}, fmt.Errorf("vision_config: backbone_config: %w", err)
	}
	s := SecondConfig{Image: p.Image[0], Hiera: hiera, FPN: FPNConfig{Width: v.Width, TopDown: v.TopDown}}
	if s.FPN.TopDown == nil {
		s.FPN.TopDown = []int{2, 3}
	}
	for _, stage := range hiera.Stages {
		s.FPN.Widths = append(s.FPN.Widths, stage.Width)
	}
	if d.Dynamic {
		s.Stability = &Stability{d.Delta, d.Least}
	}
	switch {
	case p.Image[0] != p.Image[1]:
		return Config{}, fmt.Errorf("prompt_encoder_config: image_size is %v; expected a square", p.Image)
	case v.Kernel != 1 || v.Stride != 1 || v.Pad != 0:
		return Config{}, fmt.Errorf("vision_config: fpn_kernel_size, fpn_stride and fpn_padding are %d, %d and %d; 1, 1 and 0 are supported", v.Kernel, v.Stride, v.Pad)
	case v.Levels != levels:
		return Config{}, fmt.Errorf("vision_config: num_feature_levels is %d; the mask decoder takes %d", v.Levels, levels)
	case d.Depth != 2:
		return Config{}, fmt.Errorf("mask_decoder_config: num_hidden_layers is %d, which are the layers of perceptrons too; 2 are supported", d.Depth)
	case p.Width != d.Width:
		return Config{}, fmt.Errorf("hidden_size is %d in prompt_encoder_config and %d in mask_decoder_config; expected equal", p.Width, d.Width)
	case p.Points != noPoint:
		return Config{}, fmt.Errorf("prompt_encoder_config: num_point_embeddings is %d; expected %d, points outside and inside and two corners of boxes", p.Points, noPoint)
	}
	if err := s.check(); err != nil {
		return Config{}, err
	}
	if err := s.checkStated(v, p.Patch); err != nil {
		return Config{}, err
	}
	d.Act, d.Eps = "relu", finalEps
	c := Config{Second: &s, Points: p.Width / 2, Decoder: d.config(ops.ReLU, d.Downsample)}
	c.Decoder.Objects = true
	return c, nil
}

// checkStated refuses sizes of maps in a config that are not those that it makes.
func (c SecondConfig) checkStated(v secondVisionJSON, patch checkpoint.Pair) error {
	sizes, err := c.Hiera.maps(ops.Square(c.Image))
	if err != nil {
		return err
	}
	if v.Channels == nil {
		v.Channels = []int{768, 384, 192, 96}
	}
	slices.Reverse(v.Channels)
	if !slices.Equal(v.Channels, c.FPN.Widths) {
		return fmt.Errorf("vision_config: backbone_channel_list is of stages of %v channels and embed_dim_per_stage of %v; expected equal", v.Channels, c.FPN.Widths)
	}
	if v.Maps == nil {
		v.Maps = []checkpoint.Pair{{256, 256}, {128, 128}, {64, 64}}
	}
	for i, m := range v.Maps {
		if i >= levels || sizes[i] != m {
			return fmt.Errorf("vision_config: backbone_feature_sizes are %v; an image_size of %d makes maps of %v", v.Maps, c.Image, sizes[:levels])
		}
	}
	if patch[0] < 1 || ops.Square(c.Image/patch[0]) != sizes[levels-1] || patch[0] != patch[1] {
		return fmt.Errorf("prompt_encoder_config: patch_size is %v; an image_size of %d makes maps of %v", patch, c.Image, sizes[levels-1])
	}
	return nil
}

// config is the encoder's configuration.
func (h hieraJSON) config() (HieraConfig, error) {
	pair := func(p *checkpoint.Pair, absent int) [2]int {
		if p == nil {
			return ops.Square(absent)
		}
		return *p
	}
	list := func(l *[]int, absent ...int) {
		if *l == nil {
			*l = absent
		}
	}
	list(&h.Depths, 1, 2, 7, 2)
	list(&h.Widths, 96, 192, 384, 768)
	list(&h.Heads, 1, 2, 4, 8)
	list(&h.Windows, 8, 4, 14, 7)
	list(&h.Global, 5, 7, 9)
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return HieraConfig{}, fmt.Errorf("hidden_act: %w", err)
	}
	n := len(h.Depths)
	switch {
	case n < 1 || n > maxStages || len(h.Widths) != n || len(h.Heads) != n || len(h.Windows) != n:
		return HieraConfig{}, fmt.Errorf("blocks_per_stage, embed_dim_per_stage, num_attention_heads_per_stage and window_size_per_stage are of %d, %d, %d and %d stages; expected as many, 1 to %d", n, len(h.Widths), len(h.Heads), len(h.Windows), maxStages)
	case h.Width != h.Widths[0]:
		return HieraConfig{}, fmt.Errorf("hidden_size is %d and embed_dim_per_stage begins with %d; expected equal", h.Width, h.Widths[0])
	case !(h.Ratio > 0 && h.Ratio < 100):
		return HieraConfig{}, fmt.Errorf("mlp_ratio is %g; expected above 0 and below 100", h.Ratio)
	case !(h.Eps > 0 && h.Eps < 1):
		return HieraConfig{}, fmt.Errorf("layer_norm_eps is %g; expected between 0 and 1", h.Eps)
	}
	c := HieraConfig{Channels: h.Channels, Kernel: pair(h.Kernel, 7), Stride: pair(h.Stride, 4), Pad: pair(h.Pad, 3), Background: pair(h.Background, 7), Pool: pair(h.Pool, 2),
		Pools: h.Pools, Global: h.Global, Act: act, Eps: h.Eps}
	for i := range n {
		c.Stages = append(c.Stages, HieraStage{Depth: h.Depths[i], Width: h.Widths[i], Inner: int(float64(h.Widths[i]) * h.Ratio), Heads: h.Heads[i], Window: h.Windows[i]})
	}
	return c, nil
}

// maxStages bounds the stages of a Hiera; the published have four.
const maxStages = 16

// secondSizes are the sizes of the published SAM 2's image encoders, of SAM 2.1 too.
var secondSizes = map[string]struct {
	width, heads, background int
	depths, windows, global  []int
}{
	"sam2_hiera_tiny":      {96, 1, 7, []int{1, 2, 7, 2}, []int{8, 4, 14, 7}, []int{5, 7, 9}},
	"sam2_hiera_small":     {96, 1, 7, []int{1, 2, 11, 2}, []int{8, 4, 14, 7}, []int{7, 10, 13}},
	"sam2_hiera_base_plus": {112, 2, 14, []int{2, 3, 16, 3}, []int{8, 4, 14, 7}, []int{12, 16, 20}},
	"sam2_hiera_large":     {144, 2, 7, []int{2, 6, 36, 4}, []int{8, 4, 16, 8}, []int{23, 33, 43}},
}

// secondSize is the configuration of a published one's image encoder.
func secondSize(name string) SecondConfig {
	s := secondSizes[name]
	c := SecondConfig{Image: usualSide, FPN: FPNConfig{Width: 256, TopDown: []int{2, 3}}, Stability: &Stability{0.05, 0.98},
		Hiera: HieraConfig{Channels: 3, Kernel: ops.Square(7), Stride: ops.Square(4), Pad: ops.Square(3), Background: ops.Square(s.background), Pool: ops.Square(2), Pools: 3,
			Global: s.global, Act: ops.GELU, Eps: authorsEps}}
	for i, depth := range s.depths {
		width := s.width << i
		c.Hiera.Stages = append(c.Hiera.Stages, HieraStage{Depth: depth, Width: width, Inner: 4 * width, Heads: s.heads << i, Window: s.windows[i]})
		c.FPN.Widths = append(c.FPN.Widths, width)
	}
	return c
}

// describeSecondAuthors reads a file of the authors, whose windows, heads and blocks with
// attention over the whole map no tensor tells: those of the published one of its sizes.
func describeSecondAuthors(src weights.Source) (Config, weights.Source, error) {
	const trunk = "image_encoder.trunk."
	src = weights.Rename(src, []weights.Rule{{From: "sam_mask_decoder.**", To: "mask_decoder.**"}, {From: "sam_prompt_encoder.**", To: "prompt_encoder.**"}})
	width, blocks := checkpoint.Rows(src, trunk+"patch_embed.proj.weight"), 0
	for checkpoint.Has(src, fmt.Sprintf("%sblocks.%d.norm1.weight", trunk, blocks)) {
		blocks++
	}
	for _, name := range slices.Sorted(maps.Keys(secondSizes)) {
		s := secondSize(name)
		if s.Hiera.Stages[0].Width != width || len(s.Hiera.blocks()) != blocks {
			continue
		}
		c := Config{Second: &s, Points: checkpoint.Dim(src, "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", 1), Decoder: authorsDecoder(src)}
		c.Decoder.Objects, c.Decoder.MLP = true, checkpoint.Rows(src, "mask_decoder.transformer.layers.0.mlp.layers.0.weight")
		src, err := splitPooled(src, trunk, s.Hiera)
		if err != nil {
			return Config{}, nil, err
		}
		return c, weights.Rename(withPadding(src, "prompt_encoder.not_a_point_embed.weight"), secondAuthorsNames), nil
	}
	return Config{}, nil, fmt.Errorf("the image encoder has %d blocks, the first of %d channels, which is no published SAM 2 of %v; its windows are unknown, give a folder of transformers", blocks, width, slices.Sorted(maps.Keys(secondSizes)))
}

// splitPooled shows the fused projections of the blocks that pool queries as three.
func splitPooled(src weights.Source, trunk string, c HieraConfig) (weights.Source, error) {
	var err error
	for i, b := range c.blocks() {
		if !b.pool {
			continue
		}
		at := fmt.Sprintf("%sblocks.%d.attn.", trunk, i)
		for _, kind := range []string{"weight", "bias"} {
			if src, err = checkpoint.SplitRows(src, at+"qkv."+kind, at+"q."+kind, at+"k."+kind, at+"v."+kind); err != nil {
				return nil, err
			}
		}
		src = weights.Rename(src, []weights.Rule{{From: at + "qkv.*", To: ""}})
	}
	return src, nil
}

// pointTable is the tensor of the embeddings of all kinds of points.
const pointTable = "prompt_encoder.point_embed.weight"

// splitPoints shows them one by one, as SamModel has them.
func splitPoints(src weights.Source) (weights.Source, error) {
	var parts []string
	for i := range noPoint {
		parts = append(parts, fmt.Sprintf("prompt_encoder.point_embed.%d.weight", i))
	}
	return checkpoint.SplitRows(src, pointTable, parts...)
}
