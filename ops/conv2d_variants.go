package ops

import (
	"fmt"
	"strings"

	"saccade/gpu"
	"saccade/shaders"
)

// convVariant is one way to compute an implicit matmul: a kernel file and its constants.
type convVariant struct {
	Family string // "conv2d" (sums in registers) or "conv2d_shared" (tiles in workgroup memory)
	TM     int    // rows of a thread
	TG, LX int    // conv2d: vectors of columns of a lane, lanes along the columns
	LK     int    // conv2d: lanes along K that gather a row
	Room   int    // conv2d: workgroup memory for as many rows
	Tile   int    // conv2d: 16-byte vectors of workgroup memory
	NX, NY int    // conv2d_shared: threads along columns and rows
	Slices int    // of K, added by a second kernel; 0: the first stores the result
	Form   string // conv2d_shared: inHalves, or none
}

// String is the variant's name in tables.
func (v convVariant) String() string {
	if v.Family == "conv2d_shared" {
		return strings.TrimRight(fmt.Sprintf("%dx%d %s", v.NY*v.TM, 8*v.NX, v.Form), " ")
	}
	s := fmt.Sprintf("%dx%dx%d k%d", v.TM, v.TG, v.LX, v.Tile)
	if v.LK != 8 {
		s += fmt.Sprintf(" l%d", v.LK)
	}
	return s
}

// kernel is the variant of the kernel: several may run one.
func (v convVariant) kernel() string {
	if v.Family == "conv2d_shared" {
		return v.String()
	}
	s := fmt.Sprintf("%dx%d r%d k%d", v.TM, v.TG, v.Room, v.Tile)
	return s
}

// sliced is the name with the slices.
func (v convVariant) sliced() string {
	if v.Slices > 1 {
		return fmt.Sprintf("%s/%d", v, v.Slices)
	}
	return v.String()
}

// depth is the elements of K in a slice, a multiple of 8.
func (v convVariant) depth(k int) int { return ceilDiv(k/8, max(1, v.Slices)) * 8 }

// slices is how many there are with something in them.
func (v convVariant) slices(k int) int { return ceilDiv(k, v.depth(k)) }

// tileRows is the rows that a workgroup of conv2d stages.
func (v convVariant) tileRows() int {
	step := 8 / v.LK
	return ceilDiv(v.TM*8/v.LX, step) * step
}

// tileVectors is the workgroup memory that a slice of depth elements takes.
func (v convVariant) tileVectors(depth int, precision gpu.DType) int {
	return v.tileRows() * v.tileWidth(depth, precision)
}

// tileWidth is the 16-byte vectors of a row of the tile.
func (v convVariant) tileWidth(depth int, precision gpu.DType) int {
	lk := max(1, v.LK)
	return ceilDiv(depth*int(precision.Size())/16, lk) * lk
}

// spec is the specification without epilogue.
func (v convVariant) spec(precision gpu.DType) shaders.Spec {
	s := shaders.Spec{Const: map[string]int{"TM": v.TM}, Forms: forms(precision)}
	if v.Family == "conv2d_shared" {
		sharedTile{v.TM, v.NX, v.NY}.specify(&s, precision)
		if v.Form != "" {
			s.Forms = append(s.Forms, v.Form)
		}
		if precision == gpu.F32 {
			s.Forms = append(s.Forms, "floats")
		}
		return s
	}
	s.Const["TG"], s.Const["ORIGINS"], s.Const["TILE"] = v.TG, v.Room, v.Tile
	return s
}

// groups is the workgroup count for rows × columns of each of count matrices.
func (v convVariant) groups(rows, columns, count int, precision gpu.DType) [3]int {
	high, wide := v.NY*v.TM, 8*v.NX
	if v.Family == "conv2d" {
		high, wide = v.TM*8/v.LX, v.LX*v.TG*16/int(precision.Size())
	}
	return [3]int{ceilDiv(rows, high), ceilDiv(columns, wide), count * max(1, v.Slices)}
}

// chooseConv picks the variant for count matrices of m rows, n columns and k
// steps. plain sums are never sliced.
func chooseConv(t gpu.Traits, precision gpu.DType, m, n, k, count int, plain bool) convVariant {
	if t.CheapBarriers {
		return tiledConv(t, m, n, k, count, plain)
	}
	return registerConv(t, precision, m, n, k, count, plain)
}

// registerConv takes the variant with the least cost by a model of lavapipe, in
// vectors multiplied and added: a word of B costs 19, one of the tile 12, and
// gathering eight vectors 170 (measured by leaving them out). There are two heights,
// since each is a kernel, which takes the driver a quarter of a second to compile;
// TM is 0 where plain sums of so deep a product fit none.
func registerConv(t gpu.Traits, precision gpu.DType, m, n, k, count int, plain bool) convVariant {
	var best convVariant
	least := 0.0
	for _, v := range registerConvs(t, precision, k, plain) {
		if cost := v.cost(precision, m, n, k, count); best.TM == 0 || cost < least {
			best, least = v, cost
		}
	}
	return best
}

// registerConvs are the variants that hold so deep a product.
func registerConvs(t gpu.Traits, precision gpu.DType, k int, plain bool) []convVariant {
	var all []convVariant
	heights := []int{4, 12}
	if !t.CheapSpills {
		heights = heights[:1]
	}
	widths := []int{8, 4, 2, 1}
	if precision == gpu.F32 {
		widths = []int{8, 4, 1} // longer slices cost digits
	}
	for _, tm := range heights {
		for _, lx := range widths {
			v := convVariant{Family: "conv2d", TM: tm, TG: 32 / int(precision.Size()) / 8, LX: lx, LK: 8}
			for v.LK > 1 && v.LK*16/int(precision.Size()) > gpu.Pad8(k) {
				v.LK /= 2
			}
			if v.fit(t, precision, k, plain) {
				all = append(all, v)
			}
		}
	}
	return all
}

// The workgroup memory of a variant, in vectors: one size, since each is
// compiled on its own, and a large one for sums that can't be sliced.
const (
	tileSize  = 768
	tileLarge = 1952
)

// fit sets the slices and the tile so that workgroup memory holds them.
func (v *convVariant) fit(t gpu.Traits, precision gpu.DType, k int, plain bool) bool {
	if v.Room = gpu.Pad8(v.tileRows()); t.MaxWorkgroupStorage/16 >= tileSize+8*v.TM {
		v.Room = 8 * v.TM // of one lane along the columns, so that all share a kernel
	}
	most := t.MaxWorkgroupStorage/16 - v.Room
	v.Tile = min(tileSize, most)
	if plain {
		if v.Slices = 1; v.tileVectors(k, precision) > v.Tile {
			v.Tile = tileLarge
		}
		return v.Tile <= most && v.tileVectors(k, precision) <= v.Tile
	}
	least := 64 // elements of K that are worth a slice
	if most < tileSize {
		least = 32 // or else there are narrow convolutions that fit no tile
	}
	for v.Slices = 1; v.Slices <= max(1, k/least); v.Slices++ {
		if v.tileVectors(v.depth(k), precision) <= v.Tile {
			return true
		}
	}
	return false
}

// cost is by the model of [registerConv].
func (v convVariant) cost(precision gpu.DType, m, n, k, count int) float64 {
	groups := v.groups(m, n, count, precision)
	perWord := 4 / int(precision.Size())
	depth := float64(v.depth(k))
	stage := float64(v.tileVectors(v.depth(k), precision)) / 8 * 170
	loads := float64(v.TG)*4*19 + float64(v.TM)*12/float64(perWord)
	work := depth * (loads + float64(v.TM*v.TG*4*perWord))
	store := float64(v.TM*v.TG) * (120 + 8*float64(v.TM))
	return float64(groups[0]*groups[1]*groups[2]) * (stage + work + store + 2500 + float64(v.Tile)*8)
}

// tiledConv stages tiles in workgroup memory, as tiledMatmul does.
func tiledConv(t gpu.Traits, m, n, k, count int, plain bool) convVariant {
	const busy = 64 // workgroups that keep a mid-sized GPU's compute units at work
	v := convVariant{Family: "conv2d_shared", TM: 8, NX: 8, NY: 8}
	if t.Sums < 64 || ceilDiv(m, 64)*ceilDiv(n, 64)*count < busy {
		v.TM = 4
	}
	groups := v.groups(m, n, count, gpu.F16)
	for split := 2; !plain && split <= 8 && groups[0]*groups[1]*groups[2]*split/2 < busy && k/split >= 128; split *= 2 {
		v.Slices = split
	}
	return v
}
