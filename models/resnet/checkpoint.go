package resnet

import (
	_ "embed"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is the config.json of transformers or timm, or
// nil.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	j, err := parse(config)
	if err != nil {
		return Config{}, nil, err
	}
	bare := weights.StripPrefix(src, "resnet")
	switch {
	case j.Architecture != "" && checkpoint.Has(src, "layer1.0.conv1.weight"):
		return describeTimm(src, config)
	case checkpoint.Has(src, "layer1.0.conv1.weight"):
		return describeTorchvision(src, j)
	case checkpoint.Has(bare, "embedder.embedder.convolution.weight"):
		if config == nil {
			return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells where the strides are; give the folder that holds both")
		}
		return describeTransformers(bare, config)
	}
	return Config{}, nil, checkpoint.Unknown(src, "ResNet", "neither layer1.0.conv1.weight (torchvision, timm) nor embedder.embedder.convolution.weight (transformers)")
}

// signaturesJSON are the keys of the configs of transformers' and timm's classes
// with their defaults, timmJSON the arguments of timm's architectures;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

//go:embed timm.json
var timmJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// headConfig is what config.json tells of whose it is, and what this project's zoo says.
type headConfig struct {
	ModelType    string            `json:"model_type"`
	Architecture string            `json:"architecture"`
	Labels       map[string]string `json:"id2label"`
	Image        checkpoint.Pair   `json:"image_size"`
}

func parse(config []byte) (j headConfig, err error) {
	if config == nil {
		return j, nil
	}
	if err := checkpoint.Decode("config.json", config, &j); err != nil {
		return j, err
	}
	if j.ModelType != "" && j.ModelType != "resnet" {
		return j, fmt.Errorf("config.json is of a model of type %q; resnet is expected", j.ModelType)
	}
	return j, nil
}

// transformersConfig is config.json of transformers' ResNetConfig.
type transformersConfig struct {
	checkpoint.Common
	Channels          int    `json:"num_channels"`
	EmbeddingSize     int    `json:"embedding_size"`
	HiddenSizes       []int  `json:"hidden_sizes"`
	Depths            []int  `json:"depths"`
	LayerType         string `json:"layer_type"`
	Act               string `json:"hidden_act"`
	DownsampleFirst   bool   `json:"downsample_in_first_stage"`
	StrideInFirstConv bool   `json:"downsample_in_bottleneck"`
}

func describeTransformers(src weights.Source, config []byte) (Config, weights.Source, error) {
	c, j, err := parseTransformers("ResNetConfig", config)
	if err != nil {
		return Config{}, nil, err
	}
	c.Classes = checkpoint.Rows(src, "classifier.1.weight")
	c.Labels, c.Scores, err = j.Head(c.Classes)
	return c, weights.Rename(src, transformersNames), err
}

// parseTransformers reads the sizes of a config of a class.
func parseTransformers(class string, config []byte) (Config, transformersConfig, error) {
	var j transformersConfig
	if err := signatures.Decode("config.json", class, config, &j, checkpoint.CommonInert...); err != nil {
		return Config{}, j, err
	}
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return Config{}, j, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	if len(j.Depths) != len(j.HiddenSizes) {
		return Config{}, j, fmt.Errorf("config.json has %d depths and %d hidden_sizes; expected one of each a stage", len(j.Depths), len(j.HiddenSizes))
	}
	if j.LayerType != "basic" && j.LayerType != "bottleneck" {
		return Config{}, j, fmt.Errorf("config.json: layer_type is %q; basic and bottleneck are known", j.LayerType)
	}
	// Within its blocks the library has ReLU whatever hidden_act says.
	c := Config{Image: ops.Square(imageNetSide), Channels: j.Channels, Stem: j.EmbeddingSize, Bottleneck: j.LayerType == "bottleneck", Groups: 1,
		StrideFirst: j.StrideInFirstConv, Act: act, Inner: ops.ReLU}
	for i, width := range j.HiddenSizes {
		stage := Stage{Depth: j.Depths[i], Inner: width, Out: width, Stride: 2}
		if c.Bottleneck {
			stage.Inner = width / 4
		}
		if i == 0 && !j.DownsampleFirst {
			stage.Stride = 1
		}
		c.Stages = append(c.Stages, stage)
	}
	return c, j, nil
}

// describeTorchvision reads the sizes of the tensors, which tell all of a network
// of torchvision, or of one for CIFAR.
func describeTorchvision(src weights.Source, j headConfig) (Config, weights.Source, error) {
	if checkpoint.Has(src, "conv1.0.weight") || checkpoint.Dim(src, "layer1.0.downsample.1.weight", 1) > 0 {
		return Config{}, nil, fmt.Errorf("the checkpoint is timm's resnet…d, …t or …s, whose tensors do not tell all; give the folder with its config.json")
	}
	var note string
	if !checkpoint.Has(src, "linear.weight") {
		src, note = checkpoint.ReplacedHead(src, "fc")
	}
	c, err := fromTensors(src)
	if err != nil {
		return Config{}, nil, err
	}
	if note != "" {
		c.Notes = []string{note}
	}
	c.Image = j.Image
	if c.Image == [2]int{} {
		c.Image = usual(c.Small)
	}
	c.Identity = checkpoint.Has(src, "linear.weight") && !checkpoint.Has(src, "layer2.0.shortcut.0.weight")
	if err := c.check(); err != nil {
		return Config{}, nil, err
	}
	if c.Identity {
		if src, err = withIdentities(src, c); err != nil {
			return Config{}, nil, err
		}
	}
	if c.Classes > 0 {
		if c.Labels, err = checkpoint.Labels(j.Labels, c.Classes); err != nil {
			return Config{}, nil, fmt.Errorf("config.json: %w", err)
		}
	}
	return c, weights.Rename(src, torchvisionNames(false)), nil
}

// fromTensors are the sizes that tensors with torchvision's names tell.
func fromTensors(src weights.Source) (Config, error) {
	c := Config{Act: ops.ReLU, Inner: ops.ReLU, Groups: 1, Bottleneck: checkpoint.Has(src, "layer1.0.conv3.weight"),
		Classes: max(checkpoint.Rows(src, "fc.weight"), checkpoint.Rows(src, "linear.weight"))}
	first := "conv1.weight"
	if checkpoint.Has(src, "conv1.0.weight") { // a stem of three
		first = "conv1.0.weight"
		c.Deep = []int{checkpoint.Rows(src, first), checkpoint.Rows(src, "conv1.3.weight")}
		c.Stem = checkpoint.Rows(src, "conv1.6.weight")
	}
	stem, ok := src.Tensor(first)
	if !ok || len(stem.Shape) != 4 || stem.Shape[2] != stem.Shape[3] || stem.Shape[2] != 3 && stem.Shape[2] != 7 {
		return Config{}, fmt.Errorf("the checkpoint has no convolution conv1.weight [channels, 3, 7, 7], or [channels, 3, 3, 3] for small pictures")
	}
	c.Channels = stem.Shape[1]
	if c.Deep == nil {
		c.Stem, c.Small = stem.Shape[0], stem.Shape[2] == 3
	}
	for s := range maxStages {
		stage := stageOf(src, fmt.Sprintf("layer%d", s+1), c.Bottleneck)
		if stage.Depth == 0 {
			break
		}
		if s == 0 {
			stage.Stride = 1
		}
		c.Stages = append(c.Stages, stage)
	}
	if c.Bottleneck {
		c.Groups = c.Stages[0].Inner / max(1, checkpoint.Dim(src, "layer1.0.conv2.weight", 1))
	}
	return c, nil
}

// stageOf reads the sizes of a stage, whose depth is 0 if there is none.
func stageOf(src weights.Source, layer string, bottleneck bool) Stage {
	s := Stage{Stride: 2, Inner: checkpoint.Rows(src, layer+".0.conv1.weight"), Out: checkpoint.Rows(src, layer+".0.conv2.weight")}
	if bottleneck {
		s.Out = checkpoint.Rows(src, layer+".0.conv3.weight")
	}
	for checkpoint.Has(src, fmt.Sprintf("%s.%d.conv1.weight", layer, s.Depth)) {
		s.Depth++
	}
	return s
}

// usual is the size that networks with such a stem were published for.
func usual(small bool) [2]int {
	if small {
		return ops.Square(cifarSide)
	}
	return ops.Square(imageNetSide)
}
