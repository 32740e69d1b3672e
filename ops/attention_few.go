package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionFew is a variant of the kernel for few queries, whose workgroups are for a
// head of keys: its threads share the keys.
type attentionFew struct {
	queries int // of a workgroup, of all heads that attend to its head of keys
	threads int
	slices  int // of the keys, each with workgroups of its own
}

// fewQueries is the most tokens of an item that take this kernel. On lavapipe see
// chooseFew; on GPUs the other kernel gives each query a thread, of which a step of a
// decoder has one in 64 at work.
const fewQueries = 4

// fewTile is how often a thread's four keys make the tile of a workgroup of 8 threads:
// with few threads barriers come seldom.
const fewTile = 4

func (v attentionFew) String() string {
	s := fmt.Sprintf("attention_few %dx%d", v.queries, v.threads)
	if v.slices > 1 {
		s += fmt.Sprintf("/%d", v.slices)
	}
	return s
}

// fewLayout is how a variant's threads divide a head.
type fewLayout struct {
	vectors, th       int // of 16 bytes in a head; vec4 in one
	cols, parts, each int // threads side by side, those that share a column, vectors a thread
	tile              int // keys
}

func (v attentionFew) layout(precision gpu.DType, hd int) fewLayout {
	l := fewLayout{vectors: hd * int(precision.Size()) / 16, th: 4 / int(precision.Size()), tile: 4 * v.threads, parts: 1}
	if v.threads == 8 {
		l.tile *= fewTile
	}
	l.each = ceilDiv(l.vectors, v.threads)
	l.cols = ceilDiv(l.vectors, l.each)
	for 2*l.parts*l.cols <= v.threads {
		l.parts *= 2
	}
	return l
}

// consts are those of the kernel for heads of hd elements, padding included.
func (v attentionFew) consts(precision gpu.DType, hd int) map[string]int {
	l := v.layout(precision, hd)
	return map[string]int{
		"QS": v.queries, "VECTORS": l.vectors, "TD": l.each, "COLS": l.cols, "PARTS": l.parts, "THREADS": v.threads, "TILE": l.tile,
		"QUERIES": v.queries * l.vectors * l.th, "SCORES": v.queries * l.tile, "SHARES": v.queries * v.threads, "SUMS": v.threads * l.each * l.th,
	}
}

// fits says whether the kernel takes no more workgroup memory than every adapter has, and than pays.
func (v attentionFew) fits(t gpu.Traits, precision gpu.DType, hd int) bool {
	c := v.consts(precision, hd)
	return 16*(c["QUERIES"]+c["SUMS"])+4*(c["SCORES"]+c["SHARES"]) <= min(sharedStorage, t.MaxWorkgroupStorage)
}

// turns counts what the kernel's loops turn for so many keys.
func (v attentionFew) turns(precision gpu.DType, hd, keys int) int {
	l := v.layout(precision, hd)
	lots := l.tile / (4 * v.threads)
	return ceilDiv(keys, l.tile)*(lots*(l.vectors+2)+v.threads+l.tile/l.parts+1) + v.queries*(l.vectors+l.parts) + v.threads
}

func (v attentionFew) kernel(precision gpu.DType, hd int, c *attentionCall) (*gpu.Kernel, error) {
	spec, err := c.spec(precision, shaders.Spec{Const: v.consts(precision, hd), Workgroup: [3]int{v.threads, 1, 1}}, biasTaken)
	if err != nil {
		return nil, err
	}
	variant := fmt.Sprintf("%s %dx%d head %d%s", precision, v.queries, v.threads, hd, c.suffix())
	if v.slices > 1 {
		spec.Forms, variant = append(spec.Forms, "slices"), variant+" slices"
	}
	return kernel("attention_few", variant, spec)
}

// chooseFew picks a variant for rows queries to each of so many heads of keys in all,
// of hd elements with padding; ok is false where it does not fit.
func chooseFew(t gpu.Traits, precision gpu.DType, rows, heads, keys, hd int) (v attentionFew, ok bool) {
	v = attentionFew{threads: 8, slices: 1}
	if t.CheapBarriers {
		v.threads = 64
	}
	blocks := ceilDiv(rows, 4)
	v.queries = ceilDiv(rows, blocks)
	for v.queries > 1 && !v.fits(t, precision, hd) {
		v.queries--
	}
	if t.ManyThreads {
		s := splits(heads*ceilDiv(rows, v.queries), keys/4)
		v.slices = s[len(s)-1]
	}
	return v, v.fits(t, precision, hd)
}

// rows are the queries to a head of keys.
func (c *attentionCall) rows() int {
	_, tq, _ := c.tokens()
	return tq * c.repeat
}

// fewWays are the ways by that kernel, the standard one first.
func (c *attentionCall) fewWays(r *gpu.Recorder, y *gpu.Tensor) []way {
	n, tq, tk := c.tokens()
	hd := gpu.Pad8(c.head)
	v, ok := chooseFew(r.Device().Traits(), r.Precision, c.rows(), n*c.heads/c.repeat, tk, hd)
	if !ok || tq > 4*fewQueries {
		return nil
	}
	ways := []way{c.fewWay(r, y, v)}
	for _, slices := range splits(n*c.heads/c.repeat, tk/4) {
		for _, queries := range []int{v.queries, 1} {
			if other := (attentionFew{queries, v.threads, slices}); other != v {
				ways = append(ways, c.fewWay(r, y, other))
			}
		}
	}
	return ways
}

func (c *attentionCall) fewWay(r *gpu.Recorder, y *gpu.Tensor, v attentionFew) way {
	return way{name: v.String(), record: func() ([]gpu.Dispatch, error) { return c.recordFew(r, y, v) }}
}

// recordFew gives the dispatches of that kernel, and of the merge of its slices.
func (c *attentionCall) recordFew(r *gpu.Recorder, y *gpu.Tensor, v attentionFew) ([]gpu.Dispatch, error) {
	n, tq, tk := c.tokens()
	hd := gpu.Pad8(c.head)
	k, err := v.kernel(r.Precision, hd, c)
	if err != nil {
		return nil, err
	}
	out := y
	tile := v.layout(r.Precision, hd).tile
	slice := ceilDiv(ceilDiv(tk, v.slices), tile) * tile
	slices := ceilDiv(tk, slice)
	if v.slices > 1 {
		out = r.NewTyped("attention.parts", gpu.F32, 1, n*tq*slices, c.heads*(hd+8))
	}
	chunks, err := c.chunks(r, y, out)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		lo, hi := part[0], part[1]
		p := c.params(lo)
		p["batch"], p["v_stride"], p["o_stride"], p["v_offset"] = hi-lo, c.v.Stride(), out.Stride(), c.vAt
		p["slice"], p["slices"] = slice, slices
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k, Params: p, Groups: [3]int{ceilDiv(c.rows(), v.queries) * slices, c.heads / c.repeat, hi - lo},
			Bind:  c.bind(r, out, lo, hi),
			FLOPs: 4 * float64((hi-lo)*c.heads) * float64(tq) * float64(tk) * float64(c.head),
			Bytes: float64(hi-lo) * float64(itemBytes(c.k, n)+itemBytes(c.v, n)),
			Turns: v.turns(r.Precision, hd, slice),
		})
		if v.slices > 1 {
			merge, err := c.mergeSlices(r, out, y, slices, lo, hi)
			if err != nil {
				return nil, err
			}
			dispatches = append(dispatches, merge)
		}
	}
	return dispatches, nil
}

// mergeSlices joins what the slices of items lo to hi have summed up.
func (c *attentionCall) mergeSlices(r *gpu.Recorder, parts, y *gpu.Tensor, slices, lo, hi int) (gpu.Dispatch, error) {
	n, tq, _ := c.tokens()
	hd := gpu.Pad8(c.head)
	k, err := kernel("attention_merge", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	count := (hi - lo) * tq * c.heads * hd / 4
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"count": count, "width": hd, "heads": c.heads, "slices": slices, "o_stride": y.Stride()},
		Bind:   []gpu.View{itemView(parts, n, lo, hi), itemView(y, n, lo, hi)},
		Groups: elementwise(count), Bytes: float64(hi-lo) * float64(itemBytes(parts, n)+itemBytes(y, n)),
	}, err
}
