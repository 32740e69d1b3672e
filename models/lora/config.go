package lora

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
)

// adapters is what PEFT's configurations say of a LoRA: adapter_config.json in a
// folder, or a file's metadata, which has one for each part. A part of "" is that of
// names without a part.
type adapters map[string]*adapter

// adapter is a LoraConfig of PEFT. The ranks of single layers (rank_pattern) are seen
// in the tensors.
type adapter struct {
	Alpha        float64  `json:"lora_alpha"`
	AlphaPattern patterns `json:"alpha_pattern"`
	Root         bool     `json:"use_rslora"`
	DoRA         bool     `json:"use_dora"`
	Saved        []string `json:"modules_to_save"` // by the ends of their names
}

// signaturesJSON are the keys of LoraConfig with their defaults;
// golden/generate_signatures.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

const loraConfig = "LoraConfig"

// inert are keys that change nothing once a LoRA is trained: how it was trained, and
// which layers, that the tensors tell as well as their ranks.
var inert = []string{
	"task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout", "runtime_config",
	"r", "rank_pattern", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "fan_in_fan_out",
	"megatron_config", "megatron_core", "qalora_group_size", "ensure_weight_tying", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
}

// parseAdapter reads an adapter_config.json.
func parseAdapter(file string, config []byte) (*adapter, error) {
	a := &adapter{}
	var given map[string]json.RawMessage
	if err := signatures.Decode(file, loraConfig, config, a, inert...); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(config, &given); err != nil {
		return nil, err
	}
	return a, refuse(file, given)
}

// refuse names a key that is set to what changes the numbers in ways that are not
// supported.
func refuse(file string, given map[string]json.RawMessage) error {
	all, err := signatures()
	if err != nil {
		return err
	}
	read := []string{"lora_alpha", "alpha_pattern", "use_rslora", "use_dora", "modules_to_save"}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		usual, ok := all[loraConfig][key]
		found := checkpoint.Shown(given[key])
		switch {
		case !ok || slices.Contains(read, key) || slices.Contains(inert, key) || found == checkpoint.Shown(usual) || slices.Contains([]string{"null", "[]", "{}"}, found):
		case key == "peft_type":
			if found != `"LORA"` {
				return fmt.Errorf("%s: peft_type is %s; LORA is supported", file, found)
			}
		case key == "init_lora_weights" && (found == "false" || found == `"gaussian"` || found == `"orthogonal"`):
		default:
			return fmt.Errorf("%s: %s is %s, which is not supported; %s is", file, key, found, checkpoint.Shown(usual))
		}
	}
	return nil
}

// readAdapters reads a file's metadata, such as {"unet.lora_alpha": 8, "unet.r": 4}.
func readAdapters(text string) (adapters, error) {
	const what = "lora_adapter_metadata"
	if text == "" {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("its metadata %s is no object of keys and values: %w", what, err)
	}
	parts := map[string]map[string]json.RawMessage{}
	for name, value := range all {
		part, key, ok := strings.Cut(name, ".")
		if !ok {
			part, key = "", name
		}
		if parts[part] == nil {
			parts[part] = map[string]json.RawMessage{}
		}
		parts[part][key] = value
	}
	of := adapters{}
	for part, keys := range parts {
		whole, err := json.Marshal(keys)
		if err != nil {
			return nil, err
		}
		if of[part], err = parseAdapter("its metadata "+what, whole); err != nil {
			return nil, err
		}
	}
	return of, nil
}

// saved is the name in the network of a tensor of a layer that was trained whole, "" of
// another.
func (a adapters) saved(tensor string) string {
	name, ok := strings.CutPrefix(tensor, peftPrefix)
	if a[""] == nil || !ok {
		return ""
	}
	for _, module := range a[""].Saved {
		if strings.Contains("."+name, "."+module+".") && !strings.Contains(name, ".lora_") {
			return strings.NewReplacer(".modules_to_save.default.", ".", ".modules_to_save.", ".").Replace(name)
		}
	}
	return ""
}

// apply tells a layer its alpha where no tensor has.
func (a adapters) apply(l *Layer) error {
	of := a[l.Part]
	if of == nil {
		of = a[""] // of a folder, whatever the names
	}
	if of == nil {
		return nil
	}
	if of.DoRA && l.tensors[magnitude] == nil && l.tensors[up] != nil {
		return fmt.Errorf("use_dora is set, and its layer %s has no lora_magnitude_vector", l.Key)
	}
	l.root = of.Root
	if math.IsNaN(l.alpha) {
		l.alpha = of.AlphaPattern.find(l.Module, of.Alpha)
	}
	return nil
}

// patterns are values by regular expressions, in the order of the file, of which
// the first that fits a module's name counts.
type patterns []pattern

type pattern struct {
	end   *regexp.Regexp
	value float64
}

// Expected says what is read into them, for errors.
func (*patterns) Expected() string { return "an object of regular expressions and numbers" }

// UnmarshalJSON implements [json.Unmarshaler]. An expression is the end of a name,
// behind nothing or a dot.
func (p *patterns) UnmarshalJSON(data []byte) error {
	*p = nil
	var values map[string]float64
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		key, err := d.Token() // the brace, or a key, whose value follows
		text, ok := key.(string)
		if err != nil || !ok {
			if err != nil || key == json.Delim('}') || key == nil {
				return nil
			}
			continue
		}
		end, err := regexp.Compile(`^(?:.*\.)?(?:` + text + `)$`)
		if err != nil {
			return err
		}
		*p = append(*p, pattern{end, values[text]})
		if _, err := d.Token(); err != nil {
			return err
		}
	}
}

// find is the value for a module, or otherwise. A text tower's modules are below
// text_model with older versions of transformers.
func (p patterns) find(module string, otherwise float64) float64 {
	names := []string{module}
	if bare := strings.TrimPrefix(module, "text_model."); strings.HasPrefix(bare, "encoder.") {
		names = append(names, bare, "text_model."+bare)
	}
	for _, one := range p {
		if slices.ContainsFunc(names, one.end.MatchString) {
			return one.value
		}
	}
	return otherwise
}
