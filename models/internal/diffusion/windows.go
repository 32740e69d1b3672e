package diffusion

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Video says of which frames a batch of maps is; the zero value: of none.
type Video struct {
	Frames int
	// Context is how many frames the attention among them sees at once, and Stride how far each
	// such window is from the one before (Qiu et al. 2023, "FreeNoise"). 0: all frames.
	Context, Stride int
}

// windowed says that not all frames are seen at once.
func (v Video) windowed() bool { return v.Context > 0 && v.Context < v.Frames }

// Windows are the first frames of the windows. The last window ends with the last frame.
func (v Video) Windows() (first []int) {
	for at := 0; at+v.Context <= v.Frames; at += v.Stride {
		first = append(first, at)
	}
	if last := first[len(first)-1]; last+v.Context < v.Frames {
		first = append(first, v.Frames-v.Context)
	}
	return first
}

// part is what a frame is made of: its share of what it is in a window.
type part struct {
	window int
	share  float64
}

// parts are those of each frame. In a window's middle a frame weighs most (diffusers' pyramid).
// Frames that no whole stride reaches are those of the last window alone, in which diffusers,
// which divides by the weight of the first of them, makes the others darker.
func (v Video) parts() [][]part {
	all, first := make([][]part, v.Frames), v.Windows()
	sums := make([]float64, v.Frames)
	for w, at := range first {
		from := at
		if w > 0 && at-first[w-1] != v.Stride { // what the stride leaves
			from = first[w-1] + v.Context
		}
		for f := from; f < at+v.Context; f++ {
			weight := float64(min(f-at+1, at+v.Context-f))
			all[f], sums[f] = append(all[f], part{w, weight}), sums[f]+weight
		}
	}
	for f := range all {
		for k := range all[f] {
			all[f][k].share /= sums[f]
		}
	}
	return all
}

// windows brings rows of frames to windows and back.
type windows struct {
	in     *gpu.Tensor   // index [rows·windows, context] into [rows, frames]
	parts  []*gpu.Tensor // indices [frames, rows, 1] into the windows, of each part of the frames
	shares []*ops.Table  // of those, [frames, width]
	back   *gpu.Tensor   // index [rows, frames] into [frames, rows]
}

// newWindows makes the indices for so many rows of frames.
func newWindows(b *ops.Builder, v Video, rows, width int) *windows {
	first, parts := v.Windows(), v.parts()
	n := len(first)
	var in, back []uint32
	for r := range rows {
		for _, at := range first {
			for l := range v.Context {
				in = append(in, uint32(r*v.Frames+at+l))
			}
		}
		for f := range v.Frames {
			back = append(back, uint32(f*rows+r))
		}
	}
	w := &windows{in: b.Index("windows", in, rows*n, v.Context), back: b.Index("frames", back, rows, v.Frames)}
	most := 0
	for _, p := range parts {
		most = max(most, len(p))
	}
	for k := range most {
		index, shares := make([]uint32, 0, v.Frames*rows), make([]float32, 0, v.Frames*width)
		for f, p := range parts {
			share := float32(0)
			if k < len(p) {
				share = float32(p[k].share)
			}
			for r := range rows {
				at := uint32(ops.NoRow)
				if k < len(p) {
					at = uint32((r*n+p[k].window)*v.Context + f - first[p[k].window])
				}
				index = append(index, at)
			}
			for range width {
				shares = append(shares, share)
			}
		}
		table := b.Table("shares", v.Frames, width)
		b.Later(func() error { return table.Upload(shares) })
		w.parts, w.shares = append(w.parts, b.Index("parts", index, v.Frames, rows, 1)), append(w.shares, table)
	}
	return w
}

// split is the windows [rows·windows, context, C] of x [rows, frames, C].
func (w *windows) split(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor { return ops.Rows(r, x, w.in) }

// join is the frames [rows, frames, C] of windows x.
func (w *windows) join(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	var sum *gpu.Tensor
	for k, index := range w.parts {
		y := ops.Scale(r, ops.Rows(r, x, index), w.shares[k].Repeat(r, 1))
		if sum != nil {
			y = ops.Add(r, sum, y, 1)
		}
		sum = y
	}
	return ops.Rows(r, sum, w.back)
}

// key tells windows apart.
func (v Video) key(rows int) string { return fmt.Sprint(v, rows) }
