package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"saccade/models/lora"
	"saccade/weights"
)

// LoRA is a low-rank adaptation that is merged into a pipeline (Hu et al. 2021).
type LoRA struct {
	File       string
	Scale      float64
	Layers     int         // of the pipeline that it changes
	Unmatched  []string    // its layers that the pipeline has not
	Orphans    []string    // its layers that have an alpha and no factors
	Unread     []string    // its tensors that are left out, as diffusers leaves them out: dora_scale
	Embeddings []Embedding // textual inversions that came with it, which nothing has been done with
}

// LoRAs are those that are merged, in their order.
func (p *Pipeline) LoRAs() []LoRA {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.loras)
}

// Merge adds a LoRA to the weights of the UNet and the text encoders: to each
// weight that it has factors for, scale·alpha/rank·up·down, computed when the
// tensor is read, in float32. It has to be called before a part's Source is used:
// the Source of a Part is another afterwards. Several can be merged.
//
// src is a file, a folder of PEFT (adapter_config.json) or of diffusers
// (pytorch_lora_weights.safetensors), or a hub id of such. The tensors have the names
// of PEFT and diffusers, or those of kohya's trainers, by the layers of diffusers or
// by those of the networks' first publication. LoHa, LoKr and PEFT's DoRA are merged
// too. Layers that the pipeline has not are listed in [LoRA]; that no layer fits, that
// one has another shape, and other kinds of adapters are errors, and nothing is merged.
func (p *Pipeline) Merge(src string, scale float64) error {
	if math.IsNaN(scale) || math.IsInf(scale, 0) {
		return fmt.Errorf("merge LoRA %s: a scale of %v is no number to multiply with", src, scale)
	}
	if err := p.mergeFrom(src, scale); err != nil {
		return fmt.Errorf("merge LoRA %s: %w", src, err)
	}
	return nil
}

func (p *Pipeline) mergeFrom(src string, scale float64) error {
	f, err := lora.Open(src, p.resolve)
	if err != nil {
		return err
	}
	if err := p.merge(f, src, scale); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

func (p *Pipeline) merge(f *lora.File, src string, scale float64) error {
	if len(f.Saved) > 0 {
		return fmt.Errorf("it has whole layers beside its factors (modules_to_save), such as %s, which pipelines do not take", slices.Min(slices.Collect(maps.Keys(f.Saved))))
	}
	embeddings, err := readBundles(f.Bundled)
	if err != nil {
		return err
	}
	l := LoRA{File: src, Scale: scale, Orphans: f.Orphans, Unread: f.Unread, Embeddings: embeddings}
	tables, deltas := map[string]map[string]string{}, map[string]map[string]*lora.Delta{}
	for _, layer := range f.Layers {
		d, err := layer.Delta(scale)
		if err != nil {
			return err
		}
		part, name, err := p.find(tables, layer, d)
		if err != nil {
			return err
		}
		if name == "" {
			l.Unmatched = append(l.Unmatched, layer.Key)
			continue
		}
		if deltas[part] == nil {
			deltas[part] = map[string]*lora.Delta{}
		}
		if deltas[part][name] != nil {
			return fmt.Errorf("its layers %s and %s are both for %s.%s", deltas[part][name].Key, layer.Key, part, name)
		}
		deltas[part][name] = d
		l.Layers++
	}
	if l.Layers == 0 && (len(f.Layers) > 0 || len(embeddings) == 0) {
		return fmt.Errorf("none of its %d layers is one of pipeline %s (%s), so that it is for another; its first are [%s]", len(f.Layers), p.Name, p.Class, strings.Join(l.Unmatched[:min(3, len(l.Unmatched))], ", "))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for part, of := range deltas {
		p.parts[part].Source = lora.Merged(p.parts[part].Source, of)
	}
	p.loras = append(p.loras, l)
	p.closers = append(p.closers, f.Close)
	return nil
}

// find finds the tensor of a layer, "" if there is none, among the parts that it
// may be of: where the file does not say, the first whose weight has that shape.
// tables are the names of the parts' layers, by part.
func (p *Pipeline) find(tables map[string]map[string]string, l *lora.Layer, d *lora.Delta) (part, tensor string, err error) {
	parts := []string{l.Part}
	if l.Part == "" {
		parts = []string{UNet, TextEncoder, TextEncoder2}
	}
	var unfit error
	for _, name := range parts {
		if !p.Has(name) {
			continue
		}
		part, err := p.Part(name)
		if err != nil {
			return "", "", err
		}
		if tables[name] == nil {
			tables[name] = layerNames(name, part.Source)
		}
		tensor := tables[name][flat(l.Module)]
		if tensor == "" {
			continue
		}
		w, ok := part.Source.Tensor(tensor)
		if !ok {
			return "", "", fmt.Errorf("%s.%s can't be read", name, tensor)
		}
		if d.Fits(w.Shape) {
			return name, tensor, nil
		}
		unfit = fmt.Errorf("its layer %s is for a weight %v, but %s.%s of pipeline %s is %v: it is for another base than this one", l.Key, d.Shape(), name, tensor, p.Name, w.Shape)
	}
	return "", "", unfit
}

// layerNames are a part's weights by the names that LoRAs have for their layers,
// with underscores for dots.
func layerNames(part string, src weights.Source) map[string]string {
	names := map[string]string{}
	var modules []string
	for _, name := range src.Names() {
		if module, ok := strings.CutSuffix(name, ".weight"); ok {
			names[flat(module)] = name
			modules = append(modules, module)
		}
	}
	add := func(module, name string) {
		if _, there := names[flat(module)]; !there {
			names[flat(module)] = name
		}
	}
	original := originalNames(modules)
	for _, module := range modules {
		name := module + ".weight"
		if part == UNet {
			if o := original(module); o != "" {
				add(o, name)
			}
			add(strings.TrimSuffix(module, ".0"), name) // to_out, as diffusers' processors had it
			continue
		}
		bare := strings.TrimPrefix(module, "text_model.")
		for _, m := range []string{bare, "text_model." + bare} {
			add(m, name)
			base, last := path.Split(strings.ReplaceAll(m, ".", "/"))
			if kind, ok := strings.CutSuffix(last, "_proj"); ok { // to_q, as diffusers' processors had it
				add(base+"to_"+kind, name)
			}
		}
	}
	return names
}

// flat is a module's name as kohya's trainers write it.
func flat(module string) string { return strings.NewReplacer(".", "_", "/", "_").Replace(module) }
