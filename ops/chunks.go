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
	most, step, align := n, 1, max(1, d.Traits().OffsetAlignment)
	for _, t := range tensors {
		item := itemBytes(t, n)
		if most = min(most, mostOf(d, t, n)); most == 0 {
			return nil, fmt.Errorf("one item of %s takes %s, more than the adapter's largest binding", t, gpu.MiB(item))
		}
		step = alignedLines(step, item, align)
	}
	if most >= n {
		return ranges(n, n), nil
	}
	if most < step {
		return nil, fmt.Errorf("%d items are the fewest whose windows are aligned and %d the most that fit the adapter's largest binding; use a smaller batch", step, most)
	}
	return ranges(n, most/step*step), nil
}

// window is what one dispatch of an operation on maps does: lines lo to hi of
// items first to end. It is all lines where there are several items.
type window struct{ first, end, lo, hi int }

// items is how many the window has.
func (w window) items() int { return w.end - w.first }

// mapWindows cuts n items of so many lines each into windows of which every
// tensor's part fits a binding and starts aligned: whole items where one fits,
// else lines of one. A line may be a row of pixels, or a pixel; the tensors have
// as many.
func mapWindows(d *gpu.Device, n, lines, step int, tensors ...*gpu.Tensor) ([]window, error) {
	chunks, err := itemChunks(d, n, tensors...)
	if err != nil {
		return lineWindows(d, n, lines, step, lines, tensors...)
	}
	return itemWindows(chunks, lines), nil
}

// itemWindows are windows of whole items.
func itemWindows(chunks [][2]int, lines int) []window {
	windows := make([]window, len(chunks))
	for i, c := range chunks {
		windows[i] = window{first: c[0], end: c[1], hi: lines}
	}
	return windows
}

// lineWindows are windows of lines of one item each, at most most and a multiple
// of step but for an item's last.
func lineWindows(d *gpu.Device, n, lines, step, most int, tensors ...*gpu.Tensor) ([]window, error) {
	align := max(1, d.Traits().OffsetAlignment)
	for _, t := range tensors {
		if n > 1 && itemBytes(t, n)%align != 0 {
			return nil, fmt.Errorf("the items of %s, which exceed the adapter's largest binding, do not start aligned; use a batch of one", t)
		}
		most = min(most, mostOf(d, t, n*lines))
		step = alignedLines(step, itemBytes(t, n*lines), align)
	}
	if most < step {
		return nil, fmt.Errorf("%d lines of %d are the fewest whose windows are aligned and %d the most that fit the adapter's largest binding, %s; use a smaller picture", step, lines, most, gpu.MiB(d.Traits().MaxBinding))
	}
	var windows []window
	for item := range n {
		for _, c := range ranges(lines, most/step*step) {
			windows = append(windows, window{first: item, end: item + 1, lo: c[0], hi: c[1]})
		}
	}
	return windows, nil
}

// mostOf is how many of t's n items a binding holds: all where it holds t, which
// has rows to spare at its end.
func mostOf(d *gpu.Device, t *gpu.Tensor, n int) int {
	limit := d.Traits().MaxBinding
	if t.Bytes() <= limit {
		return n
	}
	return min(n-1, int(limit/itemBytes(t, n)))
}

// alignedLines is the least multiple of step, by a power of two, of which so
// many lines of so many bytes start aligned; alignments are powers of two.
func alignedLines(step int, line, align int64) int {
	for int64(step)*line%align != 0 {
		step *= 2
	}
	return step
}

// view is the window's part of t, n items of so many lines, or all of t.
func (w window) view(t *gpu.Tensor, n, lines int) gpu.View {
	if w.lo == 0 && w.hi == lines {
		return itemView(t, n, w.first, w.end)
	}
	line := itemBytes(t, n*lines)
	return gpu.View{Tensor: t, Offset: int64(w.first*lines+w.lo) * line, Size: int64(w.hi-w.lo) * line}
}

// cached is the most memory, in bytes, that what one dispatch leaves to the next
// may take: most, but no more than share, a part of the adapter's cache, if it has one
// that counts.
func cached(t gpu.Traits, most int, share int64) int {
	if t.Cache > 0 {
		most = min(most, int(share))
	}
	return most
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
