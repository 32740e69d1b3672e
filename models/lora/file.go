package lora

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"saccade/weights"
)

// Layer is a layer that an adapter changes.
type Layer struct {
	Key    string // the file's name for it
	Part   string // of a diffusion pipeline, such as "unet"; "" if the file does not say
	Module string // its name within the part, in any of the ways

	tensors map[string]*weights.Tensor // by role
	alpha   float64                    // NaN: the rank
	root    bool                       // alpha is divided by the root of the rank (rsLoRA)
}

// role is what a tensor whose name has that end is of its layer.
type role struct {
	end  *regexp.Regexp
	name string
}

// The roles of the tensors of low-rank products, and of those by which LyCORIS names
// products of other kinds.
const (
	down, up  = "down", "up"
	magnitude = "magnitude" // DoRA's, one number a row
	alpha     = "alpha"
	unread    = "unread"

	hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2 = "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"

	lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2 = "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"
)

// roles are those of a LoRA's tensors. dora_scale, of kohya's trainers and LyCORIS, is
// left out as diffusers leaves it out.
var roles = []role{
	{regexp.MustCompile(`\.lora_A(\.\w+)?\.weight$`), down},
	{regexp.MustCompile(`\.lora_B(\.\w+)?\.weight$`), up},
	{regexp.MustCompile(`(\.lora_down|\.lora\.down|\.lora_linear_layer\.down|_lora\.down)\.weight$`), down},
	{regexp.MustCompile(`(\.lora_up|\.lora\.up|\.lora_linear_layer\.up|_lora\.up)\.weight$`), up},
	{regexp.MustCompile(`\.lora_magnitude_vector(\.\w+)*$`), magnitude},
	{regexp.MustCompile(`\.alpha$`), alpha},
	{regexp.MustCompile(`\.dora_scale$`), unread},
}

func init() {
	for _, name := range []string{hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2, lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2} {
		roles = append(roles, role{regexp.MustCompile(`\.` + name + `$`), name})
	}
}

// otherAdapters are the ends of names in files of other kinds.
var otherAdapters = []struct {
	end  *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`\.lora_mid\.weight$`), "a LoRA in Tucker's form (lora_mid)"},
	{regexp.MustCompile(`\.(oft_\w+|oft_R(\.\w+)*)$`), "OFT"},
	{regexp.MustCompile(`\.[ab][12]\.weight$`), "GLoRA"},
	{regexp.MustCompile(`\.(diff|diff_b|w_norm|b_norm)$`), "whole differences of weights"},
	{regexp.MustCompile(`\.(lora_B(\.\w+)?\.)?bias$`), "a LoRA with biases"},
	{regexp.MustCompile(`\.lora_embedding_[AB](\.\w+)?$`), "a LoRA of embeddings"},
}

// The parts of a diffusion pipeline that adapters change.
const unet, text, text2 = "unet", "text_encoder", "text_encoder_2"

// peftPrefix stands before the names of a network's modules in PEFT's files.
const peftPrefix = "base_model.model."

// loraPrefixes are the beginnings of a LoRA's names and the parts that they are
// of.
var loraPrefixes = []struct{ prefix, part string }{
	{"lora_unet_", unet}, {"lora_te1_", text}, {"lora_te2_", text2}, {"lora_te_", text},
	{"unet.", unet}, {"text_encoder.", text}, {"text_encoder_2.", text2},
	{"model.diffusion_model.", unet}, {"diffusion_model.", unet}, {peftPrefix, ""},
}

// BundlePrefix is that of textual inversions beside a LoRA, as OneTrainer saves them
// and A1111 reads them: bundle_emb.NAME.string_to_param.*, bundle_emb.NAME.clip_l.
const BundlePrefix = "bundle_emb."

// File is what an adapter's file and its configuration hold (Hu et al. 2021).
type File struct {
	Layers  []*Layer // with factors
	Orphans []string // layers that have an alpha alone
	Unread  []string // tensors that are left out, as diffusers leaves them out: dora_scale
	// Saved are the tensors of the layers that were trained whole beside the factors
	// (modules_to_save), by their names in the network.
	Saved map[string]*weights.Tensor
	// Bundled are the tensors of textual inversions beside the factors, by their names
	// without [BundlePrefix].
	Bundled map[string]*weights.Tensor

	c *weights.Checkpoint
}

// Metadata is that of the file.
func (f *File) Metadata() map[string]string { return f.c.Metadata() }

// Names implements [weights.Source], as Tensor does, for the tensors as they are in the
// file.
func (f *File) Names() []string { return f.c.Names() }

// Tensor implements [weights.Source].
func (f *File) Tensor(name string) (*weights.Tensor, bool) { return f.c.Tensor(name) }

// Close unmaps the tensors.
func (f *File) Close() error { return f.c.Close() }

// Open reads an adapter: a file, or a folder of PEFT (adapter_config.json) or of
// diffusers (pytorch_lora_weights.safetensors). resolve brings a hub id to such a
// folder, as [weights.Resolve]; nil: src is a path.
func Open(src string, resolve func(src string, wanted ...string) (string, error)) (*File, error) {
	file, config, err := Find(src, resolve)
	if err != nil {
		return nil, err
	}
	c, err := weights.Open(file)
	if err != nil {
		return nil, err
	}
	of, err := readAdapters(c.Metadata()["lora_adapter_metadata"])
	if err == nil && config != nil {
		var a *adapter
		a, err = parseAdapter(ConfigFile, config)
		of = adapters{"": a}
	}
	var f *File
	if err == nil {
		f, err = read(c, of)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return f, nil
}

// read reads an adapter's tensors, in their order, with what a configuration says of
// its parts.
func read(c *weights.Checkpoint, of adapters) (*File, error) {
	f := &File{Saved: map[string]*weights.Tensor{}, Bundled: map[string]*weights.Tensor{}, c: c}
	var all []*Layer
	by := map[string]*Layer{}
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		if rest, ok := strings.CutPrefix(name, BundlePrefix); ok {
			f.Bundled[rest] = t
			continue
		}
		if as := of.saved(name); as != "" {
			f.Saved[as] = t
			continue
		}
		key, role := roleOf(name)
		switch role {
		case "":
			return nil, otherAdapter(name, len(c.Names()))
		case unread:
			f.Unread = append(f.Unread, name)
			continue
		}
		l := by[key]
		if l == nil {
			l = newLayer(key)
			by[key], all = l, append(all, l)
		}
		if err := l.take(role, t); err != nil {
			return nil, err
		}
	}
	for _, l := range all {
		if len(l.tensors) == 0 {
			f.Orphans = append(f.Orphans, l.Key)
			continue
		}
		if err := of.apply(l); err != nil {
			return nil, err
		}
		f.Layers = append(f.Layers, l)
	}
	return f, nil
}

// roleOf cuts a tensor's name into its layer's and what it is of that, "" if it
// is no LoRA's.
func roleOf(name string) (key, role string) {
	for _, r := range roles {
		if at := r.end.FindStringIndex(name); at != nil {
			return name[:at[0]], r.name
		}
	}
	return name, ""
}

// otherAdapter is the error for a tensor that is no LoRA's.
func otherAdapter(name string, n int) error {
	for _, o := range otherAdapters {
		if o.end.MatchString(name) {
			return fmt.Errorf("it has %s, as %s has, which is not supported; LoRA, LoHa and LoKr of linear layers and convolutions are", name, o.what)
		}
	}
	return fmt.Errorf("it is no LoRA: among its %d tensors is %s; expected names such as lora_unet_….lora_down.weight or unet.….lora_A.weight", n, name)
}

// newLayer tells the part of a layer.
func newLayer(key string) *Layer {
	l := &Layer{Key: key, Module: key, alpha: math.NaN(), tensors: map[string]*weights.Tensor{}}
	for _, p := range loraPrefixes {
		if rest, ok := strings.CutPrefix(l.Module, p.prefix); ok {
			l.Part, l.Module = p.part, rest
			break
		}
	}
	l.Module = strings.ReplaceAll(l.Module, ".processor.", ".")
	return l
}

// take takes one of the layer's tensors.
func (l *Layer) take(role string, t *weights.Tensor) error {
	if role == alpha {
		var value [1]float32
		if t.Len() != 1 || t.Float32s(value[:]) != nil {
			return fmt.Errorf("%s: found shape %v, expected one number", t.Name, t.Shape)
		}
		l.alpha = float64(value[0])
		return nil
	}
	if other := l.tensors[role]; other != nil {
		return fmt.Errorf("its tensors %s and %s are the same factor of one layer", other.Name, t.Name)
	}
	if len(t.Shape) < 2 && role != magnitude || t.Len() == 0 {
		return fmt.Errorf("%s: found shape %v, expected a matrix or a convolution's weight", t.Name, t.Shape)
	}
	l.tensors[role] = t
	return nil
}

// of are the layer's tensors of some roles, of which those of optional may be nil.
func (l *Layer) of(needed, optional []string) ([]*weights.Tensor, error) {
	var all []*weights.Tensor
	for _, role := range needed {
		if l.tensors[role] == nil {
			return nil, fmt.Errorf("its layer %s has no %s beside its other factors; the file is damaged", l.Key, role)
		}
		all = append(all, l.tensors[role])
	}
	for role := range l.tensors {
		if !slices.Contains(needed, role) && !slices.Contains(optional, role) {
			return nil, fmt.Errorf("its layer %s has %s, which does not go with its other factors; the file is damaged", l.Key, role)
		}
	}
	for _, role := range optional {
		all = append(all, l.tensors[role])
	}
	return all, nil
}
