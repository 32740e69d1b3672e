package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

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
	file, config, err := p.findLoRA(src)
	if err != nil {
		return err
	}
	c, err := weights.Open(file)
	if err != nil {
		return err
	}
	of, err := readAdapters(c.Metadata()["lora_adapter_metadata"])
	if err == nil && config != nil {
		var a *adapter
		a, err = parseAdapter(adapterConfig, config)
		of = adapters{"": a}
	}
	var f *loraFile
	if err == nil {
		f, err = readLoRA(c, of)
	}
	if err == nil {
		err = p.merge(c, f, src, scale)
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	return nil
}

const adapterConfig = "adapter_config.json"

// loraFiles are the names of a LoRA's tensors in a folder: PEFT's and diffusers'.
var loraFiles = []string{"adapter_model.safetensors", "adapter_model.bin", "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"}

// findLoRA finds the tensors and, in a folder of PEFT, the configuration, else nil.
func (p *Pipeline) findLoRA(src string) (file string, config []byte, err error) {
	path := filepath.Clean(src)
	if p.resolve != nil {
		if path, err = p.resolve(src, adapterConfig+"?", strings.Join(loraFiles, "|")); err != nil {
			return "", nil, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	dir := path
	if info.IsDir() {
		i := slices.IndexFunc(loraFiles, func(name string) bool {
			_, err := os.Stat(filepath.Join(path, name))
			return err == nil
		})
		if i < 0 {
			return "", nil, fmt.Errorf("the folder has no %s; name the file", strings.Join(loraFiles, ", "))
		}
		file = filepath.Join(path, loraFiles[i])
	} else {
		file, dir = path, filepath.Dir(path)
	}
	if !strings.HasPrefix(filepath.Base(file), "adapter_model.") {
		return file, nil, nil
	}
	if config, err = os.ReadFile(filepath.Join(dir, adapterConfig)); errors.Is(err, fs.ErrNotExist) {
		return file, nil, fmt.Errorf("there is no %s beside %s, which tells the scaling", adapterConfig, filepath.Base(file))
	}
	return file, config, err
}

func (p *Pipeline) merge(c *weights.Checkpoint, f *loraFile, src string, scale float64) error {
	l := LoRA{File: src, Scale: scale, Orphans: f.orphans, Unread: f.unread, Embeddings: f.embeddings}
	tables, deltas := map[string]map[string]string{}, map[string]map[string]*delta{}
	for _, layer := range f.layers {
		product, rank, err := newChange(layer)
		if err != nil {
			return err
		}
		part, name, err := p.find(tables, layer, product.shape())
		if err != nil {
			return err
		}
		if name == "" {
			l.Unmatched = append(l.Unmatched, layer.key)
			continue
		}
		if deltas[part] == nil {
			deltas[part] = map[string]*delta{}
		}
		if deltas[part][name] != nil {
			return fmt.Errorf("its layers %s and %s are both for %s.%s", deltas[part][name].key, layer.key, part, name)
		}
		d := &delta{key: layer.key, change: product, factor: float32(scale * layer.scaling(rank)), magnitude: layer.tensors[magnitude]}
		if m := d.magnitude; m != nil && m.Len() != product.shape()[0] {
			return fmt.Errorf("its layer %s has a lora_magnitude_vector %v; expected one number for each of %d rows", layer.key, m.Shape, product.shape()[0])
		}
		deltas[part][name] = d
		l.Layers++
	}
	if l.Layers == 0 && (len(f.layers) > 0 || len(f.embeddings) == 0) {
		return fmt.Errorf("none of its %d layers is one of pipeline %s (%s), so that it is for another; its first are [%s]", len(f.layers), p.Name, p.Class, strings.Join(l.Unmatched[:min(3, len(l.Unmatched))], ", "))
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
// may be of: where the file does not say, the first whose weight has that shape.
// tables are the names of the parts' layers, by part.
func (p *Pipeline) find(tables map[string]map[string]string, l *loraLayer, shape []int) (part, tensor string, err error) {
	parts := []string{l.part}
	if l.part == "" {
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
		tensor := tables[name][flat(l.module)]
		if tensor == "" {
			continue
		}
		w, ok := part.Source.Tensor(tensor)
		if !ok {
			return "", "", fmt.Errorf("%s.%s can't be read", name, tensor)
		}
		if fitsWeight(shape, w.Shape) {
			return name, tensor, nil
		}
		unfit = fmt.Errorf("its layer %s is for a weight %v, but %s.%s of pipeline %s is %v: it is for another base than this one", l.key, shape, name, tensor, p.Name, w.Shape)
	}
	return "", "", unfit
}

// fitsWeight says that a product of that shape can be added to a weight: of the same
// shape, or of as many rows and values, as a convolution's that is written flat.
func fitsWeight(shape, weight []int) bool {
	size := func(s []int) int {
		n := 1
		for _, v := range s {
			n *= v
		}
		return n
	}
	return slices.Equal(squeeze(shape), squeeze(weight)) || len(shape) == 2 && len(weight) == 4 && shape[0] == weight[0] && size(shape) == size(weight)
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
