package dfine

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"saccade/models/hgnet"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the config of transformers' class with their defaults;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// dfineConfig is config.json of DFineConfig.
type dfineConfig struct {
	hybrid.Keys
	Points       points  `json:"decoder_n_points"`
	OffsetScale  float64 `json:"decoder_offset_scale"`
	Method       string  `json:"decoder_method"`
	EvalIndex    int     `json:"eval_idx"`
	Bins         int     `json:"max_num_bins"`
	Scale        float64 `json:"reg_scale"`
	Up           float64 `json:"up"`
	DepthMult    float64 `json:"depth_mult"`
	Top          int     `json:"top_prob_values"`
	QualityWidth int     `json:"lqe_hidden_dim"`
	QualityDepth int     `json:"lqe_layers"`
}

// points are a number for all levels, or one for each.
type points []int

// UnmarshalJSON implements [json.Unmarshaler].
func (p *points) UnmarshalJSON(text []byte) error {
	var all int
	if json.Unmarshal(text, &all) == nil {
		*p = points{all}
		return nil
	}
	return json.Unmarshal(text, (*[]int)(p))
}

// Expected says what is read, for errors.
func (*points) Expected() string { return "a whole number, or one for each level" }

// inert change nothing of an inference: the loss, and the width of layers behind the one that
// is evaluated, of which there are none.
var inert = append([]string{"weight_loss_fgl", "weight_loss_ddf", "layer_scale", "tie_word_embeddings"}, hybrid.Inert...)

// names are those of the class.
func names(c Config) []weights.Rule {
	last := fmt.Sprint(c.DecoderDepth - 1)
	rules := slices.Concat(hybrid.Names(), []weights.Rule{
		{From: "model.decoder.layers.*.encoder_attn.sampling_offsets.*", To: "layers.*.cross.offsets.*"},
		{From: "model.decoder.layers.*.encoder_attn.attention_weights.*", To: "layers.*.cross.weights.*"},
		{From: "model.decoder.layers.*.encoder_attn.num_points_scale", To: ""}, // see Describe
		{From: "model.decoder.layers.*.gateway.gate.*", To: "layers.*.gate.*"},
		{From: "model.decoder.layers.*.gateway.norm.*", To: "layers.*.gate_norm.*"},
		{From: "model.decoder.pre_bbox_head.**", To: "first_box.**"},
		{From: "model.decoder.bbox_embed.*.**", To: "layers.*.box_head.**"},
		{From: "model.decoder.class_embed." + last + ".*", To: "class_head.*"},
		{From: "model.decoder.class_embed.**", To: ""}, // of the other layers, for training
		{From: "model.decoder.lqe_layers." + last + ".reg_conf.**", To: "quality.**"},
		{From: "model.decoder.lqe_layers.**", To: ""},
		{From: "model.decoder.up", To: ""}, // in the configuration
		{From: "model.decoder.reg_scale", To: ""},
	})
	for _, part := range [][2]string{{"model.encoder.fpn_blocks.*.", "encoder.top.*."}, {"model.encoder.pan_blocks.*.", "encoder.bottom.*."}} {
		rules = append(rules, hybrid.FusionNames(part[0]+"csp_rep*.", part[1]+"csp*.")...)
		rules = append(rules, hybrid.ConvNames(part[0]+"conv*", part[1]+"conv*")...)
	}
	rules = append(rules, hybrid.ConvNames("model.encoder.downsample_convs.*.conv*", "encoder.down.*.conv*")...)
	return append(rules, c.BackboneNames()...)
}

// Describe reads a checkpoint of transformers' DFineForObjectDetection.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var h dfineConfig
	if err := signatures.Decode("config.json", "DFineConfig", config, &h, inert...); err != nil {
		return Config{}, nil, err
	}
	shared, err := h.Describe(src, "hgnet_v2")
	if err != nil {
		return Config{}, nil, err
	}
	c := Config{Config: shared, Blocks: int(math.RoundToEven(3 * h.DepthMult)), Bins: h.Bins, Top: h.Top}
	c.Points, c.OffsetScale, c.Discrete = h.Points, h.OffsetScale, h.Method == "discrete"
	if len(c.Points) == 1 && c.Levels > 0 && c.Levels <= 1<<10 {
		c.Points = slices.Repeat(c.Points, c.Levels)
	}
	switch {
	case h.Method != "default" && h.Method != "discrete":
		return c, nil, fmt.Errorf("config.json: decoder_method is %q; default and discrete are known", h.Method)
	case h.EvalIndex != -1 && h.EvalIndex != h.DecoderN-1:
		return c, nil, fmt.Errorf("config.json: eval_idx is %d of %d decoder_layers; the last, -1, is supported", h.EvalIndex, h.DecoderN)
	case h.QualityDepth < 2 || h.QualityDepth > 64:
		return c, nil, fmt.Errorf("config.json: lqe_layers is %d; two and more are supported", h.QualityDepth)
	}
	c.Quality = slices.Repeat([]int{h.QualityWidth}, h.QualityDepth-1)
	if c.Up, err = checkpoint.Scalar(src, "model.decoder.up", h.Up); err != nil {
		return c, nil, err
	}
	if c.Scale, err = checkpoint.Scalar(src, "model.decoder.reg_scale", h.Scale); err != nil {
		return c, nil, err
	}
	if err := c.Config.Check(); err != nil { // before lists and loops as long as it says
		return c, nil, err
	}
	if err := c.checkPoints(src); err != nil {
		return c, nil, err
	}
	named := weights.Rename(hybrid.Untied(src), names(c))
	return c, c.spread(named), nil
}

// checkPoints refuses a checkpoint whose offsets count otherwise than by the config's points.
func (c Config) checkPoints(src weights.Source) error {
	var want []float32
	for _, n := range c.Points {
		want = append(want, slices.Repeat([]float32{1 / float32(n)}, n)...)
	}
	for i := range c.DecoderDepth {
		name := fmt.Sprintf("model.decoder.layers.%d.encoder_attn.num_points_scale", i)
		got, ok, err := checkpoint.Values(src, name)
		if err != nil || ok && !slices.Equal(got, want) {
			return fmt.Errorf("the checkpoint's %s is not what decoder_n_points %v make (%v)", name, c.Points, err)
		}
	}
	return nil
}

// spread shows the last layer of the quality's perceptron, of one output, with as many alike as
// there are classes, whose logits it is added to.
func (c Config) spread(src weights.Source) weights.Source {
	var more []*weights.Tensor
	for _, part := range []string{"weight", "bias"} {
		t, ok := src.Tensor(fmt.Sprintf("quality.layers.%d.%s", len(c.Quality), part))
		if !ok || len(t.Shape) < 1 || t.Shape[0] != 1 || c.Classes < 1 {
			continue
		}
		wide := *t
		wide.Shape = append([]int{c.Classes}, t.Shape[1:]...)
		more = append(more, weights.Computed(&wide, t.DType, func() []byte { return slices.Repeat(t.Bytes(), c.Classes) }))
	}
	return weights.With(src, more...)
}

// Standard is an architecture as published, with COCO's 80 classes.
func Standard(name string) (Config, bool) {
	backbone, ok := hgnet.Standard(map[string]string{"dfine_l": "hgnetv2_b4"}[name])
	c := hybrid.Config{Backbone: hybrid.Backbone{HGNet: &backbone}, Maps: []int{2, 3, 4}, Width: 256, EncoderDepth: 1, Attended: []int{2}, Temperature: 10000,
		Act: ops.SiLU, NormEps: 1e-5, Expansion: 1, DecoderDepth: 6, Levels: 3, Points: []int{3, 6, 3}, OffsetScale: 0.5, Queries: 300, Classes: 80,
		Attention: transformer.LayerConfig{Width: 256, Heads: 8, MLP: 1024, Act: ops.GELU, Eps: 1e-5},
		Decoder:   transformer.LayerConfig{Width: 256, Heads: 8, MLP: 1024, Act: ops.ReLU, Eps: 1e-5}}
	return Config{Config: c, Blocks: 3, Bins: 32, Up: 0.5, Scale: 4, Top: 4, Quality: []int{64}}, ok
}
