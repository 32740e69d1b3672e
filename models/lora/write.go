package lora

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/weights"
)

// Config is what PEFT's configuration of an adapter says.
type Config struct {
	Base    string // where the network's weights come from, or ""
	Rank    int
	Alpha   float64
	RSLoRA  bool
	Targets []string // the modules with factors, by the ends of their names
	Saved   []string // the modules that were trained whole
}

// Write writes an adapter as PEFT saves it, with tensors under its names
// (base_model.model.….lora_A.weight); the folder is made where there is none. metadata goes
// into the file of tensors.
func Write(folder string, c Config, tensors []*weights.Tensor, metadata map[string]string) error {
	keys := map[string]any{
		"peft_type": "LORA", "task_type": nil, "base_model_name_or_path": nil, "inference_mode": true,
		"r": c.Rank, "lora_alpha": c.Alpha, "use_rslora": c.RSLoRA, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false, "init_lora_weights": true,
		"target_modules": c.Targets, "modules_to_save": nil,
	}
	if c.Base != "" {
		keys["base_model_name_or_path"] = c.Base
	}
	if len(c.Saved) > 0 {
		keys["modules_to_save"] = c.Saved
	}
	text, err := json.MarshalIndent(keys, "", "  ")
	if err == nil {
		err = os.MkdirAll(folder, 0o777)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", folder, err)
	}
	all := map[string]string{"format": "pt"}
	for k, v := range metadata {
		all[k] = v
	}
	if err := weights.Write(filepath.Join(folder, files[0]), tensors, all); err != nil {
		return err
	}
	return weights.WriteFile(filepath.Join(folder, ConfigFile), append(text, '\n'))
}

// WriteDiffusers writes adapters of a pipeline as diffusers' save_lora_weights does, with tensors
// whose names begin with their part ("unet.….lora_A.weight", "text_encoder.…").
func WriteDiffusers(file string, c Config, tensors []*weights.Tensor) error {
	targets := map[string][]string{}
	for _, module := range modules(tensors) {
		part, rest, _ := strings.Cut(module, ".")
		targets[part] = append(targets[part], strings.TrimPrefix(rest, textPrefix)) // transformers 5 has none
	}
	keys := map[string]any{}
	for part, of := range targets {
		for key, value := range map[string]any{"peft_type": "LORA", "r": c.Rank, "lora_alpha": c.Alpha, "use_rslora": c.RSLoRA, "target_modules": of} {
			keys[part+"."+key] = value
		}
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	return weights.Write(file, tensors, map[string]string{"format": "pt", "lora_adapter_metadata": string(text)})
}

// textPrefix stands before the names of a text tower's modules in older versions of transformers.
const textPrefix = "text_model."

// kohyaParts are the beginnings that kohya's trainers have for the parts of a pipeline.
var kohyaParts = map[string]string{unet: "lora_unet_", text: "lora_te_"}

// WriteKohya writes adapters of a pipeline as kohya's trainers do, with tensors that
// [WriteDiffusers] takes. A layer's alpha is a tensor of its own, which is divided by the rank, so
// that of rsLoRA's it is √rank times as large.
func WriteKohya(file string, c Config, tensors []*weights.Tensor) error {
	scale := c.Alpha
	if c.RSLoRA {
		scale *= math.Sqrt(float64(c.Rank))
	}
	name := func(module string) string {
		part, rest, _ := strings.Cut(module, ".")
		return kohyaParts[part] + strings.ReplaceAll(rest, ".", "_")
	}
	var all []*weights.Tensor
	for _, t := range tensors {
		renamed := *t
		if module, ok := strings.CutSuffix(t.Name, downEnd); ok {
			renamed.Name = name(module) + ".lora_down.weight"
		} else if module, ok := strings.CutSuffix(t.Name, upEnd); ok {
			renamed.Name = name(module) + ".lora_up.weight"
		}
		all = append(all, &renamed)
	}
	for _, module := range modules(tensors) {
		t, err := weights.FromFloat32s(name(module)+".alpha", []float32{float32(scale)})
		if err != nil {
			return fmt.Errorf("save %s: %w", file, err)
		}
		all = append(all, t)
	}
	return weights.Write(file, all, map[string]string{
		"format": "pt", "ss_network_module": "networks.lora", "ss_network_dim": fmt.Sprint(c.Rank), "ss_network_alpha": fmt.Sprint(scale),
	})
}

// The ends of the names of factors, as PEFT has them.
const downEnd, upEnd = ".lora_A.weight", ".lora_B.weight"

// modules are the names of those that have factors.
func modules(tensors []*weights.Tensor) (names []string) {
	for _, t := range tensors {
		if module, ok := strings.CutSuffix(t.Name, downEnd); ok {
			names = append(names, module)
		}
	}
	slices.Sort(names)
	return names
}
