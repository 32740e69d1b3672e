package squeezenet

import (
	"fmt"
	"reflect"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// Family is SqueezeNet.
var Family = nn.Family{
	Name:          "squeezenet",
	About:         "SqueezeNet 1.0 and 1.1",
	Weights:       "a state_dict of torchvision",
	Architectures: []string{"squeezenet1_0", "squeezenet1_1"},
	Standard:      func(name string) (nn.Make, error) { return standards[name].layers, nil },
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors)
		if err != nil {
			return nil, err
		}
		published := c.published()
		if err := checkpoint.Misnamed(published, in.Name, "squeezenet"); err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers, Architecture: published}, nil
	},
}

// fires are modules of the published widths, whose squeezes have an eighth of their
// output's channels.
func fires(outputs ...int) []Widths {
	var all []Widths
	for _, n := range outputs {
		all = append(all, Widths{n / 8, n / 2, n / 2})
	}
	return all
}

var standards = map[string]Config{
	"squeezenet1_0": {3, 96, 7, [][]Widths{fires(128, 128, 256), fires(256, 384, 384, 512), fires(512)}, 1000},
	"squeezenet1_1": {3, 64, 3, [][]Widths{fires(128, 128), fires(256, 256), fires(384, 384, 512, 512)}, 1000},
}

// published is the name of the published network that has the same sizes but for the
// classes, "" if it is none.
func (c Config) published() string {
	for name, s := range standards {
		if s.Classes = c.Classes; reflect.DeepEqual(c, s) {
			return name
		}
	}
	return ""
}

// least is the side of the smallest image: the stem leaves it a map of a pixel.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, least := New(b, c), c.StemKernel
	return nn.OfImages(m, c.Channels, [2]int{224, 224}, [2]int{least, least}, nn.Image{}, m.Forward), nil
}

// most is the highest number of a module that is looked for; the published end at 12.
const most = 100

// Describe finds the sizes of a checkpoint and shows its tensors under this package's
// names. torchvision numbers modules and poolings, which have no parameters, in one
// count: a gap is a pooling.
func Describe(src weights.Source) (Config, weights.Source, error) {
	if !checkpoint.Has(src, "features.3.squeeze.weight") || !checkpoint.Has(src, "classifier.1.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "SqueezeNet", "no features.3.squeeze.weight beside classifier.1.weight")
	}
	c := Config{Channels: checkpoint.Dim(src, "features.0.weight", 1), Stem: checkpoint.Rows(src, "features.0.weight"),
		StemKernel: checkpoint.Dim(src, "features.0.weight", 2), Classes: checkpoint.Rows(src, "classifier.1.weight")}
	rules := []weights.Rule{{From: "features.0.*", To: "stem.*"}, {From: "classifier.1.*", To: "classifier.*"}}
	gap := true
	for i := 3; i < most; i++ {
		name := fmt.Sprintf("features.%d", i)
		if !checkpoint.Has(src, name+".squeeze.weight") {
			gap = true
			continue
		}
		if gap {
			c.Stages, gap = append(c.Stages, nil), false
		}
		s := len(c.Stages) - 1
		rules = append(rules, weights.Rule{From: name + ".**", To: fmt.Sprintf("stages.%d.%d.**", s, len(c.Stages[s]))})
		c.Stages[s] = append(c.Stages[s], Widths{checkpoint.Rows(src, name+".squeeze.weight"), checkpoint.Rows(src, name+".expand1x1.weight"), checkpoint.Rows(src, name+".expand3x3.weight")})
	}
	for what, n := range map[string]int{"features.0.weight's channels": c.Channels, "its filters": c.Stem, "their side": c.StemKernel, "classes": c.Classes} {
		if n < 1 {
			return Config{}, nil, fmt.Errorf("the checkpoint is no SqueezeNet that is whole: %s are %d", what, n)
		}
	}
	return c, weights.Rename(src, rules), nil
}
