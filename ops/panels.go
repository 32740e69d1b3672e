package ops

import (
	"encoding/binary"
	"math"

	"saccade/gpu"
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

// packPanels stores w, [Out, In] row by row, in panels. dst is zeroed.
func packPanels(dst []byte, typ gpu.DType, w []float32, l *Linear) {
	k, n := l.physical()
	size := int(typ.Size())
	perLane := 16 / size
	width := panelWidth(typ)
	columns := make([]int, l.In) // byte offset of each input within a panel
	for i := range columns {
		columns[i] = padded(i, l.In, l.InGroups) * width * size
	}
	outputs := make([][]int, panelColumns(n)/width) // of each panel
	for o := range l.Out {
		p := padded(o, l.Out, l.OutGroups) / width
		outputs[p] = append(outputs[p], o)
	}
	// A panel at a time and few of its rows, so that what is written stays in the cache.
	const rows = 64
	parallel(len(outputs), func(p int) {
		for first := 0; first < l.In; first += rows {
			last := min(l.In, first+rows)
			for _, o := range outputs[p] {
				c := padded(o, l.Out, l.OutGroups)
				at := dst[p*k*width*size+c%width/perLane*16+c%perLane*size:]
				row := w[o*l.In : (o+1)*l.In]
				if typ == gpu.F16 {
					for i := first; i < last; i++ {
						binary.LittleEndian.PutUint16(at[columns[i]:], gpu.Half(row[i]))
					}
					continue
				}
				for i := first; i < last; i++ {
					binary.LittleEndian.PutUint32(at[columns[i]:], math.Float32bits(row[i]))
				}
			}
		}
	})
}
