package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// matmulVariant is one way to compute a matmul: a kernel file and its constants.
type matmulVariant struct {
	Family string // "matmul" (registers only), "matmul_shared" (tiles in workgroup memory) or "matmul_few" (rows)
	TM     int    // rows of a thread
	TG, TK int    // matmul, matmul_few: panels of a lane (of matmul_few one), elements of K at once
	Window bool   // matmul: A in uniform windows of gpu.UniformWindow bytes
	WY     int    // matmul: row blocks of a workgroup; 0 is one
	NX, NY int    // matmul_shared: threads along columns and rows
	Split  int    // slices of K; 0 and 1 are one
	Form   string // matmul_shared: inHalves; matmul, matmul_few: inSubgroups; or none
}

// inHalves is the form of kernels that keep their tiles in workgroup memory in halves, as they
// are stored, and sum up in f32: so it computes the same.
const inHalves = "halves"

// sharedDepth is the steps of K that matmul_shared stages at once.
const sharedDepth = 16

// String is the variant's name in tables.
func (v matmulVariant) String() string {
	s := fmt.Sprintf("%dx%dx%d", v.TM, v.TG, v.TK)
	if v.Family == "matmul_shared" {
		s = fmt.Sprintf("%dx%d", v.NY*v.TM, 8*v.NX)
	}
	if v.WY > 1 {
		s += fmt.Sprintf("x%d", v.WY)
	}
	if v.Window {
		s += "u"
	}
	if v.Split > 1 {
		s += fmt.Sprintf("/%d", v.Split)
	}
	if v.Form != "" {
		s += " " + v.Form
	}
	return s
}

// spec is the specification without epilogue.
func (v matmulVariant) spec(precision gpu.DType) shaders.Spec {
	s := shaders.Spec{Const: map[string]int{"TM": v.TM}, Forms: forms(precision)}
	if v.Form != "" {
		s.Forms = append(s.Forms, v.Form)
	}
	if v.Family == "matmul_shared" {
		sharedTile{v.TM, v.NX, v.NY}.specify(&s, precision)
		return s
	}
	if s.Const["TK"] = v.TK; v.TK != 2 { // which the file is written for
		s.Forms = append(s.Forms, fmt.Sprintf("x%d", v.TK))
	}
	if v.Family == "matmul_few" {
		s.Const["SUMS"] = v.sums(precision)
		return s
	}
	if v.Window {
		s.Forms = append(s.Forms, "window")
	}
	s.Const["TG"], s.Const["WY"], s.Const["TE"], s.Const["TR"] = v.TG, max(1, v.WY), v.TM, 1
	if v.Form == inSubgroups {
		s.Const["TE"], s.Const["TR"] = v.TM/8, 8
	}
	s.Workgroup = [3]int{8, max(1, v.WY), 1}
	return s
}

// sums is the workgroup memory of matmul_few in vectors of four: of 64 threads.
func (v matmulVariant) sums(precision gpu.DType) int { return 64 * v.TM * panelWidth(precision) / 32 }

// groups is the workgroup count for rows × columns of one window.
func (v matmulVariant) groups(rows, columns int, precision gpu.DType) [3]int {
	high, wide := v.TM*max(1, v.WY), v.TG*panelWidth(precision)
	if v.Family == "matmul_shared" {
		high, wide = v.NY*v.TM, 8*v.NX
	}
	return [3]int{ceilDiv(rows, high), ceilDiv(columns, wide), 1}
}

// chooseMatmul picks the variant for m rows, n columns and k steps. The lines
// of `bench -op matmul` on lavapipe chose the software table; the one for GPUs
// follows published tiles and is not yet measured.
func chooseMatmul(t gpu.Traits, precision gpu.DType, m, n, k int) matmulVariant {
	switch {
	case t.CheapBarriers:
		return tiledMatmul(t, m, n, k)
	case t.ManyThreads:
		return shortMatmul(m)
	}
	return registerMatmul(t, precision, m, n, k)
}

// shortMatmul is a small tile in registers, for a GPU whose compiler takes long over more. Eight
// of them make a workgroup of 64 threads.
func shortMatmul(m int) matmulVariant {
	return matmulVariant{Family: "matmul", TM: min(m, 8), TG: 1, TK: 4, WY: 8}
}

// registerMatmul holds its tile in registers: a workgroup is one SIMD vector,
// which gains nothing from sharing memory. It picks the panels a lane by the
// columns, then the rows that take the least time, with A in uniform windows
// where those hold the largest tile, else, of many rows, from storage (of 257×384×1536
// in 0.8 of the time, of 197×768×3072 0.96, in f32 0.8 and 0.5). The figures behind
// it stand in shaders/matmul.wgsl.
func registerMatmul(t gpu.Traits, precision gpu.DType, m, n, k int) matmulVariant {
	half := precision == gpu.F16
	if t.Eights && m > 8 {
		return eightsMatmul(m)
	}
	v, most := registerTile(t, precision, n)
	quick := m <= fewRows && (k*n < 1<<18 || !half) // one tile that compiles in half the time
	switch {
	case m < 4:
		return matmulVariant{Family: "matmul", TM: m, TG: 1, TK: 16 / int(precision.Size()), WY: 1}
	case quick && half:
		v.TM, v.TG, v.TK, most = min(m, 17), 1, 4, 17
	case quick:
		v.TM, v.TG, v.TK, most = min(m, 17), 2, 4, 17
	}
	if deep := most / 4 * 4; m > fewRows && windowRows(t, precision, deep, k, n) == 0 {
		if t.NarrowTiles && half {
			deep = 8 // 197×768×3072 in 0.63 of the time of 16
		}
		v.TM, v.TK = min(m, deep), 4
		return v
	}
	if !quick || windowRows(t, precision, v.TM, k, n) == 0 {
		v.TM = v.rows(t, precision, m, n, k, most)
	}
	if v.TM > 0 {
		v.Window = true
		return v
	}
	v.TM, v.TK = min(8, m), 4
	return v
}

// eightsMatmul has each of eight lanes load rows that all of them read: it takes 0.5 to 0.8 of
// the time of the tiles above on lavapipe, in f32 0.3 to 1 of it. The tile is the highest that
// leaves little of the last one empty.
func eightsMatmul(m int) matmulVariant {
	v := matmulVariant{Family: "matmul", TM: 16, TG: 1, TK: 4, Form: inSubgroups}
	if m%16 > 0 && m%16 <= 8 && m < fewRows {
		v.TM = 8
	}
	return v
}

// registerTile is the tile for many rows of n columns, but for its rows: up to most.
func registerTile(t gpu.Traits, precision gpu.DType, n int) (v matmulVariant, most int) {
	v = matmulVariant{Family: "matmul", WY: 1}
	half := precision == gpu.F16
	if half && t.NarrowTiles {
		n = 64
	}
	switch {
	case n%128 == 0 && half:
		v.TG, v.TK, most = 2, 2, 20
	case n%128 == 0:
		v.TG, v.TK, most = 4, 2, 16
	case n%192 == 0 && half:
		v.TG, v.TK, most = 3, 2, 13
	case n > 64 && half:
		v.TG, v.TK, most = 2, 2, 20
	case n > 64:
		v.TG, v.TK, most = 3, 2, 20
	default:
		v.TG, v.TK, most = 1, 4, 17
	}
	return v, most
}

// tallest is the most rows of a tile in registers.
const tallest = 20

// tileCost is what a tile in registers costs beyond its rows, in rows, by its
// panels a lane.
var tileCost = map[gpu.DType][]int{gpu.F16: {0, 5, 7, 8}, gpu.F32: {0, 5, 5, 7, 9}}

// tileRows is what a tile costs, in rows.
func (v matmulVariant) tileRows(precision gpu.DType) float64 {
	return float64(v.TM + tileCost[precision][v.TG])
}

// beyond is the columns that tiles across n compute, of those.
func (v matmulVariant) beyond(precision gpu.DType, n int) float64 {
	return float64(v.groups(v.TM, n, precision)[1]*v.TG*panelWidth(precision)) / float64(n)
}

// dispatchCost is what a dispatch costs, 40 µs or so, in multiply-adds.
const dispatchCost = 1_400_000

// fewRows is a sequence, such as CLIP's 50 and 77 tokens, that few tiles cover.
const fewRows = 80

// rows is the height of tile up to most that takes the least time for m rows,
// among those of which a uniform window holds whole tiles; 0 if none. Heights of
// many rows are even, and multiples of four unless another gains something, to be
// few, since each is compiled on its own; of few rows, any that leaves less of the
// last tile empty.
func (v matmulVariant) rows(t gpu.Traits, precision gpu.DType, m, n, k, most int) int {
	best, least := 0, math.Inf(1)
	for tm := 4; tm <= min(m, most); tm++ {
		if m > fewRows && (tm%2 != 0 || tm < 8 && tm%4 != 0) {
			continue
		}
		v.TM = tm
		fits, cost := v.windows(t, precision, m, n, k)
		if fits == 0 {
			continue
		}
		if m > fewRows && tm%4 != 0 {
			cost *= 1.05
		}
		if cost <= least {
			best, least = tm, cost
		}
	}
	return best
}

// windows is how many rows of A a uniform window takes at a time, so that all
// cores have as much to do in each dispatch, and the cost of that, in rows that
// all cores multiply at 70 GFLOP/s; 0 if no window fits.
func (v matmulVariant) windows(t gpu.Traits, precision gpu.DType, m, n, k int) (rows int, cost float64) {
	cost = math.Inf(1)
	dispatch := dispatchCost / float64(k*n)
	across := v.groups(v.TM, n, precision)[1]
	round := v.tileRows(precision) * v.beyond(precision, n) / float64(across) * float64(t.Cores)
	for most := windowRows(t, precision, v.TM, k, n); most > 0; most -= v.TM {
		if !windowAligned(t, precision, most, k, n) {
			continue
		}
		all := 0.0
		for _, part := range ranges(m, most) {
			tiles := ceilDiv(part[1]-part[0], v.TM) * across
			all += float64(ceilDiv(tiles, t.Cores))*round + dispatch
		}
		if all < cost {
			rows, cost = most, all
		}
	}
	return rows, cost
}

// windowRows is how many rows of A, a multiple of tm, a uniform window takes
// at most so that each begins where bindings may, in A as in C; 0 if none.
func windowRows(t gpu.Traits, precision gpu.DType, tm, k, n int) int {
	if !t.UniformWindows() {
		return 0
	}
	for rows := gpu.UniformWindow / (k * int(precision.Size())) / tm * tm; rows > 0; rows -= tm {
		if windowAligned(t, precision, rows, k, n) {
			return rows
		}
	}
	return 0
}

// windowAligned says whether every window of so many rows begins where bindings may.
func windowAligned(t gpu.Traits, precision gpu.DType, rows, k, n int) bool {
	align := max(1, int(max(t.OffsetAlignment, t.UniformAlignment)))
	size := int(precision.Size())
	return rows*k*size%align == 0 && rows*n*size%align == 0
}

// tiledMatmul stages tiles in workgroup memory: 64×64 by 64 threads with 8×8 sums
// each, or 32×64 with 4×8 where that leaves compute units idle or so many spill. A few rows are a product of a matrix
// and vectors, bound by memory. K is split until there are enough threads to fill
// a GPU.
func tiledMatmul(t gpu.Traits, m, n, k int) matmulVariant {
	const busy = 64 // workgroups that keep a mid-sized GPU's compute units at work
	var v matmulVariant
	switch {
	case m <= 4:
		v = matmulVariant{Family: "matmul_few", TM: max(1, m), TG: 1, TK: 4}
	case t.Sums < 64 || ceilDiv(m, 64)*ceilDiv(n, 64) < busy:
		v = matmulVariant{Family: "matmul_shared", TM: 4, NX: 8, NY: 8}
	default:
		v = matmulVariant{Family: "matmul_shared", TM: 8, NX: 8, NY: 8}
	}
	groups := v.groups(m, n, gpu.F16)
	enough := busy
	if v.Family == "matmul_few" { // whose threads do little beside waiting
		enough *= 4
	}
	for split := 2; split <= 8 && groups[0]*groups[1]*split/2 < enough && k/split >= 128; split *= 2 {
		v.Split = split
	}
	return v
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
