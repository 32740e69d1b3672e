package unet

import (
	"fmt"

	"saccade/weights"
)

// CrossNames are the names of the attention to the prompt, in diffusers' order of its processors:
// the way down, the way up, the middle.
func (c Config) CrossNames() (names []string) {
	add := func(stage string, a Attention) {
		for j, depth := range a.Depths {
			for k := range depth {
				names = append(names, fmt.Sprintf("%s.attentions.%d.transformer_blocks.%d.attn2", stage, j, k))
			}
		}
	}
	for i, l := range c.Down {
		add(fmt.Sprintf("down_blocks.%d", i), l.Attention)
	}
	for i, l := range c.Up {
		add(fmt.Sprintf("up_blocks.%d", i), l.Attention)
	}
	add("mid_block", c.Middle.Attention)
	return names
}

// WithImages shows the tensors of a UNet with those of an IP-Adapter, the next of c, whose names
// are N.to_k_ip.weight and N.to_v_ip.weight with N = 1, 3, 5 and so on, in the order of
// [Config.CrossNames]; and c with the adapter's weight.
func (c Config) WithImages(src, adapter weights.Source, weight float64) (Config, weights.Source, error) {
	names := c.CrossNames()
	var added []*weights.Tensor
	for i, name := range names {
		for _, of := range []string{"to_k", "to_v"} {
			from := fmt.Sprintf("%d.%s_ip.weight", 2*i+1, of)
			t, ok := adapter.Tensor(from)
			if !ok {
				return c, nil, fmt.Errorf("it has no tensor %s; expected those of %d layers of attention to the prompt, as this UNet has", from, len(names))
			}
			if len(t.Shape) != 2 || t.Shape[1] != c.Context {
				return c, nil, fmt.Errorf("it is for another base: tensor %s has shape %v and the prompts of this UNet are of width %d", from, t.Shape, c.Context)
			}
			t.Name = fmt.Sprintf("%s.images.%d.%s.weight", name, len(c.Images), of)
			added = append(added, t)
		}
	}
	if n := len(adapter.Names()); n != len(added) {
		return c, nil, fmt.Errorf("it is for another base: it has %d tensors of attention, and this UNet takes %d", n, len(added))
	}
	c.Images = append(append([]float64{}, c.Images...), weight)
	return c, weights.With(src, added...), nil
}
