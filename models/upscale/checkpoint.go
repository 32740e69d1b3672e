package upscale

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/weights"
)

// Family is the networks that enlarge images.
var Family = nn.Family{
	Name:          "upscale",
	About:         "images of 2 or 4 times the size: Real-ESRGAN and ESRGAN",
	Weights:       "their authors' file (RRDBNet, or SRVGGNetCompact as realesr-general-x4v3)",
	Architectures: []string{"realesrgan_x4plus", "realesrgan_x2plus", "realesrgan_x4plus_anime_6b", "realesr_general_x4v3", "realesr_animevideov3"},
	Timed:         []string{"realesrgan_128"}, // realesrgan_x4plus of an image of 128×128 pixels
	Embedded:      "upscale",
	Task:          nn.Enlarge,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers, Processor: &picture.Processor{Rescale: 1.0 / 255}, Tiled: c.tiled, Tiles: true}, nil
	},
	Standard: nn.StandardOf(Standard),
}

// Describe reads a checkpoint by its tensors.
func Describe(src weights.Source) (Config, weights.Source, error) {
	if checkpoint.Has(src, "model.1.sub.0.RDB1.conv1.0.weight") {
		src = original(src)
	}
	switch {
	case checkpoint.Has(src, "conv_first.weight") && checkpoint.Has(src, "body.0.rdb1.conv1.weight"):
		return describeRRDB(src)
	case checkpoint.Has(src, "body.0.weight") && checkpoint.Has(src, "body.1.weight"):
		return describeCompact(src)
	}
	return Config{}, nil, checkpoint.Unknown(src, "RRDBNet or SRVGGNetCompact", "neither body.0.rdb1.conv1.weight nor body.0.weight and body.1.weight")
}

// original shows ESRGAN's first files, whose layers are counted through, under the names of later
// ones.
func original(src weights.Source) weights.Source {
	rules := []weights.Rule{{From: "model.0.*", To: "conv_first.*"}}
	for j := range denseBlocks {
		for k := range denseConvs {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("model.1.sub.*.RDB%d.conv%d.0.*", j+1, k+1), To: fmt.Sprintf("body.*.rdb%d.conv%d.*", j+1, k+1)})
		}
	}
	blocks := 0
	for checkpoint.Has(src, fmt.Sprintf("model.1.sub.%d.RDB1.conv1.0.weight", blocks)) {
		blocks++
	}
	rules = append(rules, weights.Rule{From: fmt.Sprintf("model.1.sub.%d.*", blocks), To: "conv_body.*"})
	var numbers []int
	for _, name := range src.Names() {
		parts := strings.Split(name, ".")
		if n, err := strconv.Atoi(parts[min(1, len(parts)-1)]); err == nil && n > 1 && len(parts) == 3 && parts[2] == "weight" {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		to := fmt.Sprintf("conv_up%d.*", i+1)
		switch len(numbers) - i {
		case 1:
			to = "conv_last.*"
		case 2:
			to = "conv_hr.*"
		}
		rules = append(rules, weights.Rule{From: fmt.Sprintf("model.%d.*", n), To: to})
	}
	return weights.Rename(src, rules)
}

func describeRRDB(src weights.Source) (Config, weights.Source, error) {
	c := Config{Channels: checkpoint.Rows(src, "conv_last.weight"), Width: checkpoint.Rows(src, "conv_first.weight"), Growth: checkpoint.Rows(src, "body.0.rdb1.conv1.weight")}
	var rules []weights.Rule
	for j := range denseBlocks {
		for k := range denseConvs {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("body.*.rdb%d.conv%d.*", j+1, k+1), To: fmt.Sprintf("body.*.rdb.%d.conv.%d.*", j, k)})
		}
	}
	for checkpoint.Has(src, fmt.Sprintf("body.%d.rdb1.conv1.weight", c.Blocks)) {
		c.Blocks++
	}
	for checkpoint.Has(src, fmt.Sprintf("conv_up%d.weight", c.Ups+1)) {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("conv_up%d.*", c.Ups+1), To: fmt.Sprintf("up.%d.*", c.Ups)})
		c.Ups++
	}
	in := checkpoint.Dim(src, "conv_first.weight", 1)
	if c.Shrink = int(math.Round(math.Sqrt(float64(in) / float64(max(c.Channels, 1))))); c.Channels < 1 || c.Shrink < 1 || c.Shrink*c.Shrink*c.Channels != in || 1<<c.Ups%c.Shrink != 0 {
		return c, nil, fmt.Errorf("the checkpoint takes %d channels and gives %d; expected as many, or 4 or 16 times as many to take", in, c.Channels)
	}
	named := weights.Rename(src, rules)
	if c.Shrink == 1 {
		return c, named, nil
	}
	first, err := checkpoint.Unshuffled(named, "conv_first.weight", c.Channels, c.Shrink)
	if err != nil {
		return c, nil, err
	}
	return c, weights.With(named, first), nil
}

func describeCompact(src weights.Source) (Config, weights.Source, error) {
	c := Config{Compact: true, Shrink: 1, Channels: checkpoint.Dim(src, "body.0.weight", 1), Width: checkpoint.Rows(src, "body.0.weight"), Blocks: -1}
	var rules []weights.Rule
	last := 0
	for checkpoint.Has(src, fmt.Sprintf("body.%d.weight", last+2)) {
		if t, _ := src.Tensor(fmt.Sprintf("body.%d.weight", last+1)); t == nil || len(t.Shape) != 1 || t.Shape[0] != c.Width {
			return c, nil, fmt.Errorf("the checkpoint has no body.%d.weight of %d slopes; SRVGGNetCompact with PReLU is supported, one with another activation is not", last+1, c.Width)
		}
		rules = append(rules, weights.Rule{From: fmt.Sprintf("body.%d.*", last), To: fmt.Sprintf("convs.%d.*", last/2)}, weights.Rule{From: fmt.Sprintf("body.%d.*", last+1), To: fmt.Sprintf("acts.%d.*", last/2)})
		last += 2
		c.Blocks++
	}
	rules = append(rules, weights.Rule{From: fmt.Sprintf("body.%d.*", last), To: fmt.Sprintf("convs.%d.*", last/2)})
	out := checkpoint.Rows(src, fmt.Sprintf("body.%d.weight", last))
	if c.Factor = int(math.Round(math.Sqrt(float64(out) / float64(max(c.Channels, 1))))); c.Factor*c.Factor*c.Channels != out {
		return c, nil, fmt.Errorf("the checkpoint's last convolution gives %d channels; expected a square times %d", out, c.Channels)
	}
	return c, weights.Rename(src, rules), nil
}

// Standard is an architecture as published.
func Standard(name string) (Config, bool) {
	c := Config{Channels: 3, Width: 64, Blocks: 23, Growth: 32, Shrink: 1, Ups: 2}
	switch name {
	case "realesrgan_x4plus", "realesrgan_128":
	case "realesrgan_x2plus":
		c.Shrink = 2
	case "realesrgan_x4plus_anime_6b":
		c.Blocks = 6
	case "realesr_general_x4v3":
		c = Config{Compact: true, Channels: 3, Width: 64, Blocks: 32, Shrink: 1, Factor: 4}
	case "realesr_animevideov3":
		c = Config{Compact: true, Channels: 3, Width: 64, Blocks: 16, Shrink: 1, Factor: 4}
	default:
		return Config{}, false
	}
	return c, true
}
