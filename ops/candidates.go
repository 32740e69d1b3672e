package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// The candidates are what a tuner tries beside what the tables have. They are few,
// since each is compiled and proved for every shape, and they cover what other
// kinds of adapters want: docs/tuning.md says which. Those that exceed the
// adapter's limits are left out.

// sharedTile is a tile of the kernels that stage it in workgroup memory.
type sharedTile struct{ tm, nx, ny int }

// sharedTiles from the smallest on: rows × columns are 32×64, 64×64, 64×128 and 128×128.
var sharedTiles = []sharedTile{{4, 8, 8}, {8, 8, 8}, {8, 16, 8}, {8, 16, 16}}

// fits says whether the adapter has the threads and the workgroup memory, of
// 16-byte vectors.
func (t sharedTile) fits(traits gpu.Traits) bool {
	a, b := t.ny*t.tm*sharedDepth/4, sharedDepth*2*t.nx
	return t.nx*t.ny <= traits.MaxInvocations && 16*(a+b) <= traits.MaxWorkgroupStorage
}

// specify has a kernel compute the tile: of a row of A a thread loads one of so many 16-byte
// vectors, so that all threads load as many slots of ny rows at once.
func (t sharedTile) specify(s *shaders.Spec, precision gpu.DType) {
	wide := 16 / int(precision.Size())
	vectors := sharedDepth / wide
	slots := t.nx / vectors
	for name, value := range map[string]int{
		"NX": t.nx, "NY": t.ny, "BM": t.ny * t.tm, "BK": sharedDepth, "QUADS": sharedDepth / 4,
		"VECTORS": vectors, "SLOTS": slots, "LA": ceilDiv(t.tm, slots), "LB": sharedDepth * 8 / wide / t.ny,
	} {
		s.Const[name] = value
	}
	s.Workgroup = [3]int{t.nx * t.ny, 1, 1}
}

// splits are the numbers of slices of k that are worth a trial for so many
// workgroups: one, and more where those leave most of a large GPU idle.
func splits(groups, k int) []int {
	const idle = 256
	all := []int{1}
	for n := 2; n <= 16 && groups*n/2 < idle && k/n >= 64; n *= 2 {
		all = append(all, n)
	}
	return all
}

// tileForms are the forms of the kernels that stage tiles in workgroup memory: none, and
// halves where the adapter has them and activations are.
func tileForms(t gpu.Traits, precision gpu.DType) []string {
	if t.Halves && precision == gpu.F16 {
		return []string{"", inHalves}
	}
	return []string{""}
}

// sumForms are the forms of the kernels whose threads share a sum.
func sumForms(t gpu.Traits) []string {
	if t.Subgroups {
		return []string{"", inSubgroups}
	}
	return []string{""}
}

// matmulCandidates are variants for m rows, n columns and k steps.
func matmulCandidates(traits gpu.Traits, precision gpu.DType, m, n, k int) []matmulVariant {
	if !traits.CheapBarriers {
		if traits.ManyThreads {
			return shortMatmuls(m)
		}
		return registerMatmuls(traits, precision, m, n, k)
	}
	var all []matmulVariant
	if m <= 16 {
		for _, split := range splits(ceilDiv(n, panelWidth(precision)), k) {
			for _, form := range sumForms(traits) {
				all = append(all, matmulVariant{Family: "matmul_few", TM: min(m, 4), TG: 1, TK: 4, Split: split, Form: form})
			}
		}
	} else {
		all = append(all, matmulVariant{Family: "matmul", TM: 4, TG: 1, TK: 4}, matmulVariant{Family: "matmul", TM: 8, TG: 1, TK: 4})
	}
	for _, t := range sharedTiles {
		v := matmulVariant{Family: "matmul_shared", TM: t.tm, NX: t.nx, NY: t.ny}
		if !t.fits(traits) || t.tm*t.ny >= 4*m && t.tm > 4 {
			continue
		}
		groups := v.groups(m, n, precision)
		for _, split := range splits(groups[0]*groups[1], k) {
			for _, v.Form = range tileForms(traits, precision) {
				v.Split = split
				all = append(all, v)
			}
		}
	}
	return all
}

// shortMatmuls are small tiles of several heights and two widths.
func shortMatmuls(m int) []matmulVariant {
	var all []matmulVariant
	for _, tm := range []int{1, 2, 4, 8} {
		for _, tg := range []int{1, 2} {
			v := shortMatmul(min(m, tm))
			v.TG = tg
			all = append(all, v)
		}
	}
	return all
}

// registerMatmuls are tiles in registers: each width of those in the tables, with
// the height that its cost says and those next to it; A from storage; and one
// tile in workgroup memory, for drivers that are not like those known.
func registerMatmuls(t gpu.Traits, precision gpu.DType, m, n, k int) []matmulVariant {
	var all []matmulVariant
	for _, columns := range []int{64, 128, 192, 256} {
		v, most := registerTile(gpu.Traits{}, precision, columns) // whatever the driver
		v.Window = true
		best := v.rows(t, precision, m, n, k, most)
		for _, tm := range []int{best, best - 2, best + 4} {
			if v.TM = tm; tm > 0 && tm <= min(m, most) && windowRows(t, precision, tm, k, n) > 0 {
				all = append(all, v)
			}
		}
		v.TM, v.TK, v.Window = min(m, most/4*4), 4, false // A from storage, in one dispatch
		all = append(all, v)
	}
	if t.Eights {
		for _, tile := range [][3]int{{8, 1, 4}, {16, 1, 4}, {24, 1, 2}, {16, 2, 2}} {
			all = append(all, matmulVariant{Family: "matmul", TM: tile[0], TG: tile[1], TK: tile[2], Form: inSubgroups})
		}
	}
	return append(all,
		matmulVariant{Family: "matmul", TM: min(8, m), TG: 1, TK: 4},
		matmulVariant{Family: "matmul_shared", TM: 4, NX: 8, NY: 8})
}

// convCandidates are variants for count implicit matmuls of m rows, n columns
// and k steps.
func convCandidates(traits gpu.Traits, precision gpu.DType, m, n, k, count int) []convVariant {
	var all []convVariant
	if !traits.CheapBarriers {
		all = registerConvs(traits, precision, k, false)
	}
	for _, t := range sharedTiles {
		v := convVariant{Family: "conv2d_shared", TM: t.tm, NX: t.nx, NY: t.ny}
		if !t.fits(traits) || t.tm*t.ny >= 4*m && t.tm > 4 {
			continue
		}
		groups := v.groups(m, n, count, precision)
		for _, some := range splits(groups[0]*groups[1]*groups[2], k) {
			if v.Slices = some; some == 1 {
				v.Slices = 0 // the kernel itself stores the result
			}
			for _, v.Form = range tileForms(traits, precision) {
				all = append(all, v)
			}
		}
		if !traits.CheapBarriers {
			break // one will do where barriers are dear
		}
	}
	return all
}

// attentionCandidates are variants for tq queries of heads of hd elements,
// padding included. Where spills are dear a lane holds no more than a query and four
// vectors of the head (`make isa`).
func attentionCandidates(t gpu.Traits, precision gpu.DType, tq, hd int) []attentionVariant {
	chunks, queries := []int{8, 4}, []int{1, 2, 4, 5, 8}
	if !t.CheapSpills {
		chunks, queries = []int{4}, []int{1}
	}
	var all []attentionVariant
	for _, form := range tileForms(t, precision) {
		for _, most := range []int{flashVectors, flashVectors / 2} {
			v := flashVariant(hd, most)
			if v.Form = form; v.tile()*v.keyStorage() <= t.MaxWorkgroupStorage {
				all = append(all, v)
			}
		}
	}
	vectors := hd * int(precision.Size()) / 16
	for _, most := range chunks {
		td := divisor(vectors, most)
		for _, tr := range queries {
			if 8*(tr-1) < tq {
				all = append(all, attentionVariant{Family: "attention", TR: tr, TD: td, Chunks: vectors / td})
			}
		}
	}
	return all
}
