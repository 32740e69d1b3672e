package mobilenet

import (
	"fmt"
	"math"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/inverted"
	"saccade/ops"
	"saccade/weights"
)

// transformersConfig is config.json of MobileNetV2Config.
type transformersConfig struct {
	checkpoint.Common
	Channels     int             `json:"num_channels"`
	Image        checkpoint.Pair `json:"image_size"`
	Width        float64         `json:"depth_multiplier"`
	Divisor      int             `json:"depth_divisible_by"`
	Least        int             `json:"min_depth"`
	Expand       float64         `json:"expand_ratio"`
	OutputStride int             `json:"output_stride"`
	// FirstIsExpansion says that the first block does not expand.
	FirstIsExpansion bool    `json:"first_layer_is_expansion"`
	FineGrained      bool    `json:"finegrained_output"` // the last convolution does not get narrower than 1280
	Act              string  `json:"hidden_act"`
	Same             bool    `json:"tf_padding"`
	Eps              float64 `json:"layer_norm_eps"` // of the batch norms
}

// transformersInert change nothing of an inference.
var transformersInert = append([]string{"initializer_range", "classifier_dropout_prob", "semantic_loss_ignore_index"}, checkpoint.CommonInert...)

// describeTransformers reads MobileNetV2Model or MobileNetV2ForImageClassification.
func describeTransformers(src weights.Source, config []byte, _ string) (Config, weights.Source, error) {
	if config == nil {
		return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells padding and eps; give the folder that holds both")
	}
	var h transformersConfig
	if err := checkpoint.OfType(config, "mobilenet_v2"); err != nil {
		return Config{}, nil, err
	}
	if err := signatures.Decode("config.json", "MobileNetV2Config", config, &h, transformersInert...); err != nil {
		return Config{}, nil, err
	}
	if err := h.check(); err != nil {
		return Config{}, nil, fmt.Errorf("config.json: %w", err)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	c := Config{Image: h.Image, Channels: h.Channels, Stem: h.scaled(32), Features: h.scaled(1280), Act: act, Eps: h.Eps, Momentum: 0.997} // of a batch: so the class has it
	if h.FineGrained && h.Width < 1 {
		c.Features = 1280
	}
	h.blocks(&c)
	if h.Same {
		c.SetPadding(inverted.Same)
	}
	src = weights.Rename(src, transformersNames)
	var rules []weights.Rule
	for i := range sum(c.Depths()) - 1 { // after the one in the stem
		rules = append(rules, weights.Rule{From: fmt.Sprintf("layer.%d.**", i), To: fmt.Sprintf("list.%d.**", i+1)})
	}
	src = weights.Rename(weights.Rename(src, rules), inverted.Staged(c.Depths()))
	c.Classes = inverted.Rows(src, "classifier")
	c.Labels, c.Scores, err = h.Head(c.Classes)
	return c, src, err
}

// check refuses what transformers does not take, and sizes out of reason.
func (h transformersConfig) check() error {
	if !(h.Width > 0 && h.Width < 100 && h.Expand > 0 && h.Expand < 100) {
		return fmt.Errorf("depth_multiplier %g and expand_ratio %g must be positive and below 100", h.Width, h.Expand)
	}
	return inverted.Positive("", map[string]int{"depth_divisible_by": h.Divisor, "min_depth": h.Least, "output_stride": h.OutputStride})
}

// scaled are channels of the paper's table as transformers makes them.
func (h transformersConfig) scaled(channels int) int { return h.rounded(float64(channels) * h.Width) }

func (h transformersConfig) rounded(channels float64) int {
	return inverted.Scaled(math.RoundToEven(channels), 1, h.Divisor, h.Least)
}

// blocks are those of the paper's table. From where the map is smaller than the picture
// by output_stride, the next strides are dilations of the blocks after theirs.
func (h transformersConfig) blocks(c *Config) {
	in, stride, dilation := c.Stem, 2, 1
	for s, row := range tableV2 {
		out := h.scaled(row.channels)
		var blocks []inverted.BlockConfig
		for i := range row.expand {
			b := inverted.BlockConfig{Kernel: row.kernel, Stride: 1, Dilation: 1, Expanded: h.rounded(float64(in) * h.Expand), Out: out}
			if b.Expand = true; s == 0 {
				b.Expand, b.Expanded = !h.FirstIsExpansion, in
			}
			own := 1
			if i == 0 {
				own = row.stride
			}
			switch {
			case s == 0:
			case stride == h.OutputStride:
				b.Dilation, dilation = dilation, dilation*own
			default:
				b.Stride, stride = own, stride*own
			}
			b.Skip = s > 0 && b.Stride == 1 && in == out
			blocks, in = append(blocks, b), out
		}
		c.Stages = append(c.Stages, blocks)
	}
}
