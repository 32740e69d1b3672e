package ops

import (
	"encoding/binary"
	"math"

	"saccade/gpu"
	"saccade/weights"
)

// Weights of matmuls are stored in panels: a panel is as many output columns
// as eight lanes hold in one 16-byte vector each (64 halves or 32 floats). For
// every row k of the input it has eight vectors, so that the lanes of a
// workgroup read adjacent memory: vector (panel·K + k)·8 + lane.

// panelAlign is the multiple to which the columns of panels are rounded up, the widest tile.
const panelAlign = 128

// panelColumns is the column count with its padding.
func panelColumns(n int) int { return (n + panelAlign - 1) / panelAlign * panelAlign }

// panelBytes is the memory of a weight of k padded inputs and n padded outputs.
func panelBytes(typ gpu.DType, k, n int) int64 {
	return int64(k) * int64(panelColumns(n)) * typ.Size()
}

// panelWidth is the columns of one panel.
func panelWidth(typ gpu.DType) int { return 8 * int(16/typ.Size()) }

// panelRow is the bytes of a row of one panel.
const panelRow = 8 * 16

// filters gives values from to to of an output's part of a weight, in the
// checkpoint's order. They may lie in scratch, which has room for them.
type filters func(output, from, to int, scratch []float32) ([]float32, error)

// filtersOf are those of a weight whose outputs have size values each.
func filtersOf(w []float32, size int) filters {
	return func(output, from, to int, _ []float32) ([]float32, error) {
		return w[output*size:][from:to], nil
	}
}

// filtersIn are those of a checkpoint's tensor.
func filtersIn(t *weights.Tensor, size int) filters {
	return func(output, from, to int, scratch []float32) ([]float32, error) {
		return t.Floats(output*size+from, output*size+to, scratch)
	}
}

// panels is a weight in panels.
type panels struct {
	typ    gpu.DType
	k, n   int // physical rows and columns
	column int // of an output's place: logical width and groups
	groups int
	rows   []int // of the panel, of each value of an output, in the checkpoint's order
}

// panelsOf are those of a linear layer.
func panelsOf(typ gpu.DType, l *Linear) panels {
	k, n := l.physical()
	p := panels{typ: typ, k: k, n: n, column: l.Out, groups: l.OutGroups, rows: make([]int, l.In)}
	for i := range p.rows {
		p.rows[i] = padded(i, l.In, l.InGroups)
	}
	return p
}

// output is the logical column of a physical one; padding has none.
func (p panels) output(c int) (output int, ok bool) {
	size := p.column / p.groups
	group, at := c/gpu.Pad8(size), c%gpu.Pad8(size)
	return group*size + at, group < p.groups && at < size
}

// pack stores a weight in dst, which is zeroed.
func (p panels) pack(dst []byte, w filters) error {
	return p.each(w, 1, func(at, first int, v *[8][]float32) {
		putVectors(dst[at:], p.typ, v, p.rows[first:][:len(v[0])])
	})
}

// packBlock is the values of an output that are packed at a time, so that what is
// written stays in the cache.
const packBlock = 144

// each gives the outputs of a vector's columns, four or eight of them, to f, each in
// blocks from its place first on, one of size values: at is the vector's byte of
// row 0. It does so on all cores.
func (p panels) each(w filters, size int, f func(at, first int, v *[8][]float32)) error {
	columns, block := 16/int(p.typ.Size()), packBlock/size
	var work []func() error
	for panel := range panelColumns(p.n) / panelWidth(p.typ) {
		work = append(work, func() error {
			scratch := make([]float32, 8*packBlock)
			var v [8][]float32
			for first := 0; first < len(p.rows); first += block {
				last := min(len(p.rows), first+block)
				for lane := range 8 {
					some := false
					for c := range columns {
						into := scratch[c*packBlock:][:(last-first)*size]
						output, ok := p.output(panel*panelWidth(p.typ) + lane*columns + c)
						if v[c] = into; !ok {
							clear(into)
							continue
						}
						var err error
						if v[c], err = w(output, first*size, last*size, into); err != nil {
							return err
						}
						some = true
					}
					if some {
						f(panel*p.k*panelRow+lane*16, first, &v)
					}
				}
			}
			return nil
		})
	}
	return onAllCores(work)
}

// putVectors stores value i of the columns of a vector in each of rows.
func putVectors(dst []byte, typ gpu.DType, v *[8][]float32, rows []int) {
	a, b, c, d := v[0][:len(rows)], v[1][:len(rows)], v[2][:len(rows)], v[3][:len(rows)]
	if typ == gpu.F32 {
		for i, row := range rows {
			to := dst[row*panelRow:][:16]
			binary.LittleEndian.PutUint64(to, uint64(math.Float32bits(a[i]))|uint64(math.Float32bits(b[i]))<<32)
			binary.LittleEndian.PutUint64(to[8:], uint64(math.Float32bits(c[i]))|uint64(math.Float32bits(d[i]))<<32)
		}
		return
	}
	e, f, g, h := v[4][:len(rows)], v[5][:len(rows)], v[6][:len(rows)], v[7][:len(rows)]
	for i, row := range rows {
		to := dst[row*panelRow:][:16]
		binary.LittleEndian.PutUint64(to, gpu.Halves(a[i], b[i], c[i], d[i]))
		binary.LittleEndian.PutUint64(to[8:], gpu.Halves(e[i], f[i], g[i], h[i]))
	}
}

// putVector stores value m of the columns of a vector.
func putVector(dst []byte, typ gpu.DType, m int, v *[8][36]float32) {
	if dst = dst[:16]; typ == gpu.F32 {
		for c := range 4 {
			binary.LittleEndian.PutUint32(dst[4*c:], math.Float32bits(v[c][m]))
		}
		return
	}
	binary.LittleEndian.PutUint64(dst, gpu.Halves(v[0][m], v[1][m], v[2][m], v[3][m]))
	binary.LittleEndian.PutUint64(dst[8:], gpu.Halves(v[4][m], v[5][m], v[6][m], v[7][m]))
}
