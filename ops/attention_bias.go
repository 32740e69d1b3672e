package ops

import (
	"errors"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionBias is what an attention adds to the scores, after their scale.
type attentionBias struct {
	table     *Table      // [heads·Tq, Tk]
	regions   *gpu.Tensor // u32 [windows·T]
	positions *gpu.Tensor // what queries give those of keys
	of        tokenMap    // on which they are
}

// Bias adds table [heads·Tq, Tk] to the scores: what query i of a head gives key j
// (Swin's and T5's relative positions), the same in every item. Not with [Mask.Tail].
func Bias(table *Table) AttentionOption { return func(c *attentionCall) { c.bias.table = table } }

// Regions adds −100 to the scores of tokens that are not of one region, as Swin does for
// windows that were shifted beyond the edge: regions, u32 [W, T], has a number for each
// token of W windows, which the items are in turn.
func Regions(regions *gpu.Tensor) AttentionOption {
	return func(c *attentionCall) { c.bias.regions = regions }
}

// RelativePositions adds what a query gives the row and the column of a key on a map of h
// rows of w tokens (ViTDet, SAM): y is what [RelativePosition.Forward] gives.
func RelativePositions(y *gpu.Tensor, h, w int) AttentionOption {
	return func(c *attentionCall) { c.bias.positions, c.bias.of = y, newTokenMap(h, w) }
}

// check refuses what does not fit the call.
func (b attentionBias) check(c *attentionCall) error {
	n, tq, tk := c.tokens()
	switch {
	case b.table != nil && c.mask.Tail:
		return errors.New("attention: a bias of queries that are the tail of the keys, whose places it would not follow")
	case b.table != nil && (b.table.Rows != c.heads*tq || b.table.Width != tk):
		return fmt.Errorf("attention: a bias [%d %d] for %d heads of %d queries over %d keys", b.table.Rows, b.table.Width, c.heads, tq, tk)
	}
	if r := b.regions; r != nil && (r.Type != gpu.U32 || tq != tk || r.Rows()*r.Width()%tk != 0 || n%(r.Rows()*r.Width()/tk) != 0) {
		return fmt.Errorf("attention: regions %s (%s) do not fit %d items of %d queries and %d keys, expected u32 [windows tokens]", r, r.Type, n, tq, tk)
	}
	x := b.positions
	if x == nil {
		return nil
	}
	if b.table != nil || b.regions != nil {
		return errors.New("attention: relative positions beside a bias or regions")
	}
	if c.mask != (Mask{}) {
		return errors.New("attention: relative positions with a mask, which is of keys in the order of a text")
	}
	if tq != b.of.h*b.of.w || tk != tq || x.Type != gpu.F32 || !slices.Equal(x.Shape, []int{n, c.heads, b.of.fours(), 4 * tq}) {
		return fmt.Errorf("attention: relative positions %s (%s) do not fit %d items of %d heads, %d queries and %d keys on a map %d×%d",
			x, x.Type, n, c.heads, tq, tk, b.of.h, b.of.w)
	}
	return nil
}

// function names the one of attention_probs that the kernels take; "" for none.
func (b attentionBias) function() string {
	switch {
	case b.positions != nil && b.of.w%4 == 0:
		return "relative_bias"
	case b.positions != nil:
		return "ragged_bias"
	case b.table != nil && b.regions != nil:
		return "window_bias"
	case b.table != nil:
		return "table_bias"
	case b.regions != nil:
		return "region_bias"
	}
	return ""
}

// base names the function that adds the same where there are no regions, whose buffer is
// one of zeros then: "" if this one is no other.
func (b attentionBias) base() string {
	if b.function() == "window_bias" {
		return "table_bias"
	}
	return ""
}

// suffix names it, for tables.
func (b attentionBias) suffix() string {
	if f := b.function(); f != "" {
		return " " + f
	}
	return ""
}

// Forms of kernels that add a bias: that which declares the functions, that which takes
// one of them, and that whose keys come by the columns of their map if they are of one.
const (
	biasDeclared = iota
	biasTaken
	biasByColumns
)

// take has a kernel add it.
func (b attentionBias) take(spec shaders.Spec, form int) (shaders.Spec, error) {
	f := b.function()
	switch {
	case f == "":
		return spec, nil
	case form == biasDeclared:
		return spec.WithFunc("bias", fmt.Sprintf("fn bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return %s(item, head, i, j); }", f)), nil
	case form == biasTaken || b.positions == nil:
		spec.Forms = append(spec.Forms, "bias")
		text, err := shaders.FuncAs("attention_probs", f, "bias")
		return spec.WithFunc("bias", text), err
	}
	spec.Forms = append(spec.Forms, "map")
	rows, err := shaders.FuncAs("attention_probs", "row_bias", "bias")
	if err != nil {
		return spec, err
	}
	columns, err := shaders.Alone("attention_probs", "column_bias")
	return spec.WithFunc("bias", rows).WithFunc("column_bias", columns), err
}

// params adds those of the kernels, of items from first on.
func (b attentionBias) params(p gpu.Params, tokens, first int) {
	p["first"], p["windows"], p["bias_stride"] = first, 0, 0
	p["map_w"], p["map_step"], p["map_rows"], p["map_first"], p["map_turn"] = 0, 0.0, 0, 0, 0
	if b.table != nil {
		p["bias_stride"] = gpu.Pad8(b.table.Width) / 4
	}
	if b.regions != nil {
		p["windows"] = b.regions.Rows() * b.regions.Width() / tokens
	}
	if b.positions != nil {
		p["bias_stride"], p["map_w"], p["map_step"] = b.positions.Stride()/4, b.of.w, 1/float64(b.of.w)
		p["map_rows"], p["map_first"], p["map_turn"] = b.of.fours(), b.of.rowFours(), b.of.turn()-1
	}
}

// columns are how many keys of a row there are for the kernel in registers, which takes four
// columns of all rows, then the next four: those of a map, so that it reads what a query gives
// them once.
func (b attentionBias) columns() int {
	if b.positions != nil {
		return b.of.w
	}
	return 4
}

// bind are the buffers table and places of items lo to hi of n.
func (b attentionBias) bind(r *gpu.Recorder, n, lo, hi int) []gpu.View {
	views := []gpu.View{gpu.All(r.Device().Dummy()), gpu.All(r.Device().Dummy())}
	if b.table != nil {
		views[0] = gpu.All(b.table.tensor)
	}
	if b.regions != nil {
		views[1] = gpu.All(b.regions)
	}
	if b.positions != nil {
		views[0] = itemView(b.positions, n, lo, hi)
		views[1] = views[0]
	}
	return views
}

// inputs are those that a twin reads.
func (b attentionBias) inputs() (all []*gpu.Tensor) {
	if b.regions != nil {
		all = append(all, b.regions)
	}
	if b.positions != nil {
		all = append(all, b.positions)
	}
	return all
}

// twin is the bias of key j to query i of head h in item, given the inputs.
func (b attentionBias) twin(in [][]float32, heads, queries, item, h, i, j int) float64 {
	sum := 0.0
	if b.table != nil {
		sum = float64(b.table.Values[(h*queries+i)*b.table.Width+j])
	}
	if b.regions != nil {
		window := in[0][item%(len(in[0])/queries)*queries:]
		if window[i] != window[j] {
			sum -= 100
		}
	}
	if b.positions != nil {
		y := in[0][(item*heads+h)*b.of.fours()*4*queries:]
		at := func(key int) float64 { return float64(y[key/4*4*queries+4*i+key%4]) }
		sum += at(j/b.of.w) + at(4*b.of.rowFours()+j%b.of.w)
	}
	return sum
}
