package golden

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"saccade/weights"
)

//go:embed learn
var learnFiles embed.FS

// LearnCase is a training by PyTorch and PEFT.
type LearnCase struct {
	Folder  string // of the model, such as "vit"
	Name    string // such as "adamw"
	Options LearnOptions
	Rates   []float64 // of the steps
}

// LearnOptions are what was trained and how, as PEFT and torch.optim call it. What is not there
// had their defaults.
type LearnOptions struct {
	LoRA *struct {
		Rank    int      `json:"r"`
		Alpha   float64  `json:"lora_alpha"`
		Targets []string `json:"target_modules"`
		RSLoRA  bool     `json:"use_rslora"`
	} `json:"lora"`
	Head        bool        `json:"head"`
	Full        bool        `json:"full"`             // the whole network
	Context     int         `json:"context"`          // tokens of CoOp
	Prompts     int         `json:"prompts"`          // tokens of VPT
	Batch       bool        `json:"batch_statistics"` // batch norms in training mode
	Optimizer   string      `json:"optimizer"`        // adamw or sgd
	Rate        float64     `json:"lr"`
	WeightDecay *float64    `json:"weight_decay"`
	Betas       *[2]float64 `json:"betas"`
	Eps         *float64    `json:"eps"`
	Momentum    float64     `json:"momentum"`
	Dampening   float64     `json:"dampening"`
	Nesterov    bool        `json:"nesterov"`
	Clip        float64     `json:"clip"`       // 0: not
	Accumulate  int         `json:"accumulate"` // micro-batches of a step; 0: one
	Warmup      int         `json:"warmup"`     // steps, of which Rates tells
}

// LearnFS is the folder of a model that was trained, as its library saved it.
func LearnFS(model string) (fs.FS, error) { return fs.Sub(learnFiles, path.Join("learn", model)) }

// LearnCases lists the trainings of all models.
func LearnCases() ([]LearnCase, error) {
	files, err := fs.Glob(learnFiles, "learn/*/*.safetensors")
	if err != nil {
		return nil, err
	}
	var all []LearnCase
	for _, file := range files {
		c := LearnCase{Folder: path.Base(path.Dir(file)), Name: strings.TrimSuffix(path.Base(file), ".safetensors")}
		if strings.HasSuffix(c.Name, "model") {
			continue
		}
		ckpt, err := weights.OpenFS(learnFiles, file)
		if err != nil {
			return nil, err
		}
		meta := ckpt.Metadata()
		d := json.NewDecoder(strings.NewReader(meta["options"]))
		d.DisallowUnknownFields()
		if err := d.Decode(&c.Options); err != nil {
			return nil, fmt.Errorf("golden %s: options: %w", file, err)
		}
		if err := json.Unmarshal([]byte(meta["rates"]), &c.Rates); err != nil {
			return nil, fmt.Errorf("golden %s: rates: %w", file, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Load reads the tensors: what training began with (init.NAME), the micro-batches (INPUT.N,
// labels.N), the gradients of the first step (grad.NAME), the losses (loss) and what was learned
// (param.NAME).
func (c LearnCase) Load() (map[string]Tensor, error) {
	ckpt, err := weights.OpenFS(learnFiles, path.Join("learn", c.Folder, c.Name+".safetensors"))
	if err != nil {
		return nil, err
	}
	return tensors(ckpt)
}
