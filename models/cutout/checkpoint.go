package cutout

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/weights"
)

// Family is the networks that cut things out. Whatever a config beside a checkpoint says
// (RMBG's names a class of another kind), the tensors tell.
var Family = nn.Family{
	Name:          "cutout",
	About:         "what stands before a background, cut out: U²-Net, IS-Net, RMBG 1.4",
	Embedded:      "u2net",
	Weights:       "a file or folder with their authors' tensors",
	Architectures: []string{"u2net", "u2netp", "isnet"},
	Task:          nn.CutOut,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.Layers, Processor: c.processor()}, nil
	},
	Standard: nn.StandardOf(Standard),
}

// processor is the authors' preprocessing: IS-Net's takes a half off, U²-Net's ImageNet's
// mean and deviation.
func (c Config) processor() *picture.Processor {
	p := picture.Squash(c.side(), c.side(), picture.Bilinear)
	if !c.Fused {
		p.Mean, p.Std = picture.HalfMean, [3]float64{1, 1, 1}
	}
	return p
}

// names bring the authors' names to this package's.
func names() []weights.Rule {
	rules := []weights.Rule{
		{From: "**.num_batches_tracked", To: ""},
		{From: "conv_in.*", To: "stem.*"},
		{From: "outconv.*", To: "fuse.*"},
	}
	block := func(from, to string, height int) {
		conv := func(name, at string) {
			rules = append(rules, weights.Rule{From: from + ".rebnconv" + name + ".conv_s1.*", To: to + "." + at + ".*"},
				weights.Rule{From: from + ".rebnconv" + name + ".bn_s1.*", To: to + "." + at + ".norm.*"})
		}
		if height == 0 {
			height = 4
		}
		conv("in", "first")
		for i := range height {
			conv(fmt.Sprint(i+1), fmt.Sprintf("down.%d", i))
			if i < height-1 {
				conv(fmt.Sprintf("%dd", i+1), fmt.Sprintf("up.%d", i))
			}
		}
	}
	for i, height := range heights {
		block(fmt.Sprintf("stage%d", i+1), fmt.Sprintf("down.%d", i), height)
		rules = append(rules, weights.Rule{From: fmt.Sprintf("side%d.*", i+1), To: fmt.Sprintf("sides.%d.*", i)})
		if i < len(heights)-1 {
			block(fmt.Sprintf("stage%dd", i+1), fmt.Sprintf("up.%d", i), height)
		}
	}
	return rules
}

// Describe reads a checkpoint by its tensors.
func Describe(src weights.Source) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "stage1.rebnconvin.conv_s1.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "U²-Net or IS-Net", "no stage1.rebnconvin.conv_s1.weight")
	}
	named := weights.Rename(src, names())
	c := Config{Stem: checkpoint.Rows(named, "stem.weight"), Fused: checkpoint.Has(named, "fuse.weight")}
	widths := func(at string) Widths {
		return Widths{In: checkpoint.Dim(named, at+".first.weight", 1), Mid: checkpoint.Rows(named, at+".down.0.weight"), Out: checkpoint.Rows(named, at+".first.weight")}
	}
	for i := range heights {
		c.Down = append(c.Down, widths(fmt.Sprintf("down.%d", i)))
		if i < len(heights)-1 {
			c.Up = append(c.Up, widths(fmt.Sprintf("up.%d", i)))
		}
	}
	if c.Channels = c.Down[0].In; c.Stem > 0 {
		c.Channels = checkpoint.Dim(named, "stem.weight", 1)
	}
	if c.Stem > 0 == c.Fused {
		return c, nil, fmt.Errorf("the checkpoint has conv_in and outconv, or neither; expected one of them: IS-Net's or U²-Net's")
	}
	return c, named, nil
}

// Standard is an architecture as published.
func Standard(name string) (Config, bool) {
	c := Config{Channels: 3, Fused: true,
		Down: []Widths{{3, 32, 64}, {64, 32, 128}, {128, 64, 256}, {256, 128, 512}, {512, 256, 512}, {512, 256, 512}},
		Up:   []Widths{{128, 16, 64}, {256, 32, 64}, {512, 64, 128}, {1024, 128, 256}, {1024, 256, 512}}}
	switch name {
	case "u2net":
	case "u2netp":
		c.Down, c.Up = []Widths{{3, 16, 64}}, nil
		for range 5 {
			c.Down, c.Up = append(c.Down, Widths{64, 16, 64}), append(c.Up, Widths{128, 16, 64})
		}
	case "isnet":
		c.Stem, c.Fused, c.Down[0].In = 64, false, 64
	default:
		return Config{}, false
	}
	return c, true
}
