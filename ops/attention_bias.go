package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionBias is what an attention adds to the scores, after their scale.
type attentionBias struct {
	table     *Table      // [heads·Tq, Tk]
	regions   *gpu.Tensor // u32 [windows·T]
	distances *gpu.Tensor // what queries give them
	h, w      int         // the map of which they are
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

// RelativePositions adds what a query gives the distance of a key on a map of h rows of w
// tokens (ViTDet, SAM): y[ih − jh + h − 1] + y[2h − 1 + iw − jw + w − 1], y being those of
// the query and head in what [RelativePosition.Forward] gives.
func RelativePositions(y *gpu.Tensor, h, w int) AttentionOption {
	return func(c *attentionCall) { c.bias.distances, c.bias.h, c.bias.w = y, h, w }
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
	x := b.distances
	if x == nil {
		return nil
	}
	if b.table != nil || b.regions != nil {
		return errors.New("attention: relative positions beside a bias or regions")
	}
	if x.Type != gpu.F32 || x.Rows() != n*tq || x.Groups != c.heads || x.Width() != c.heads*distances(b.h, b.w) || tq != b.h*b.w || tk != tq {
		return fmt.Errorf("attention: relative positions %s (%s, %d groups) do not fit %d items of %d heads, %d queries and %d keys on a map %d×%d",
			x, x.Type, x.Groups, n, c.heads, tq, tk, b.h, b.w)
	}
	return nil
}

// function names the one of attention_probs that the kernels take; "" for none.
func (b attentionBias) function() string {
	switch {
	case b.distances != nil:
		return "relative_bias"
	case b.table != nil && b.regions != nil:
		return "window_bias"
	case b.table != nil:
		return "table_bias"
	case b.regions != nil:
		return "region_bias"
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

// take has a kernel add it, by its form bias where it has one.
func (b attentionBias) take(spec shaders.Spec, form bool) (shaders.Spec, error) {
	f := b.function()
	if f == "" {
		return spec, nil
	}
	if !form {
		return spec.WithFunc("bias", fmt.Sprintf("fn bias(item: u32, head: u32, i: u32, j: u32) -> f32 { return %s(item, head, i, j); }", f)), nil
	}
	spec.Forms = append(spec.Forms, "bias")
	text, err := shaders.FuncAs("attention_probs", f, "bias")
	return spec.WithFunc("bias", text), err
}

// params adds those of the kernels, of items from first on.
func (b attentionBias) params(p gpu.Params, tokens, first int) {
	p["first"], p["windows"], p["bias_stride"], p["map_h"], p["map_w"], p["map_step"] = first, 0, 0, b.h, b.w, 0.0
	if b.table != nil {
		p["bias_stride"] = gpu.Pad8(b.table.Width)
	}
	if b.regions != nil {
		p["windows"] = b.regions.Rows() * b.regions.Width() / tokens
	}
	if b.distances != nil {
		p["bias_stride"], p["map_step"] = gpu.Pad8(distances(b.h, b.w)), 1/float64(b.w)
	}
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
	if b.distances != nil {
		views[0] = itemView(b.distances, n, lo, hi)
	}
	return views
}

// inputs are those that a twin reads.
func (b attentionBias) inputs() (all []*gpu.Tensor) {
	if b.regions != nil {
		all = append(all, b.regions)
	}
	if b.distances != nil {
		all = append(all, b.distances)
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
	if b.distances != nil {
		y := in[0][((item*queries+i)*heads+h)*distances(b.h, b.w):]
		sum += float64(y[i/b.w-j/b.w+b.h-1]) + float64(y[2*b.h-1+i%b.w-j%b.w+b.w-1])
	}
	return sum
}
