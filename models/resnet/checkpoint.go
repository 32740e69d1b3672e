package resnet

import (
	"encoding/json"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// Describe finds the configuration of a checkpoint and shows its tensors under
// this package's names. config is the config.json of transformers or timm, or
// nil.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	var j jsonConfig
	if config != nil {
		j = defaults()
		if err := json.Unmarshal(config, &j); err != nil {
			return Config{}, nil, fmt.Errorf("config.json: %w", err)
		}
	}
	if j.ModelType != "" && j.ModelType != "resnet" {
		return Config{}, nil, fmt.Errorf("config.json is of a model of type %q; resnet is expected", j.ModelType)
	}
	if err := refuse(src, j); err != nil {
		return Config{}, nil, err
	}
	bare := weights.StripPrefix(src, "resnet")
	switch {
	case checkpoint.Has(src, "layer1.0.conv1.weight"):
		return describeTorchvision(src, j)
	case checkpoint.Has(bare, "embedder.embedder.convolution.weight"):
		if config == nil {
			return Config{}, nil, fmt.Errorf("the checkpoint has transformers' names but no config.json beside it, which tells where the strides are; give the folder that holds both")
		}
		return describeTransformers(bare, j)
	}
	return Config{}, nil, checkpoint.Unknown(src, "ResNet", "neither layer1.0.conv1.weight (torchvision, timm) nor embedder.embedder.convolution.weight (transformers)")
}

// jsonConfig is config.json of transformers' ResNetConfig, of timm's folders, or
// of this project's zoo.
type jsonConfig struct {
	ModelType         string            `json:"model_type"`
	Channels          int               `json:"num_channels"`
	EmbeddingSize     int               `json:"embedding_size"`
	HiddenSizes       []int             `json:"hidden_sizes"`
	Depths            []int             `json:"depths"`
	LayerType         string            `json:"layer_type"`
	Act               string            `json:"hidden_act"`
	DownsampleFirst   bool              `json:"downsample_in_first_stage"`
	StrideInFirstConv bool              `json:"downsample_in_bottleneck"`
	Labels            map[string]string `json:"id2label"`
	Image             checkpoint.Pair   `json:"image_size"` // the zoo's

	// timm's
	Architecture string         `json:"architecture"`
	ModelArgs    map[string]any `json:"model_args"`
	LabelNames   []string       `json:"label_names"`
	Pretrained   struct {
		InputSize []int `json:"input_size"`
	} `json:"pretrained_cfg"`
}

// defaults are the library's for absent keys.
func defaults() jsonConfig {
	return jsonConfig{Channels: 3, EmbeddingSize: 64, HiddenSizes: []int{256, 512, 1024, 2048}, Depths: []int{3, 4, 6, 3}, LayerType: "bottleneck", Act: "relu"}
}

// refuse names what timm's variants have that this network has not.
func refuse(src weights.Source, j jsonConfig) error {
	if checkpoint.Has(src, "conv1.0.weight") && !checkpoint.Has(src, "features.0.weight") {
		return fmt.Errorf("conv1.0.weight begins a stem of several convolutions (timm's resnet…d, resnet…t, resnet…s), which is not supported")
	}
	if checkpoint.Dim(src, "layer1.0.downsample.1.weight", 1) > 0 {
		return fmt.Errorf("layer1.0.downsample.1.weight is a convolution: shortcuts with average pooling (timm's resnet…d) are not supported")
	}
	if strings.Contains(j.Architecture, "resnetaa") || strings.Contains(j.Architecture, "resnetblur") {
		return fmt.Errorf("config.json is of timm's %s, whose anti-aliased strides are not supported", j.Architecture)
	}
	for _, key := range []string{"stem_type", "avg_down", "aa_layer", "act_layer", "output_stride", "replace_stem_pool", "block_reduce_first", "down_kernel_size"} {
		if v, ok := j.ModelArgs[key]; ok {
			return fmt.Errorf("config.json has the model argument %s = %v, which is not supported", key, v)
		}
	}
	return nil
}

func describeTransformers(src weights.Source, j jsonConfig) (Config, weights.Source, error) {
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config.json: hidden_act: %w", err)
	}
	if len(j.Depths) != len(j.HiddenSizes) {
		return Config{}, nil, fmt.Errorf("config.json has %d depths and %d hidden_sizes; expected one of each a stage", len(j.Depths), len(j.HiddenSizes))
	}
	if j.LayerType != "basic" && j.LayerType != "bottleneck" {
		return Config{}, nil, fmt.Errorf("config.json: layer_type is %q; basic and bottleneck are known", j.LayerType)
	}
	c := Config{Image: ops.Square(imageNetSide), Channels: j.Channels, Stem: j.EmbeddingSize, Bottleneck: j.LayerType == "bottleneck", Groups: 1,
		StrideFirst: j.StrideInFirstConv, Act: act, Classes: checkpoint.Rows(src, "classifier.1.weight")}
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
	return c.labelled(weights.Rename(src, transformersNames), j)
}

// labelled adds the labels that the config names.
func (c Config) labelled(src weights.Source, j jsonConfig) (Config, weights.Source, error) {
	if c.Classes > 0 {
		var err error
		if c.Labels, err = checkpoint.Labels(j.Labels, c.Classes); err != nil {
			return Config{}, nil, fmt.Errorf("config.json: %w", err)
		}
		if c.Labels == nil && len(j.LabelNames) == c.Classes {
			c.Labels = j.LabelNames
		}
	}
	return c, src, nil
}

// describeTorchvision reads the sizes of the tensors, which tell all.
func describeTorchvision(src weights.Source, j jsonConfig) (Config, weights.Source, error) {
	stem, ok := src.Tensor("conv1.weight")
	if !ok || len(stem.Shape) != 4 || stem.Shape[2] != stem.Shape[3] || stem.Shape[2] != 3 && stem.Shape[2] != 7 {
		return Config{}, nil, fmt.Errorf("the checkpoint has no convolution conv1.weight [channels, 3, 7, 7], or [channels, 3, 3, 3] for small pictures")
	}
	c := Config{Stem: stem.Shape[0], Channels: stem.Shape[1], Small: stem.Shape[2] == 3, Act: ops.ReLU, Groups: 1,
		Bottleneck: checkpoint.Has(src, "layer1.0.conv3.weight"), Classes: max(checkpoint.Rows(src, "fc.weight"), checkpoint.Rows(src, "linear.weight"))}
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
	c.Image = j.imageSize(c.Small)
	c.Identity = checkpoint.Has(src, "linear.weight") && !checkpoint.Has(src, "layer2.0.shortcut.0.weight")
	if err := c.check(); err != nil {
		return Config{}, nil, err
	}
	if c.Identity {
		var err error
		if src, err = withIdentities(src, c); err != nil {
			return Config{}, nil, err
		}
	}
	return c.labelled(weights.Rename(src, torchvisionNames), j)
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

// imageSize is what the config tells, else the size that such networks were
// published for.
func (j jsonConfig) imageSize(small bool) [2]int {
	in := j.Pretrained.InputSize
	switch {
	case j.Image != checkpoint.Pair{}:
		return j.Image
	case len(in) == 3:
		return [2]int{in[1], in[2]}
	case small:
		return ops.Square(cifarSide)
	}
	return ops.Square(imageNetSide)
}
