package golden

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"saccade/weights"
)

//go:embed pipelines
var pipelineFiles embed.FS

// PipelineCase is one run of a diffusion pipeline. A field that is zero was not
// given, and has diffusers' default; but a Guidance of 0 is 0.
type PipelineCase struct {
	Folder          string         `json:"-"`                // the pipeline, one of [Pipelines]
	Weights         string         `json:"weights"`          // "zoo/sd" for the embedded pipeline, or golden/pipelines/NAME for another's, whose weights are not here
	Name            string         `json:"name"`             // such as "inpaint_strength"
	Pipeline        string         `json:"pipeline"`         // diffusers' class, such as "StableDiffusionInpaintPipeline"
	Prompt          string         `json:"prompt"`           // "" for unconditional ones
	NegativePrompt  string         `json:"negative_prompt"`  // "" for none
	PromptSyntax    string         `json:"prompt_syntax"`    // "a1111": prompts have weights as AUTOMATIC1111 reads them
	Steps           int            `json:"steps"`            // before Strength leaves some out
	Guidance        float64        `json:"guidance"`         // diffusers' guidance_scale
	GuidanceRescale float64        `json:"guidance_rescale"` // diffusers' guidance_rescale
	Strength        float64        `json:"strength"`         // above 0 with an InitImage, and else 0
	Width           int            `json:"width"`            // of the picture, in pixels
	Height          int            `json:"height"`           // of the picture, in pixels
	Batch           int            `json:"batch"`            // pictures of the one prompt
	InitImage       bool           `json:"init_image"`       // whether it begins with a picture
	Mask            bool           `json:"mask"`             // whether it repaints a part of it
	ClipSkip        int            `json:"clip_skip"`        // last layers of the text towers that are left out
	Scheduler       string         `json:"scheduler"`        // class in place of the folder's, whose config it takes; "" for the folder's
	Controls        []ControlCase  `json:"controls"`         // ControlNets, with their hints hint.K
	Motion          string         `json:"motion"`           // folder of a motion adapter beside the cases, "" for none
	Frames          int            `json:"frames"`           // of the video, whose latents are [frames C h w]; 0: pictures
	ContextLength   int            `json:"context_length"`   // of the windows of frames, 0: all frames at once
	ContextStride   int            `json:"context_stride"`   // from one of them to the next
	LoRA            string         `json:"lora"`             // file beside the cases that is merged, "" for none
	LoRAScale       float64        `json:"lora_scale"`       // its scale
	IPAdapters      []IPCase       `json:"ip_adapters"`      // IP-Adapters, with what the image tower beside them sees: ip_image.K
	Nets            string         `json:"nets"`             // the folder of the Controls where those are T2I-Adapters, else ""
	Base            string         `json:"base"`             // the pipeline that this one goes on from, as SDXL's refiner does; "" for none
	RefinerStart    float64        `json:"refiner_start"`    // the part of the way that the base does
	SchedulerConfig map[string]any `json:"scheduler_config"` // overrides of that config
}

// IPCase is an IP-Adapter of a case.
type IPCase struct {
	File   string  `json:"file"`   // beside the cases
	Weight float64 `json:"weight"` // diffusers' set_ip_adapter_scale
}

// ControlCase is a ControlNet of a case.
type ControlCase struct {
	Net    string  `json:"net"`    // folder beside the cases
	Weight float64 `json:"weight"` // diffusers' controlnet_conditioning_scale
	From   float64 `json:"from"`   // its control_guidance_start
	To     float64 `json:"to"`     // its control_guidance_end
}

// Pipelines names the goldens of diffusion pipelines, sorted, such as
// "sd1_tiny".
func Pipelines() []string {
	dirs, err := fs.ReadDir(pipelineFiles, "pipelines")
	if err != nil {
		return nil // the folder is embedded
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	return names
}

// PipelineFS is the folder of a pipeline as diffusers has it: model_index.json
// and a folder for each part (os.CopyFS writes it to a disk), if the weights are
// here. The goldens lie there too, in cases.json and cases.
func PipelineFS(name string) (fs.FS, error) {
	dir := path.Join("pipelines", name)
	if _, err := fs.Stat(pipelineFiles, path.Join(dir, "cases.json")); err != nil {
		return nil, fmt.Errorf("open golden pipeline %s: there is none; there are %s", name, strings.Join(Pipelines(), ", "))
	}
	return fs.Sub(pipelineFiles, dir)
}

// PipelineCases lists the runs of a pipeline.
func PipelineCases(name string) ([]PipelineCase, error) {
	folder, err := PipelineFS(name)
	if err != nil {
		return nil, err
	}
	data, err := fs.ReadFile(folder, "cases.json")
	if err != nil {
		return nil, fmt.Errorf("read golden pipeline %s: %w", name, err)
	}
	var cases []PipelineCase
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&cases); err != nil {
		return nil, fmt.Errorf("read golden pipeline %s: cases.json: %w", name, err)
	}
	for i := range cases {
		cases[i].Folder = name
	}
	return cases, nil
}

// Load reads the tensors of a case by name. Inputs:
//
//   - latents [N,C,h,w]: the first draw, of variance 1; with a picture, what is
//     added to it as noise
//   - noise.K: what the scheduler draws in step K of those that are done; absent
//     if it never draws
//   - hint.K [1,3,H,W], from 0 to 1, of ControlNet K, or one for each frame of a video
//   - ip_image.K [1,3,S,S], of IP-Adapter K, as the image tower takes it
//   - init_image [N,3,H,W], from -1 to 1, and mask [1,1,H,W], 1 where to repaint
//
// Outputs:
//
//   - expected.prompt_embeds [1,77,D] (T times 77 of T chunks) and expected.negative_prompt_embeds (with
//     guidance); of SDXL expected.pooled_prompt_embeds [1,D] and
//     expected.negative_pooled_prompt_embeds too
//   - expected.step.K: the latents after step K, one for each time that the
//     scheduler has; the steps of a base are counted before the pipeline's
//   - expected.latents: those after the last, not yet divided by the
//     autoencoder's scaling factor
//   - expected.image [N,3,H,W]: what the decoder gives, about -1 to 1, not
//     clamped; of unconditional pipelines the latents
func (c PipelineCase) Load() (map[string]Tensor, error) {
	ckpt, err := weights.OpenFS(pipelineFiles, path.Join("pipelines", c.Folder, "cases", c.Name+".safetensors"))
	if err != nil {
		return nil, fmt.Errorf("read golden pipeline %s, case %s: %w", c.Folder, c.Name, err)
	}
	all, err := tensors(ckpt)
	if err != nil {
		return nil, fmt.Errorf("read golden pipeline %s, case %s: %w", c.Folder, c.Name, err)
	}
	return all, nil
}
