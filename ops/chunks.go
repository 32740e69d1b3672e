package ops

import (
	"fmt"

	"saccade/gpu"
)

// rowChunks cuts rows into ranges of which every tensor's part fits a binding
// and starts aligned. Rows that are too long to fit are left to the recorder,
// which refuses them.
func rowChunks(d *gpu.Device, rows int, tensors ...*gpu.Tensor) [][2]int {
	chunks, err := itemChunks(d, rows, tensors...)
	if err != nil {
		return ranges(rows, rows)
	}
	return chunks
}

// rowView is the window of rows lo to hi, or all of t when that is all its rows.
func rowView(t *gpu.Tensor, lo, hi int) gpu.View {
	if lo == 0 && hi == t.Rows() {
		return gpu.All(t)
	}
	return t.RowWindow(lo, hi)
}

// itemChunks cuts a batch of n items, pictures or rows, into ranges of which
// every tensor's part fits a binding and starts aligned.
func itemChunks(d *gpu.Device, n int, tensors ...*gpu.Tensor) ([][2]int, error) {
	most, step, align := n, 1, max(1, d.Info().Limits.OffsetAlignment)
	for _, t := range tensors {
		item := itemBytes(t, n)
		if item > d.Info().Limits.MaxBinding {
			return nil, fmt.Errorf("one item of %s takes %s, more than the adapter's largest binding", t, gpu.MiB(item))
		}
		most = min(most, int(d.Info().Limits.MaxBinding/item))
		for int64(step)*item%align != 0 { // ends: alignments are powers of two
			step *= 2
		}
	}
	if most >= n {
		return ranges(n, n), nil
	}
	if most < step {
		return nil, fmt.Errorf("%d items are the fewest whose windows are aligned and %d the most that fit the adapter's largest binding; use a smaller batch", step, most)
	}
	return ranges(n, most/step*step), nil
}

// itemBytes is a tensor's memory for one of n items.
func itemBytes(t *gpu.Tensor, n int) int64 {
	return int64(t.Rows()/n) * int64(t.Stride()) * t.Type.Size()
}

// itemView is the window of items lo to hi of n, or all of t.
func itemView(t *gpu.Tensor, n, lo, hi int) gpu.View {
	if lo == 0 && hi == n {
		return gpu.All(t)
	}
	item := itemBytes(t, n)
	return gpu.View{Tensor: t, Offset: int64(lo) * item, Size: int64(hi-lo) * item}
}

// ranges cuts 0…n into ranges of at most most.
func ranges(n, most int) [][2]int {
	var out [][2]int
	for lo := 0; lo < n; lo += most {
		out = append(out, [2]int{lo, min(n, lo+most)})
	}
	return out
}
