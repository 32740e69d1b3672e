package efficientnet

import (
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// fromTensors reads the sizes that tensors tell. A size whose tensor is missing
// is guessed from the block's others, for binding to report what is missing.
func fromTensors(src weights.Source, pad Padding) Config {
	c := Config{
		Channels: checkpoint.Dim(src, "conv_stem.weight", 1), Stem: rows(src, "conv_stem"), Pad: pad,
		Features: rows(src, "conv_head"), Classes: rows(src, "classifier"),
	}
	in := c.Stem
	gated := false
	for _, name := range src.Names() {
		gated = gated || strings.Contains(name, ".se.")
	}
	for s := range min(len(strides), count(src, "blocks.%d.")) {
		var blocks []BlockConfig
		for i := range count(src, fmt.Sprintf("blocks.%d.%%d.", s)) {
			b := blockFromTensors(src, fmt.Sprintf("blocks.%d.%d", s, i), in)
			b.Pad, b.Stride = pad, 1
			if i == 0 {
				b.Stride = strides[s]
			}
			if gated && !b.Fused && b.Squeeze == 0 {
				b.Squeeze = squeeze(in)
			}
			b.Skip = b.Stride == 1 && b.Out == in
			blocks, in = append(blocks, b), b.Out
		}
		c.Stages = append(c.Stages, blocks)
	}
	return c
}

// blockFromTensors reads the sizes of a block of in input channels.
func blockFromTensors(src weights.Source, path string, in int) BlockConfig {
	expand, depthwise, project := path+".expand", path+".depthwise", path+".project"
	b := BlockConfig{Squeeze: rows(src, path+".se.reduce"), Out: rows(src, project)}
	b.Fused = rows(src, depthwise) == 0 && checkpoint.Dim(src, expand+".weight", 2) > 1
	if b.Fused {
		b.Kernel, b.Expanded, b.Expand = checkpoint.Dim(src, expand+".weight", 2), rows(src, expand), b.Out > 0
		if !b.Expand {
			b.Out = b.Expanded
		}
		return b
	}
	if b.Kernel = checkpoint.Dim(src, depthwise+".weight", 2); b.Kernel == 0 {
		b.Kernel = 3
	}
	if b.Expanded = rows(src, depthwise); b.Expanded == 0 {
		b.Expanded = rows(src, expand)
	}
	b.Expand = rows(src, expand) > 0 || b.Expanded != in
	return b
}

// count is how many of blocks.0., blocks.1., … have tensors without a gap.
func count(src weights.Source, format string) int {
	prefix, suffix, _ := strings.Cut(format, "%d")
	found := map[string]bool{}
	for _, name := range src.Names() {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			number, _, _ := strings.Cut(rest, suffix)
			found[number] = true
		}
	}
	n := 0
	for found[fmt.Sprint(n)] {
		n++
	}
	return n
}

// rows is the output channels of a layer by any of its tensors, 0 if it has none.
func rows(src weights.Source, layer string) int {
	for _, name := range []string{".weight", ".bias", ".norm.weight", ".norm.bias", ".norm.running_mean", ".norm.running_var"} {
		if n := checkpoint.Dim(src, layer+name, 0); n > 0 {
			return n
		}
	}
	return 0
}
