package vgg

import (
	"slices"
	"strings"

	"saccade/models/internal/classifier"
)

// Config is what the network's size depends on.
type Config struct {
	Channels   int
	Stages     [][]int // channels after each convolution, by what stands between poolings
	Norm       bool    // a batch norm follows each convolution
	Classifier classifier.Config
	// Slides says that the classifier is timm's, which is a convolution over
	// maps that are larger than its own, where torchvision pools them.
	Slides bool

	Labels []string // by class, or nil
	Notes  []string // on how the checkpoint was read
}

// eps of all batch norms: PyTorch's default.
const eps = 1e-5

// depths are the convolutions of each stage: Simonyan and Zisserman's A, B, D
// and E (table 1).
var depths = map[string][5]int{
	"vgg11": {1, 1, 2, 2, 2}, "vgg13": {2, 2, 2, 2, 2}, "vgg16": {2, 2, 3, 3, 3}, "vgg19": {2, 2, 4, 4, 4},
}

// Standard are the published sizes under torchvision's names, at 224×224 with
// 1000 classes.
func Standard(name string) (Config, bool) {
	base, norm := strings.CutSuffix(name, "_bn")
	d, ok := depths[base]
	c := Config{Channels: 3, Norm: norm, Classifier: classifier.Config{Channels: 512, Side: 7, Hidden: [2]int{4096, 4096}, Classes: 1000}}
	for s, depth := range d {
		var widths []int
		for range depth {
			widths = append(widths, min(512, 64<<s))
		}
		c.Stages = append(c.Stages, widths)
	}
	return c, ok
}

// StandardNames are the names of [Standard].
func StandardNames() []string {
	return []string{"vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
}

// Published is the name of the published network whose convolutions c has, "" if
// it is none's.
func (c Config) Published() string {
	for _, name := range StandardNames() {
		p, _ := Standard(name)
		if c.Norm == p.Norm && slices.EqualFunc(c.Stages, p.Stages, slices.Equal) {
			return name
		}
	}
	return ""
}

// largest is the side of the largest picture whose map is no larger than the
// classifier's.
func (c Config) largest() int { return (c.Classifier.Side+1)<<len(c.Stages) - 1 }
