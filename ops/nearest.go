package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// Measure is what [Nearest] compares rows by.
type Measure int

// The measures.
const (
	Product  Measure = iota // Σ x·b, the larger the nearer: the cosine of rows of unit length
	Distance                // Σ (x − b)², the smaller the nearer
)

// MostNearest is the most rows that [Nearest] gives of a row.
const MostNearest = 256

// Nearest finds for each row of x [..., D] the k rows of a bank [B, D], an activation, that
// are nearest to it. The result is f32 [M, k, 2] of M rows: the product or the squared
// distance, and the number of the bank's row, the nearest first; of equal ones the lower
// number comes first. There is no table of all M·B of them: only the best of parts of the
// bank are kept. Sums are of differences, so that rows that are all but equal have a
// distance of all its digits. B is at least k and at most 2²⁴.
func Nearest(r *gpu.Recorder, x, bank *gpu.Tensor, k int, by Measure) *gpu.Tensor {
	return nearestCall{x: x, bank: bank, k: k, by: by}.record(r)
}

// Nearest is [Nearest] with the table as the bank, f32.
func (t *Table) Nearest(r *gpu.Recorder, x *gpu.Tensor, k int, by Measure) *gpu.Tensor {
	return nearestCall{x: x, bank: t.tensor, table: t, k: k, by: by}.record(r)
}

// nearestCall is one use of [Nearest].
type nearestCall struct {
	x, bank *gpu.Tensor
	table   *Table // that the bank is, or nil
	k       int
	by      Measure
	little  bool // there is too little workgroup memory for nearest_blocks
}

func (c nearestCall) record(r *gpu.Recorder) *gpu.Tensor {
	c.little = r.Device().Traits().MaxWorkgroupStorage < sharedStorage
	y := r.NewTyped("nearest", gpu.F32, 1, c.x.Rows(), max(1, c.k), 2)
	if r.Err() != nil {
		return y
	}
	op := gpu.Op{Kind: "nearest", Label: r.Label("nearest"), In: []*gpu.Tensor{c.x}, Out: []*gpu.Tensor{y}, Judge: c.judge}
	if c.table == nil {
		op.In = append(op.In, c.bank)
	}
	err := c.check()
	if err == nil {
		op.Dispatches, err = c.dispatches(r, y)
	}
	if err != nil {
		r.Fail(fmt.Errorf("nearest: %w", err))
		return y
	}
	r.Do(op)
	return y
}

func (c nearestCall) check() error {
	rows := c.bank.Rows()
	switch {
	case c.x.Dense() || c.x.Type == gpu.U32 || c.x.Groups != 1 || len(c.bank.Shape) != 2 || c.bank.Width() != c.x.Width() || c.table == nil && c.bank.Dense() || c.bank.Type == gpu.U32:
		return fmt.Errorf("found %s (%s) and a bank %s (%s), expected activations [… D] and [B D]", c.x, c.x.Type, c.bank, c.bank.Type)
	case rows > 1<<24:
		return fmt.Errorf("the bank has %d rows, expected at most %d", rows, 1<<24)
	case c.k < 1 || c.k > min(MostNearest, rows):
		return fmt.Errorf("the %d nearest of %d rows, expected 1 to %d", c.k, rows, min(MostNearest, rows))
	}
	return nil
}

// The tile of nearest_blocks.
const (
	nearestColumns = 64  // rows of the bank at a time
	nearestGroups  = 512 // workgroups that keep a large GPU at work
	nearestBlocks  = 1024
)

// span is how many rows of the bank make a block: as few as keep a GPU at work, for each
// more has a list, and no more than a binding holds. It is 0 where that is not one tile.
func (c nearestCall) span(groups, most int) int {
	tiles := ceilDiv(c.bank.Rows(), nearestColumns)
	wanted := ceilDiv(tiles, min(tiles, nearestBlocks, ceilDiv(nearestGroups, groups)))
	return nearestColumns * min(wanted, most/nearestColumns)
}

// nearestFew is up to how many rows of x nearest_few does, each of which reads the bank.
const nearestFew = 3

// few says that nearest_few does it.
func (c nearestCall) few() bool { return c.little || c.x.Rows() <= nearestFew }

// tile is how many rows of x a workgroup does.
func (c nearestCall) tile() int {
	if c.few() {
		return 1
	}
	return 8 * c.rowsOf()
}

// rowsOf is how many rows of x a thread of nearest_blocks does.
func (c nearestCall) rowsOf() int {
	if c.x.Rows() <= 8 {
		return 1
	}
	return 4
}

func (c nearestCall) dispatches(r *gpu.Recorder, y *gpu.Tensor) ([]gpu.Dispatch, error) {
	first, second, err := c.kernels()
	if err != nil {
		return nil, err
	}
	m, tile := c.x.Rows(), c.tile()
	row := int64(c.x.Stride()) * c.bank.Type.Size()
	most := int(r.Device().Traits().MaxBinding / row)
	span := c.span(ceilDiv(m, tile), most)
	if span == 0 {
		return nil, fmt.Errorf("%d rows of the bank %s take more than the adapter's largest binding", nearestColumns, c.bank)
	}
	step := most / span * span // rows of the bank in a binding, whole blocks
	blocks := ceilDiv(c.bank.Rows(), span)
	best := r.NewTyped("nearest.blocks", gpu.F32, 1, m, 2*blocks*c.k)
	stride := best.Stride() / 2
	chunks, err := itemChunks(r.Device(), m, c.x, best, y)
	if err != nil {
		return nil, err
	}
	var all []gpu.Dispatch
	for _, x := range chunks {
		n := x[1] - x[0]
		for lo := 0; lo < c.bank.Rows(); lo += step {
			hi := min(c.bank.Rows(), lo+step)
			all = append(all, gpu.Dispatch{
				Kernel: first,
				Params: c.params(n, gpu.Params{"count": hi - lo, "span": span, "first": lo, "block": lo / span, "stride": stride, "wanted": c.k}),
				Bind:   []gpu.View{rowView(c.x, x[0], x[1]), {Tensor: c.bank, Offset: int64(lo) * row, Size: int64(hi-lo) * row}, rowView(best, x[0], x[1])},
				Groups: [3]int{ceilDiv(n, tile), ceilDiv(hi-lo, span), 1},
				FLOPs:  float64(2+int(c.by)) * float64(n) * float64(hi-lo) * float64(c.x.Width()),
				Bytes:  float64(row)*float64(hi-lo) + float64(n*c.x.Stride())*float64(c.x.Type.Size()),
			})
		}
		all = append(all, gpu.Dispatch{
			Kernel: second,
			Params: gpu.Params{"rows": n, "count": blocks * c.k, "stride": stride, "wanted": c.k},
			Bind:   []gpu.View{rowView(best, x[0], x[1]), itemView(y, m, x[0], x[1])},
			Groups: elementwise(n), Bytes: 8 * float64(n*blocks*c.k),
		})
	}
	return all, nil
}

// params are those of the first pass, for n rows of x.
func (c nearestCall) params(n int, p gpu.Params) gpu.Params {
	p["depth"] = c.x.Stride() / 8
	if !c.few() {
		p["rows"], p["depth"] = n, c.x.Stride()/4
	}
	return p
}

func (c nearestCall) kernels() (first, second *gpu.Kernel, err error) {
	name := []string{"product", "distance"}[c.by]
	spec, variant := shaders.Spec{Forms: forms(c.x.Type)}.WithConst("DISTANCE", int(c.by)), fmt.Sprintf("%s %s %s", c.x.Type, c.bank.Type, name)
	if c.bank.Type == gpu.F32 {
		spec.Forms = append(spec.Forms, "floats")
	}
	if c.few() {
		if c.little {
			spec, variant = spec.WithConst("LANES", 4).WithConst("TURNS", 4).WithConst("SIZE_S", 64*5), variant+" by 4"
		}
		first, err = kernel("nearest_few", variant, spec)
	} else {
		tm := c.rowsOf()
		first, err = kernel("nearest_blocks", fmt.Sprintf("%s %d", variant, tm), spec.WithConst("TM", tm).WithConst("BM", 8*tm).WithConst("SIZE_D", 520*tm).WithConst("COLUMNS", 8))
	}
	if err != nil {
		return nil, nil, err
	}
	second, err = kernel("nearest", name, shaders.Spec{}.WithConst("DISTANCE", int(c.by)))
	return first, second, err
}

// judge wants rows of the bank, each once, that are nearest within rounding, in order, and
// compares what is said of them.
func (c nearestCall) judge(in [][]float32, out []float32) (got []float32, want []float64, err error) {
	width, rows := c.x.Width(), c.bank.Rows()
	var bank []float32
	if c.table != nil {
		bank = c.table.Values
	} else {
		bank = in[1]
	}
	wrong := make([]error, c.x.Rows())
	want = make([]float64, c.x.Rows()*c.k)
	parallel(c.x.Rows(), func(m int) {
		costs, size := make([]float64, rows), 0.0
		for i := range costs {
			var s float64
			costs[i], s = c.cost(in[0][m*width:][:width], bank[i*width:][:width])
			size = max(size, s)
		}
		wrong[m] = c.judgeRow(m, costs, 1e-6*size, out[m*c.k*2:][:c.k*2], want[m*c.k:][:c.k])
	})
	for _, err := range wrong {
		if err != nil {
			return nil, nil, err
		}
	}
	for i := range want {
		got = append(got, out[2*i])
	}
	return got, want, nil
}

// judgeRow judges what was found for row m by the costs of all rows, which may be off by
// some, and fills in the measures of what was chosen.
func (c nearestCall) judgeRow(m int, costs []float64, off float64, found []float32, want []float64) error {
	taken, last := map[int]bool{}, math.Inf(-1)
	for k := range want {
		i := int(found[2*k+1])
		if i < 0 || i >= len(costs) || float32(i) != found[2*k+1] || taken[i] {
			return fmt.Errorf("row %d: choice %d is row %g of %d, or one that was chosen before", m, k, found[2*k+1], len(costs))
		}
		if costs[i] < last-off {
			return fmt.Errorf("row %d: choice %d is row %d, which is nearer than the one before", m, k, i)
		}
		taken[i], last = true, costs[i]
		want[k] = costs[i]
		if c.by == Product {
			want[k] = -costs[i]
		}
	}
	for i, cost := range costs {
		if !taken[i] && cost < last-off {
			return fmt.Errorf("row %d: row %d is nearer than choice %d", m, i, len(want)-1)
		}
	}
	return nil
}

// cost is less the nearer two rows are; size is the sum of its terms without their signs.
func (c nearestCall) cost(a, b []float32) (cost, size float64) {
	for i, x := range a {
		v := float64(x) * float64(b[i])
		if c.by == Distance {
			v = float64(x) - float64(b[i])
			v *= -v
		}
		cost -= v
		size += math.Abs(v)
	}
	return cost, size
}
