package ipadapter

import (
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// The prefixes of an adapter's two parts.
const (
	projection = "image_proj."
	attention  = "ip_adapter."
)

// Describe finds the projection of an adapter's file, for a UNet whose prompts are of a width, and
// shows its tensors under this package's names; and those of the attention, without their prefix.
func Describe(src weights.Source, context int) (c Config, projected, attending weights.Source, err error) {
	projected, attending = part(src, projection), part(src, attention)
	for _, name := range src.Names() {
		if !strings.HasPrefix(name, projection) && !strings.HasPrefix(name, attention) {
			return c, nil, nil, checkpoint.Unknown(src, "IP-Adapter", "one that begins with neither "+projection+" nor "+attention+": "+weights.Printable(name))
		}
	}
	for _, name := range attending.Names() {
		if strings.Contains(name, "lora") {
			return c, nil, nil, fmt.Errorf("it is of faces (tensor %s%s), which is not supported; plain adapters and plus are", attention, name)
		}
	}
	switch {
	case checkpoint.Has(projected, "proj.weight"):
		c = Config{In: checkpoint.Dim(projected, "proj.weight", 1), Tokens: projectedTokens, Context: checkpoint.Rows(projected, "norm.weight")}
	case checkpoint.Has(projected, "latents") && checkpoint.Has(projected, "proj_in.weight"):
		c, projected, err = describePlus(projected)
	default:
		return c, nil, nil, checkpoint.Unknown(src, "IP-Adapter", "neither image_proj.proj.weight (plain) nor image_proj.latents beside image_proj.proj_in.weight (plus); others, of faces, are not supported")
	}
	if err == nil && c.Context != context {
		err = fmt.Errorf("it is for another base: its tokens are of width %d and the pipeline's prompts of %d; give one for this kind of Stable Diffusion", c.Context, context)
	}
	return c, projected, attending, err
}

// part is the tensors under a prefix, without it.
func part(src weights.Source, prefix string) weights.Source {
	var all []*weights.Tensor
	for _, name := range src.Names() {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if t, ok := src.Tensor(name); ok {
				t.Name = rest
				all = append(all, t)
			}
		}
	}
	return weights.With(none{}, all...)
}

// none is a source without tensors.
type none struct{}

func (none) Names() []string                       { return nil }
func (none) Tensor(string) (*weights.Tensor, bool) { return nil, false }

// mostLayers bounds those of a plus adapter; published ones have four.
const mostLayers = 64

func describePlus(src weights.Source) (Config, weights.Source, error) {
	c := Config{Plus: true, In: checkpoint.Dim(src, "proj_in.weight", 1), Tokens: checkpoint.Dim(src, "latents", 1), Hidden: checkpoint.Dim(src, "latents", 2),
		Context: checkpoint.Rows(src, "proj_out.weight"), Inner: checkpoint.Rows(src, "layers.0.1.1.weight")}
	var split []*weights.Tensor
	for ; checkpoint.Has(src, fmt.Sprintf("layers.%d.0.to_kv.weight", c.Depth)); c.Depth++ {
		name := fmt.Sprintf("layers.%d.0.to_kv.weight", c.Depth)
		values, _, err := checkpoint.Values(src, name)
		if err != nil {
			return c, nil, err
		}
		rows := checkpoint.Rows(src, name)
		if c.Depth == mostLayers || c.Hidden < 1 || rows%2 != 0 || len(values) != rows*c.Hidden {
			return c, nil, fmt.Errorf("it has more than %d layers, or %s of %d values in %d rows; expected twice as many as heads give, of %d", mostLayers, name, len(values), rows, c.Hidden)
		}
		for i, of := range []string{"to_k", "to_v"} {
			t, err := weights.FromFloat32s(strings.Replace(name, "to_kv", of, 1), values[i*len(values)/2:][:len(values)/2], rows/2, c.Hidden)
			if err != nil {
				return c, nil, err
			}
			split = append(split, t)
		}
	}
	inner := checkpoint.Rows(src, "layers.0.0.to_q.weight")
	if c.Heads = inner / headWidth; c.Heads < 1 || c.Heads*headWidth != inner || c.Tokens < 1 {
		return c, nil, fmt.Errorf("its queries have %d values, which are no heads of %d, or there are none", inner, headWidth)
	}
	return c, weights.With(weights.Rename(src, []weights.Rule{{From: "layers.*.0.to_kv.weight", To: ""}}), split...), nil
}
