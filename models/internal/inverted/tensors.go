package inverted

import (
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// Plan is what a paper's table says of each stage and tensors do not.
type Plan struct {
	Strides []int  // of the first block
	Gated   []bool // whether its blocks have squeeze-and-excitation; nil: all if one has
}

// FromTensors reads the sizes that tensors of this package's names tell, and takes the
// others from a plan. A size whose tensor is missing is guessed, for binding to report
// what is missing.
func FromTensors(src weights.Source, pad Padding, plan Plan) Config {
	c := Config{
		Channels: or(checkpoint.Dim(src, "conv_stem.weight", 1), 3), Stem: or(Rows(src, "conv_stem"), 1), Pad: pad,
		Features: or(Rows(src, "conv_head"), checkpoint.Dim(src, "classifier.weight", 1), 1), Hidden: Rows(src, "hidden"), Classes: Rows(src, "classifier"),
	}
	some := slices.ContainsFunc(src.Names(), func(n string) bool { return strings.Contains(n, ".se.") })
	in := c.Stem
	for s := range min(len(plan.Strides), Count(src, "blocks.%d.")) {
		stage := stageOf(src, s)
		gated := some
		if plan.Gated != nil {
			gated = plan.Gated[s]
		}
		var blocks []BlockConfig
		for i := range stage.depth {
			b := stage.block(src, i, in)
			b.Pad, b.Stride = pad, 1
			if i == 0 {
				b.Stride = plan.Strides[s]
			}
			if gated && !b.Fused {
				b.Squeeze = or(b.Squeeze, max(1, in/4))
			}
			b.Skip = b.Stride == 1 && b.Out == in
			blocks, in = append(blocks, b), b.Out
		}
		c.Stages = append(c.Stages, blocks)
	}
	return c
}

// stage is what the blocks of a stage have in common.
type stage struct {
	path     string // blocks.STAGE
	depth    int
	fused    bool
	projects bool // its blocks have projections
	kernel   int
	out      int
}

func stageOf(src weights.Source, s int) stage {
	x := stage{path: fmt.Sprintf("blocks.%d", s), fused: true}
	x.depth = Count(src, x.path+".%d.")
	wide := 0 // the kernel of the expansions, if it is of a fused block
	for i := range x.depth {
		path := fmt.Sprintf("%s.%d", x.path, i)
		x.fused = x.fused && Rows(src, path+".depthwise") == 0
		x.projects = x.projects || Rows(src, path+".project") > 0
		x.kernel = or(x.kernel, checkpoint.Dim(src, path+".depthwise.weight", 2))
		wide = or(wide, checkpoint.Dim(src, path+".expand.weight", 2))
		x.out = or(x.out, Rows(src, path+".project"))
	}
	if x.fused = x.fused && wide > 1; x.fused {
		x.kernel = wide
	}
	return x
}

// block reads the sizes of a block of in input channels.
func (x stage) block(src weights.Source, i, in int) BlockConfig {
	path := fmt.Sprintf("%s.%d", x.path, i)
	expanded, deep := Rows(src, path+".expand"), Rows(src, path+".depthwise")
	b := BlockConfig{Fused: x.fused, Squeeze: Rows(src, path+".se.reduce"), Out: or(Rows(src, path+".project"), x.out, in)}
	if x.fused {
		b.Kernel, b.Expand = or(checkpoint.Dim(src, path+".expand.weight", 2), x.kernel), x.projects
		b.Expanded = or(expanded, checkpoint.Dim(src, path+".project.weight", 1), in)
		if !b.Expand {
			b.Out = b.Expanded
		}
		return b
	}
	b.Kernel = or(checkpoint.Dim(src, path+".depthwise.weight", 2), x.kernel, 3)
	b.Expanded = or(deep, expanded, in)
	b.Expand = expanded > 0 || b.Expanded != in
	return b
}

// or is the first of the sizes that is known.
func or(sizes ...int) int {
	for _, n := range sizes {
		if n > 0 {
			return n
		}
	}
	return 0
}

// Count is how many of blocks.0., blocks.1., … have tensors without a gap.
func Count(src weights.Source, format string) int {
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

// Rows is the output channels of a layer by any of its tensors, 0 if it has none.
func Rows(src weights.Source, layer string) int {
	for _, name := range []string{".weight", ".bias", ".norm.weight", ".norm.bias", ".norm.running_mean", ".norm.running_var"} {
		if n := checkpoint.Dim(src, layer+name, 0); n > 0 {
			return n
		}
	}
	return 0
}
