package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"saccade/weights"
)

const indexName = "model_index.json"

// TextToVideo is the class of pipelines that draw videos by a UNet of their own.
const TextToVideo = "TextToVideoSDPipeline"

// pipelines are the classes of pipelines that are supported, and the parts that
// each has to have. What else an index names, such as a safety_checker, is left
// out.
var pipelines = map[string][]string{
	"DDPMPipeline": unconditional,
	"DDIMPipeline": unconditional,
	"PNDMPipeline": unconditional,

	"StableDiffusionPipeline":        prompted,
	"StableDiffusionImg2ImgPipeline": prompted,
	"StableDiffusionInpaintPipeline": prompted,

	"LatentConsistencyModelPipeline":        prompted,
	"LatentConsistencyModelImg2ImgPipeline": prompted,

	TextToVideo: prompted,

	"StableDiffusionXLPipeline":        twoTowers,
	"StableDiffusionXLImg2ImgPipeline": secondTower, // the refiner has that tower alone
	"StableDiffusionXLInpaintPipeline": twoTowers,
}

var (
	unconditional = []string{UNet, Scheduler}
	prompted      = []string{UNet, VAE, TextEncoder, Tokenizer, Scheduler}
	secondTower   = []string{UNet, VAE, TextEncoder2, Tokenizer2, Scheduler}
	twoTowers     = []string{UNet, VAE, TextEncoder, Tokenizer, TextEncoder2, Tokenizer2, Scheduler}
)

// Unconditional says that pipelines of a class draw without a prompt.
func Unconditional(class string) bool {
	parts, ok := pipelines[class]
	return ok && !slices.Contains(parts, VAE)
}

// Classes are the pipelines that are supported, as diffusers names them.
func Classes() []string { return slices.Sorted(maps.Keys(pipelines)) }

// openIndex makes a pipeline of a folder's model_index.json, of which nothing
// but some parts is wanted; nil: all. withVAE says that the autoencoder comes from
// elsewhere.
func openIndex(f folder, name string, parts []string, withVAE bool) (*Pipeline, error) {
	text, err := fs.ReadFile(f.fsys, indexName)
	if err != nil {
		return nil, noIndex(err)
	}
	p := &Pipeline{Name: name, Index: text}
	if f.of, err = p.parse(parts != nil, withVAE); err != nil {
		return nil, fmt.Errorf("%s: %w", indexName, err)
	}
	p.layout = f
	return p, nil
}

// noIndex says what was looked for where an index is not there.
func noIndex(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, weights.ErrNotInModel) {
		return fmt.Errorf("there is no %s, by which diffusers' pipelines are known (a pipeline in a single file is given by the file's own path): %w", indexName, err)
	}
	return err
}

// parse reads the index: the parts' classes. With some the pipeline may be of any
// class and lack parts: only some are wanted, which Part finds or not. withVAE says
// that the autoencoder comes from elsewhere.
func (p *Pipeline) parse(some, withVAE bool) (map[string]string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(p.Index, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all["_class_name"], &p.Class); err != nil || p.Class == "" {
		return nil, fmt.Errorf("it names no _class_name; expected one of %s", strings.Join(Classes(), ", "))
	}
	needed, ok := pipelines[p.Class]
	if !ok && !some {
		return nil, fmt.Errorf("pipelines of class %s are not supported; there are %s", p.Class, strings.Join(Classes(), ", "))
	}
	var flags struct {
		ForceZeros *bool `json:"force_zeros_for_empty_prompt"`
		Aesthetics bool  `json:"requires_aesthetics_score"`
	}
	if err := json.Unmarshal(p.Index, &flags); err != nil {
		return nil, err
	}
	p.ForceZeros = strings.HasPrefix(p.Class, "StableDiffusionXL") && (flags.ForceZeros == nil || *flags.ForceZeros)
	p.Aesthetics = flags.Aesthetics
	classes := map[string]string{}
	for _, name := range twoTowers {
		var pair []*string // library and class; nulls where there is no such part
		if err := json.Unmarshal(all[name], &pair); all[name] != nil && err != nil {
			return nil, fmt.Errorf("%s: %w; expected [library, class]", name, err)
		}
		if len(pair) == 2 && pair[1] != nil {
			classes[name] = *pair[1]
		}
	}
	if withVAE && slices.Contains(needed, VAE) {
		classes[VAE] = "AutoencoderKL" // until it is opened
	}
	for _, name := range needed {
		if classes[name] == "" && !some {
			return nil, fmt.Errorf("it names no %s, which a %s has to have", name, p.Class)
		}
	}
	return classes, nil
}
