package checkpoint

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"saccade/models/lora"
	"saccade/weights"
)

// Embedding is a textual inversion (Gal et al. 2022): vectors that stand for a token
// in a prompt.
type Embedding struct {
	Token   string
	Vectors []Vectors // one for each text tower that it is for
}

// Vectors are a token's in a text tower: [Count, Width], row by row.
type Vectors struct {
	Part         string // TextEncoder or TextEncoder2; "" where the file does not say
	Count, Width int
	Values       []float32
}

// towerKeys are the names of the towers' vectors in files for SDXL.
var towerKeys = map[string]string{"clip_l": TextEncoder, "clip_g": TextEncoder2}

// OpenEmbedding reads a textual inversion: A1111's (string_to_param, emb_params, and
// clip_l with clip_g for SDXL), whose token is the name that the file tells or has, or
// diffusers' {token: vectors}. src is a file, or a folder or hub id with
// learned_embeds.safetensors or learned_embeds.bin.
func (p *Pipeline) OpenEmbedding(src string) (Embedding, error) {
	e, err := p.openEmbedding(src)
	if err != nil {
		return Embedding{}, fmt.Errorf("open textual inversion %s: %w", src, err)
	}
	return e, nil
}

func (p *Pipeline) openEmbedding(src string) (Embedding, error) {
	path := filepath.Clean(src)
	if p.resolve != nil {
		var err error
		if path, err = p.resolve(src, "learned_embeds.safetensors|learned_embeds.bin"); err != nil {
			return Embedding{}, err
		}
	}
	c, err := openOf(path, "learned_embeds.safetensors", "learned_embeds.bin")
	if err != nil {
		return Embedding{}, err
	}
	defer c.Close()
	stem := strings.TrimSuffix(filepath.Base(c.Path()), filepath.Ext(c.Path()))
	return readEmbedding(c, c.Names(), stem, c.Metadata()["name"])
}

// openOf opens a file, or the first of a folder's files that is there.
func openOf(path string, files ...string) (*weights.Checkpoint, error) {
	for _, file := range files {
		if c, err := weights.OpenInversion(filepath.Join(path, file)); err == nil {
			return c, nil
		}
	}
	return weights.OpenInversion(path)
}

// readEmbedding reads the tensors of a textual inversion. stem is its file's name,
// told what it says of its own.
func readEmbedding(src weights.Source, names []string, stem, told string) (Embedding, error) {
	e := Embedding{Token: stem}
	for _, name := range names {
		t, _ := src.Tensor(name)
		v, err := readVectors(t)
		if err != nil {
			return Embedding{}, err
		}
		switch {
		case towerKeys[name] != "":
			v.Part = towerKeys[name]
		case name == "emb_params":
		case name == "string_to_param.*":
			if told != "" {
				e.Token = told
			}
		case len(names) == 1:
			e.Token = name
		default:
			return Embedding{}, fmt.Errorf("it is no textual inversion: among its %d tensors is %s; expected string_to_param, emb_params, clip_l and clip_g, or one tensor under its token", len(names), name)
		}
		e.Vectors = append(e.Vectors, v)
	}
	if len(e.Vectors) == 0 {
		return Embedding{}, fmt.Errorf("it holds no tensors")
	}
	return e, nil
}

// readVectors reads a tensor [width] or [count, width].
func readVectors(t *weights.Tensor) (Vectors, error) {
	shape := t.Shape
	if len(shape) == 1 {
		shape = []int{1, shape[0]}
	}
	if len(shape) != 2 || t.Len() == 0 {
		return Vectors{}, fmt.Errorf("%s: found shape %v, expected vectors [count, width]", t.Name, t.Shape)
	}
	v := Vectors{Count: shape[0], Width: shape[1], Values: make([]float32, t.Len())}
	return v, t.Float32s(v.Values)
}

// Tokens are the tokens that an embedding's vectors have, the first of which a prompt
// names for all of them, as diffusers counts them.
func (e Embedding) Tokens() []string {
	count := 0
	for _, v := range e.Vectors {
		count = max(count, v.Count)
	}
	tokens := []string{e.Token}
	for i := 1; i < count; i++ {
		tokens = append(tokens, fmt.Sprintf("%s_%d", e.Token, i))
	}
	return tokens
}

// Fit gives an embedding's vectors for each text tower of the pipeline, by part. A
// tower that has none, and vectors that no tower is as wide as, are errors.
func (p *Pipeline) Fit(e Embedding) (map[string]Vectors, error) {
	of, widths := map[string]Vectors{}, map[string]int{}
	for _, name := range []string{TextEncoder, TextEncoder2} {
		if !p.Has(name) {
			continue
		}
		part, err := p.Part(name)
		if err != nil {
			return nil, err
		}
		widths[name] = tokenWidth(part.Source)
		i := slices.IndexFunc(e.Vectors, func(v Vectors) bool { return v.Width == widths[name] && (v.Part == "" || v.Part == name) })
		if i >= 0 {
			of[name] = e.Vectors[i]
		}
	}
	for name, width := range widths {
		if v, ok := of[name]; !ok || v.Count != of[slices.Min(slices.Collect(maps.Keys(of)))].Count {
			return nil, fmt.Errorf("textual inversion %s has vectors of %s; %s of pipeline %s (%s) takes as many for each tower, of %d", e.Token, e.shapes(), name, p.Name, p.Class, width)
		}
	}
	return of, nil
}

// shapes are those of the vectors, for errors.
func (e Embedding) shapes() string {
	var all []string
	for _, v := range e.Vectors {
		all = append(all, fmt.Sprintf("%d×%d", v.Count, v.Width))
	}
	return strings.Join(all, " and ")
}

// tokenWidth is the width of a text tower's tokens.
func tokenWidth(src weights.Source) int {
	for _, prefix := range []string{"", "text_model."} {
		if t, ok := src.Tensor(prefix + "embeddings.token_embedding.weight"); ok && len(t.Shape) == 2 {
			return t.Shape[1]
		}
	}
	return 0
}

// readBundles makes embeddings of the textual inversions beside a LoRA, whose tensors
// are named NAME.KEY, by their names.
func readBundles(tensors map[string]*weights.Tensor) ([]Embedding, error) {
	all := map[string][]*weights.Tensor{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		token, key := name, "emb_params"
		for _, end := range []string{"string_to_param.*", "clip_l", "clip_g", "emb_params"} {
			if rest, ok := strings.CutSuffix(name, "."+end); ok {
				token, key = rest, end
				break
			}
		}
		of := *tensors[name] // under the name that a file of its own would have
		of.Name = key
		all[token] = append(all[token], &of)
	}
	var list []Embedding
	for _, token := range slices.Sorted(maps.Keys(all)) {
		var names []string
		for _, t := range all[token] {
			names = append(names, t.Name)
		}
		e, err := readEmbedding(weights.With(nothing{}, all[token]...), names, token, "")
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", lora.BundlePrefix, token, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// nothing is a source without tensors.
type nothing struct{}

func (nothing) Names() []string                       { return nil }
func (nothing) Tensor(string) (*weights.Tensor, bool) { return nil, false }
