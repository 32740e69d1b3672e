package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/ops"
)

// Timm is config.json of timm's folders.
type Timm struct {
	Architecture string                     `json:"architecture"`
	Pool         string                     `json:"global_pool"` // what the model had; timm makes it by the others
	ModelArgs    map[string]json.RawMessage `json:"model_args"`
	LabelNames   TimmLabels                 `json:"label_names"`

	Pretrained TimmPretrained
}

// TimmPretrained is the part of pretrained_cfg that the network depends on.
type TimmPretrained struct {
	InputSize   []int      `json:"input_size"` // [channels, height, width]
	Fixed       bool       `json:"fixed_input_size"`
	LabelNames  TimmLabels `json:"label_names"`
	LabelOffset int        `json:"label_offset"`
}

// TimmLabels are the labels by class.
type TimmLabels map[string]string

// Expected says what is read into labels, for the errors of [Decode].
func (*TimmLabels) Expected() string { return "a list of texts, or texts by the number of the class" }

// UnmarshalJSON implements [json.Unmarshaler].
func (l *TimmLabels) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) != nil {
		return json.Unmarshal(data, (*map[string]string)(l))
	}
	if list != nil {
		*l = TimmLabels{}
	}
	for i, s := range list {
		(*l)[fmt.Sprint(i)] = s
	}
	return nil
}

// IsTimm knows timm's config.json by its architecture.
func IsTimm(config []byte) bool {
	var t struct {
		Architecture string `json:"architecture"`
	}
	return config != nil && Decode("config.json", config, &t) == nil && t.Architecture != ""
}

// ParseTimm reads config.json. One of before 2023 is what later stands inside, in
// pretrained_cfg.
func ParseTimm(config []byte) (Timm, error) {
	var t Timm
	var outer struct {
		Pretrained json.RawMessage `json:"pretrained_cfg"`
	}
	if err := Decode("config.json", config, &t); err != nil {
		return t, err
	}
	if err := Decode("config.json", config, &outer); err != nil {
		return t, err
	}
	file, inner := "config.json: pretrained_cfg", []byte(outer.Pretrained)
	if len(inner) == 0 || string(inner) == "null" {
		file, inner = "config.json", config
	}
	if err := Decode(file, inner, &t.Pretrained); err != nil {
		return t, err
	}
	switch {
	case t.Architecture == "":
		return t, fmt.Errorf("config.json has no architecture of timm")
	case t.Pretrained.LabelOffset != 0:
		return t, fmt.Errorf("%s: label_offset is %d, which is not supported; save the model with timm, which applies it", file, t.Pretrained.LabelOffset)
	}
	return t, nil
}

// Name is the architecture without the tag of its weights.
func (t Timm) Name() string {
	name, _, _ := strings.Cut(t.Architecture, ".")
	return name
}

// Arguments are what timm calls a class with, as JSON: own, the architecture's
// arguments, model_args before them, and for others the picture's size of
// pretrained_cfg. An argument that the class has not is refused.
func (t Timm) Arguments(s Signatures, class string, own map[string]json.RawMessage) ([]byte, error) {
	all, err := s()
	if err != nil {
		return nil, err
	}
	merged := map[string]json.RawMessage{}
	if in := t.Pretrained.InputSize; len(in) == 3 {
		merged["in_chans"] = json.RawMessage(fmt.Sprint(in[0]))
		if _, ok := all[class]["img_size"]; ok && t.Pretrained.Fixed {
			merged["img_size"] = json.RawMessage(fmt.Sprintf("[%d, %d]", in[1], in[2]))
		}
	}
	maps.Copy(merged, own)
	for key, value := range t.ModelArgs {
		if _, ok := all[class][key]; !ok {
			return nil, fmt.Errorf("config.json: model_args has %s, which timm's %s does not take", key, class)
		}
		if string(value) != "null" { // timm takes none for absent
			merged[key] = value
		}
	}
	return json.Marshal(merged)
}

// Labels orders the labels by the class; nil where there are none.
func (t Timm) Labels(classes int) ([]string, error) {
	for _, names := range []TimmLabels{t.LabelNames, t.Pretrained.LabelNames} {
		if len(names) == 0 {
			continue
		}
		if len(names) != classes {
			return nil, nil // timm keeps a replaced head's old names
		}
		labels, err := Labels(names, classes)
		if err != nil {
			return nil, fmt.Errorf("config.json: label_names: %w", err)
		}
		return labels, nil
	}
	return nil, nil
}

// TimmActivation finds an activation by timm's act_layer, its name in lower case or
// the class's.
func TimmActivation(name string) (ops.Activation, error) {
	known := map[string]ops.Activation{
		"gelu": ops.GELU, "gelu_tanh": ops.GELUTanh, "quick_gelu": ops.QuickGELU, "quickgelu": ops.QuickGELU, "silu": ops.SiLU, "swish": ops.SiLU, "relu": ops.ReLU,
		"relu6": ops.ReLU6, "sigmoid": ops.Sigmoid, "tanh": ops.Tanh, "hard_swish": ops.HardSwish, "hardswish": ops.HardSwish, "hard_sigmoid": ops.HardSigmoid, "hardsigmoid": ops.HardSigmoid, "identity": ops.Identity,
	}
	if a, ok := known[strings.ToLower(name)]; ok {
		return a, nil
	}
	return ops.Identity, fmt.Errorf("%q is not supported; gelu, gelu_tanh, quick_gelu, silu, relu, relu6, sigmoid, tanh, hard_swish and hard_sigmoid are", name)
}

// Only refuses the value of one of timm's arguments that is none of those known;
// "" is none.
func Only(argument, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	words := make([]string, len(known))
	for i, k := range known {
		if words[i] = k; k == "" {
			words[i] = "none"
		}
	}
	return fmt.Errorf("timm's %s is %s, which is not supported; expected %s", argument, value, strings.Join(words, " or "))
}
