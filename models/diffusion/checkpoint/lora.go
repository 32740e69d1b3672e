package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"saccade/weights"
)

// LoRA is a low-rank adaptation that is merged into a pipeline (Hu et al. 2021).
type LoRA struct {
	File      string
	Scale     float64
	Layers    int      // of the pipeline that it changes
	Unmatched []string // its layers that the pipeline has not
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
// The file has the names of PEFT and diffusers, or those of kohya's trainers, by
// the layers of diffusers or by those of the networks' first publication. Layers
// that the pipeline has not are listed in [LoRA]; that no layer fits, that one has
// another shape, and other kinds of adapters are errors, and nothing is merged.
func (p *Pipeline) Merge(file string, scale float64) error {
	if math.IsNaN(scale) || math.IsInf(scale, 0) {
		return fmt.Errorf("merge LoRA %s: a scale of %v is no number to multiply with", file, scale)
	}
	c, err := weights.Open(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("merge LoRA %s: %w", file, err)
	}
	if err := p.merge(c, file, scale); err != nil {
		return errors.Join(fmt.Errorf("merge LoRA %s: %w", file, err), c.Close())
	}
	return nil
}

func (p *Pipeline) merge(c *weights.Checkpoint, file string, scale float64) error {
	layers, err := readLoRA(c)
	if err != nil {
		return err
	}
	l := LoRA{File: file, Scale: scale}
	tables, deltas := map[string]map[string]string{}, map[string]map[string]*delta{}
	for _, layer := range layers {
		part, name, err := p.find(tables, layer)
		if err != nil {
			return err
		}
		if name == "" {
			l.Unmatched = append(l.Unmatched, layer.key)
			continue
		}
		d, err := p.delta(part, name, layer, scale)
		if err != nil {
			return err
		}
		if deltas[part] == nil {
			deltas[part] = map[string]*delta{}
		}
		if deltas[part][name] != nil {
			return fmt.Errorf("its layers %s and %s are both for %s.%s", deltas[part][name].key, layer.key, part, name)
		}
		deltas[part][name] = d
		l.Layers++
	}
	if l.Layers == 0 {
		return fmt.Errorf("none of its %d layers is one of pipeline %s (%s), so that it is for another; its first are [%s]", len(layers), p.Name, p.Class, strings.Join(l.Unmatched[:min(3, len(l.Unmatched))], ", "))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for part, of := range deltas {
		p.parts[part].Source = newMerged(p.parts[part].Source, of)
	}
	p.loras = append(p.loras, l)
	p.closers = append(p.closers, c.Close)
	return nil
}

// find finds the tensor of a layer, "" if there is none, among the parts that it
// may be of. tables are the names of the parts' layers, by part.
func (p *Pipeline) find(tables map[string]map[string]string, l *loraLayer) (part, tensor string, err error) {
	parts := []string{l.part}
	if l.part == "" {
		parts = []string{UNet, TextEncoder, TextEncoder2}
	}
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
		if tensor := tables[name][flat(l.module)]; tensor != "" {
			return name, tensor, nil
		}
	}
	return "", "", nil
}

// delta checks a layer's factors against the weight that they are added to.
func (p *Pipeline) delta(part, name string, l *loraLayer, scale float64) (*delta, error) {
	opened, err := p.Part(part)
	if err != nil {
		return nil, err
	}
	w, ok := opened.Source.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s.%s can't be read", part, name)
	}
	rank := l.down.Shape[0]
	of := append([]int{l.up.Shape[0]}, l.down.Shape[1:]...)
	if len(l.up.Shape) < 2 || l.up.Shape[1] != rank || l.up.Len() != l.up.Shape[0]*rank || rank == 0 {
		return nil, fmt.Errorf("its layer %s has the factors %v and %v, which do not fit each other", l.key, l.up.Shape, l.down.Shape)
	}
	if !slices.Equal(squeeze(of), squeeze(w.Shape)) {
		return nil, fmt.Errorf("its layer %s is for a weight %v, but %s.%s of pipeline %s is %v: it is for another base than this one", l.key, of, part, name, p.Name, w.Shape)
	}
	return &delta{key: l.key, up: l.up, down: l.down, factor: float32(scale * l.scaling())}, nil
}

// squeeze leaves out the ones at the end: a 1×1 convolution is a matrix.
func squeeze(shape []int) []int {
	for len(shape) > 2 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
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
