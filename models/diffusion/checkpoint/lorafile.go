package checkpoint

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"saccade/weights"
)

// loraLayer is a layer of a LoRA file.
type loraLayer struct {
	key    string // the file's name for it
	part   string // "" if the file does not say
	module string // its name within the part, in any of the ways

	down, up *weights.Tensor // [rank, in, …] and [out, rank, …]
	alpha    float64         // NaN: the rank
	root     bool            // alpha is divided by the root of the rank (rsLoRA)
}

// scaling is what the product of the factors is multiplied with.
func (l *loraLayer) scaling() float64 {
	rank := float64(l.down.Shape[0])
	switch {
	case math.IsNaN(l.alpha):
		return 1
	case l.root:
		return l.alpha / math.Sqrt(rank)
	}
	return l.alpha / rank
}

// loraRoles are the ends of a LoRA's names and what a tensor of that name is.
var loraRoles = []struct {
	end  *regexp.Regexp
	role string
}{
	{regexp.MustCompile(`\.lora_A(\.\w+)?\.weight$`), "down"},
	{regexp.MustCompile(`\.lora_B(\.\w+)?\.weight$`), "up"},
	{regexp.MustCompile(`(\.lora_down|\.lora\.down|\.lora_linear_layer\.down|_lora\.down)\.weight$`), "down"},
	{regexp.MustCompile(`(\.lora_up|\.lora\.up|\.lora_linear_layer\.up|_lora\.up)\.weight$`), "up"},
	{regexp.MustCompile(`\.alpha$`), "alpha"},
}

// otherAdapters are the ends of names in files of other kinds.
var otherAdapters = []struct {
	end  *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`\.lora_mid\.weight$`), "a LoRA in Tucker's form (lora_mid)"},
	{regexp.MustCompile(`\.(dora_scale|lora_magnitude_vector(\.\w+)*)$`), "DoRA"},
	{regexp.MustCompile(`\.hada_(w1_a|w1_b|w2_a|w2_b|t1|t2)$`), "LoHa"},
	{regexp.MustCompile(`\.lokr_(w1|w2|t2|w1_a|w1_b|w2_a|w2_b)$`), "LoKr"},
	{regexp.MustCompile(`\.(oft_\w+|oft_R(\.\w+)*)$`), "OFT"},
	{regexp.MustCompile(`\.[ab][12]\.weight$`), "GLoRA"},
	{regexp.MustCompile(`\.(diff|diff_b|w_norm|b_norm)$`), "whole differences of weights"},
	{regexp.MustCompile(`\.lora_B(\.\w+)?\.bias$`), "a LoRA with biases"},
}

// loraPrefixes are the beginnings of a LoRA's names and the parts that they are
// of.
var loraPrefixes = []struct{ prefix, part string }{
	{"lora_unet_", UNet}, {"lora_te1_", TextEncoder}, {"lora_te2_", TextEncoder2}, {"lora_te_", TextEncoder},
	{"unet.", UNet}, {"text_encoder.", TextEncoder}, {"text_encoder_2.", TextEncoder2},
	{unetPrefix, UNet}, {"diffusion_model.", UNet}, {"base_model.model.", ""},
}

// readLoRA reads the layers of a LoRA file, in its order.
func readLoRA(c *weights.Checkpoint) ([]*loraLayer, error) {
	adapters, err := readAdapters(c.Metadata()["lora_adapter_metadata"])
	if err != nil {
		return nil, err
	}
	var layers []*loraLayer
	by := map[string]*loraLayer{}
	for _, name := range c.Names() {
		key, role := roleOf(name)
		if role == "" {
			return nil, otherAdapter(name, len(c.Names()))
		}
		l := by[key]
		if l == nil {
			l = newLayer(key)
			by[key], layers = l, append(layers, l)
		}
		t, _ := c.Tensor(name)
		if err := l.take(role, t); err != nil {
			return nil, err
		}
	}
	for _, l := range layers {
		if l.down == nil || l.up == nil {
			return nil, fmt.Errorf("its layer %s has one of the two factors alone; the file is damaged", l.key)
		}
		if err := adapters.apply(l); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

// roleOf cuts a tensor's name into its layer's and what it is of that, "" if it
// is no LoRA's.
func roleOf(name string) (key, role string) {
	for _, r := range loraRoles {
		if at := r.end.FindStringIndex(name); at != nil {
			return name[:at[0]], r.role
		}
	}
	return name, ""
}

// otherAdapter is the error for a tensor that is no LoRA's.
func otherAdapter(name string, n int) error {
	for _, o := range otherAdapters {
		if o.end.MatchString(name) {
			return fmt.Errorf("it has %s, as %s has, which is not supported; LoRAs of two factors for linear layers and convolutions are", name, o.what)
		}
	}
	return fmt.Errorf("it is no LoRA: among its %d tensors is %s; expected names such as lora_unet_….lora_down.weight or unet.….lora_A.weight", n, name)
}

// newLayer tells the part of a layer.
func newLayer(key string) *loraLayer {
	l := &loraLayer{key: key, module: key, alpha: math.NaN()}
	for _, p := range loraPrefixes {
		if rest, ok := strings.CutPrefix(l.module, p.prefix); ok {
			l.part, l.module = p.part, rest
			break
		}
	}
	l.module = strings.ReplaceAll(l.module, ".processor.", ".")
	return l
}

// take takes one of the layer's tensors.
func (l *loraLayer) take(role string, t *weights.Tensor) error {
	switch role {
	case "alpha":
		var alpha [1]float32
		if err := t.Float32s(alpha[:]); err != nil || t.Len() != 1 {
			return fmt.Errorf("%s: found shape %v, expected one number", t.Name, t.Shape)
		}
		l.alpha = float64(alpha[0])
		return nil
	case "down":
		return setFactor(&l.down, t)
	}
	return setFactor(&l.up, t)
}

// setFactor takes one of the two factors.
func setFactor(factor **weights.Tensor, t *weights.Tensor) error {
	if *factor != nil {
		return fmt.Errorf("its tensors %s and %s are the same factor of one layer", (*factor).Name, t.Name)
	}
	if len(t.Shape) < 2 {
		return fmt.Errorf("%s: found shape %v, expected a matrix or a convolution's weight", t.Name, t.Shape)
	}
	*factor = t
	return nil
}

// adapters is what PEFT's configurations in a file's metadata say, by part. A
// part of "" is that of names without a part.
type adapters map[string]*adapter

type adapter struct {
	Alpha        *float64           `json:"lora_alpha"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`
	Root         bool               `json:"use_rslora"`
	DoRA         bool               `json:"use_dora"`
}

// readAdapters reads metadata such as {"unet.lora_alpha": 8, "unet.r": 4}.
func readAdapters(text string) (adapters, error) {
	if text == "" {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("its metadata lora_adapter_metadata: %w", err)
	}
	parts := map[string]map[string]json.RawMessage{}
	for name, value := range all {
		part, key, ok := strings.Cut(name, ".")
		if !ok {
			part, key = "", name
		}
		if parts[part] == nil {
			parts[part] = map[string]json.RawMessage{}
		}
		parts[part][key] = value
	}
	of := adapters{}
	for part, keys := range parts {
		whole, err := json.Marshal(keys)
		if err != nil {
			return nil, err
		}
		a := &adapter{}
		if err := json.Unmarshal(whole, a); err != nil {
			return nil, fmt.Errorf("its metadata lora_adapter_metadata: %s: %w", part, err)
		}
		of[part] = a
	}
	return of, nil
}

// apply tells a layer its alpha where no tensor has. A pattern is the end of a
// module's name, in parts.
func (a adapters) apply(l *loraLayer) error {
	of := a[l.part]
	if of == nil {
		return nil
	}
	if of.DoRA {
		return otherAdapter(l.key+".lora_magnitude_vector", 0)
	}
	l.root = of.Root
	if !math.IsNaN(l.alpha) || of.Alpha == nil {
		return nil
	}
	l.alpha = *of.Alpha
	patterns := make([]string, 0, len(of.AlphaPattern))
	for p := range of.AlphaPattern {
		patterns = append(patterns, p)
	}
	slices.SortFunc(patterns, func(a, b string) int { return len(a) - len(b) }) // the longest, most exact, last
	for _, p := range patterns {
		if l.module == p || strings.HasSuffix(l.module, "."+p) {
			l.alpha = of.AlphaPattern[p]
		}
	}
	return nil
}
