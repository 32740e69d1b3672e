package lora

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

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
