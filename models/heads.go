package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/weights"
)

// HeadInput is the output, for [Options.Outputs], that a classifier's last layer takes: see
// [Model.HeadInput].
const HeadInput = "head_input"

// ErrNoHead is wrapped where the input of a last layer is asked for of a network that has
// none, or another than one linear layer.
var ErrNoHead = errors.New("the network ends in no linear layer over one vector an image")

// HeadInput is what the last layer takes of one image's outputs. Load must have been asked
// for it.
func (m *Model) HeadInput(outputs map[string]Array) ([]float32, error) {
	if m.images == nil || m.images.Image.HeadInputs == nil {
		return nil, fmt.Errorf("%s: %w", m.Name, ErrNoHead)
	}
	var all []float32
	for _, name := range m.images.Image.HeadInputs {
		if err := onePicture(name, outputs[name]); err != nil {
			return nil, err
		}
		all = append(all, outputs[name].Data...)
	}
	return all, nil
}

// headOf is where a class of transformers has its classifier.
type headOf struct {
	class  string // that a new head makes of the checkpoint
	prefix string // of all other tensors
	layer  string
	norm   string // a tensor that is as long as what the head takes, times parts
	parts  int
}

// transformersHeads are they by model_type.
var transformersHeads = map[string]headOf{
	"vit":                   {"ViTForImageClassification", "vit", "classifier", "layernorm.weight", 1},
	"deit":                  {"DeiTForImageClassification", "deit", "classifier", "layernorm.weight", 1},
	"dinov2":                {"Dinov2ForImageClassification", "dinov2", "classifier", "layernorm.weight", 2},
	"dinov2_with_registers": {"Dinov2WithRegistersForImageClassification", "dinov2_with_registers", "classifier", "layernorm.weight", 2},
	"clip":                  {"CLIPForImageClassification", "", "classifier", "vision_model.post_layernorm.weight", 1},
	"siglip":                {"SiglipForImageClassification", "", "classifier", "vision_model.post_layernorm.weight", 1},
	"resnet":                {"ResNetForImageClassification", "resnet", "classifier.1", "encoder.stages.*.layers.*.layer.*.normalization.weight", 1},
	"swin":                  {"SwinForImageClassification", "swin", "classifier", "layernorm.weight", 1},
	"swinv2":                {"Swinv2ForImageClassification", "swinv2", "classifier", "layernorm.weight", 1},
	"convnext":              {"ConvNextForImageClassification", "convnext", "classifier", "layernorm.weight", 1},
	"convnextv2":            {"ConvNextV2ForImageClassification", "convnextv2", "classifier", "layernorm.weight", 1},
	"efficientnet":          {"EfficientNetForImageClassification", "efficientnet", "classifier", "encoder.top_bn.weight", 1},
	"mobilenet_v2":          {"MobileNetV2ForImageClassification", "mobilenet_v2", "classifier", "conv_1x1.normalization.weight", 1},
}

// unheaded are tensors that a classifier's class of transformers has not: other heads and
// poolers, and the text tower of a dual encoder with what compares it.
var unheaded = regexp.MustCompile(`^((\w+\.)?pooler|classifier|cls_classifier|distillation_classifier|text_model|text_projection|visual_projection)\.|^logit_(scale|bias)$`)

// ownHeads are the names that packages of networks have for a last layer.
var ownHeads = []string{"head", "classifier"}

// SetHead gives the checkpoint a new last layer for classes of these labels, in place of its
// own if it has one: normal numbers of deviation 0.02, as transformers begins, and zero bias.
func (c *Checkpoint) SetHead(labels []string, seed uint64) error {
	if err := c.setHead(labels, seed); err != nil {
		return fmt.Errorf("a new head for %s: %w", c.files.name, err)
	}
	return nil
}

func (c *Checkpoint) setHead(labels []string, seed uint64) error {
	src, modelType, _, err := c.files.named(c.family, c.Name)
	if err != nil {
		return err
	}
	var layer, class string
	var width int
	if of, ok := transformersHeads[modelType]; ok && !checkpoint.IsTimm(c.files.config) && !c.plain(src) {
		src, width, err = of.bare(src)
		layer, class = of.layer, of.class
	} else {
		src, layer, width, err = c.ownHead(src)
	}
	if err != nil {
		return err
	}
	values := nn.Normals(len(labels)*width, seed)
	for i := range values {
		values[i] *= 0.02
	}
	weight, err := weights.FromFloat32s(layer+".weight", values, len(labels), width)
	if err != nil {
		return err
	}
	bias, err := weights.FromFloat32s(layer+".bias", make([]float32, len(labels)), len(labels))
	if err != nil {
		return err
	}
	c.Head = layer
	c.files.tensors = tensorsOf{weights.With(src, weight, bias), c.files.tensors}
	return c.label(modelType, class, labels)
}

// HeadLayer finds the checkpoint's last layer, its own or that of SetHead: its name in the
// file, its weight [classes, width] and its bias [classes].
func (c *Checkpoint) HeadLayer() (layer string, weight, bias Array, err error) {
	err = weights.Guard(func() (err error) {
		layer, weight, bias, err = c.headLayer()
		return err
	})
	if err != nil {
		err = fmt.Errorf("the last layer of %s: %w", c.files.name, err)
	}
	return layer, weight, bias, err
}

func (c *Checkpoint) headLayer() (layer string, weight, bias Array, err error) {
	src, modelType, _, err := c.files.named(c.family, c.Name)
	if err != nil {
		return "", weight, bias, err
	}
	of := transformersHeads[modelType]
	switch {
	case c.Head != "":
		layer = c.Head
	case of.layer != "" && checkpoint.Has(src, of.layer+".weight"):
		layer = of.layer
	default:
		if _, layer, _, err = c.ownHead(src); err != nil {
			return "", weight, bias, err
		}
	}
	for end, into := range map[string]*Array{".weight": &weight, ".bias": &bias} {
		t, ok := src.Tensor(layer + end)
		if !ok {
			return "", weight, bias, fmt.Errorf("%w: it has no %s%s", ErrNoHead, layer, end)
		}
		*into = Array{Shape: slices.Clone(t.Shape), Data: make([]float32, t.Len())}
		if err := t.Float32s(into.Data); err != nil {
			return "", weight, bias, err
		}
	}
	return layer, weight, bias, nil
}

// plain says that a checkpoint with a configuration of the project's own has the names of
// a state_dict.
func (c *Checkpoint) plain(src weights.Source) bool {
	return checkpoint.Has(src, "layer1.0.conv1.weight")
}

// bare shows a checkpoint under the names that its class with a head has, without one.
func (h headOf) bare(src weights.Source) (bare weights.Source, width int, err error) {
	var rules []weights.Rule
	prefixed := h.prefix == "" || slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasPrefix(n, h.prefix+".") })
	norm := regexp.MustCompile(`^(` + regexp.QuoteMeta(h.prefix) + `\.)?` + strings.ReplaceAll(regexp.QuoteMeta(h.norm), `\*`, `\d+`) + `$`)
	for _, name := range src.Names() {
		switch {
		case unheaded.MatchString(name):
			rules = append(rules, weights.Rule{From: name, To: ""})
		case !prefixed:
			rules = append(rules, weights.Rule{From: name, To: h.prefix + "." + name})
		}
		if norm.MatchString(name) {
			width = max(width, h.parts*checkpoint.Rows(src, name)) // of a CNN's layers the last are the widest
		}
	}
	if width == 0 {
		return nil, 0, fmt.Errorf("the checkpoint has no %s, which tells how wide its features are", h.norm)
	}
	return weights.Rename(src, rules), width, nil
}

// ownHead finds the last layer of a checkpoint of another library by what its package makes
// of it, and takes it away.
func (c *Checkpoint) ownHead(src weights.Source) (bare weights.Source, layer string, width int, err error) {
	d, err := c.family.Describe(nn.Checkpoint{Name: c.Name, Tensors: src, Config: c.files.config, Files: c.files.fsys})
	if err != nil {
		return nil, "", 0, err
	}
	for _, own := range ownHeads {
		t, ok := d.Tensors.Tensor(own + ".weight")
		if !ok || len(t.Shape) != 2 {
			continue
		}
		name, ok := strings.CutSuffix(t.Origin, ".weight")
		whole, there := src.Tensor(t.Origin)
		if !ok || !there || checkpoint.Has(d.Tensors, "head_dist.weight") {
			break
		}
		return weights.Rename(src, []weights.Rule{{From: name + ".weight", To: ""}, {From: name + ".bias", To: ""}}), name, whole.Shape[1], nil
	}
	return nil, "", 0, ErrNoHead
}

// label writes labels into the configuration, with the class of transformers that has the
// head, or beside a state_dict.
func (c *Checkpoint) label(modelType, class string, labels []string) error {
	c.files.labels = nil
	if c.files.config == nil {
		c.files.labels = labels
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(c.files.config, &keys); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	set := func(key string, v any) { keys[key], _ = json.Marshal(v) } // texts and numbers can't fail
	if checkpoint.IsTimm(c.files.config) {
		var pretrained map[string]json.RawMessage
		_ = json.Unmarshal(keys["pretrained_cfg"], &pretrained)
		if pretrained != nil {
			maps.DeleteFunc(pretrained, func(k string, _ json.RawMessage) bool { return strings.HasPrefix(k, "label_") })
			pretrained["num_classes"] = json.RawMessage(fmt.Sprint(len(labels)))
			set("pretrained_cfg", pretrained)
		}
		delete(keys, "label_descriptions")
		set("num_classes", len(labels))
		set("label_names", labels)
	} else {
		if class != "" {
			set("architectures", []string{class})
		}
		if strings.HasSuffix(modelType, "_vision_model") {
			return fmt.Errorf("it is a %s alone, whose class has no classifier; give the checkpoint of both towers", modelType)
		}
		index := map[string]int{}
		for i, l := range labels {
			index[l] = i
		}
		set("id2label", id2label(labels))
		set("label2id", index)
		delete(keys, "num_labels")
		delete(keys, "problem_type")
	}
	var err error
	c.files.config, err = checkpoint.Object(keys)
	return err
}

// tensorsOf are tensors shown otherwise than the file that they are of.
type tensorsOf struct {
	weights.Source
	file tensors
}

// Close implements io.Closer.
func (t tensorsOf) Close() error { return t.file.Close() }
