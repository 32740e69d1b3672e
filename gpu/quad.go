package gpu

import (
	"fmt"
	"image"
	"image/color"

	"saccade/gpu/internal/wgpu"
)

// Quad is a rectangle of a drawing: a picture on the device, a picture of the
// host, or a plain colour. Its pixels count from the top left corner.
type Quad struct {
	At image.Rectangle

	// Picture is an activation, a state or an input [N, H, W, C] of one or three
	// channels, of which picture Index is shown. Values from Low to High become
	// black to full; both zero stand for -1 to 1. One without memory, because it
	// was released, shows nothing.
	Picture   *Tensor
	Index     int
	Low, High float32

	// Image is shown if Picture is nil. It is uploaded once and stays on the
	// device while drawings show it, so that it must not change.
	Image *image.RGBA

	Heat *Heat // laid over Picture or Image

	// Part is what is shown of Picture or Image, in its pixels; all if empty.
	Part   Rect
	Smooth bool // interpolate between pixels, instead of taking the nearest

	// Color is shown if there is neither picture; its alpha is premultiplied.
	Color color.RGBA
}

// Rect is a rectangle that need not begin or end at a whole pixel.
type Rect struct{ X, Y, W, H float32 }

// Heat is a map of Rows × Columns values that covers a picture, grey there, in
// the colours of viridis from Low to High. It must not change once it was drawn.
type Heat struct {
	Rows, Columns int
	Low, High     float32

	// Values are the host's, by rows. If they are nil, element First + i·Step of
	// Tensor's memory is value i.
	Values      []float32
	Tensor      *Tensor
	First, Step int
}

// How view.wgsl calls what its buffers hold.
const (
	kindColor = iota
	kindHalves
	kindFloats
	kindBytes
)

func kindOf(t DType) int {
	if t == F16 {
		return kindHalves
	}
	return kindFloats
}

// size is that of the picture in pixels.
func (q *Quad) size() (w, h int) {
	switch {
	case q.Picture != nil:
		return q.Picture.Shape[2], q.Picture.Shape[1]
	case q.Image != nil:
		return q.Image.Rect.Dx(), q.Image.Rect.Dy()
	}
	return 1, 1
}

// check finds what the shader could not draw, before anything is submitted.
func (q *Quad) check() error {
	if t := q.Picture; t != nil {
		if len(t.Shape) != 4 || t.Shape[3] != 1 && t.Shape[3] != 3 || max(1, t.Groups) != 1 || t.Type == U32 {
			return fmt.Errorf("drawing %s of %s: a picture is [N H W C] of halves or floats with 1 or 3 channels", t, t.Type)
		}
		if q.Index < 0 || q.Index >= t.Shape[0] {
			return fmt.Errorf("drawing %s: there is no picture %d", t, q.Index)
		}
	} else if m := q.Image; m != nil && (m.Rect.Empty() || m.Stride != 4*m.Rect.Dx()) {
		return fmt.Errorf("drawing an image of %v with rows of %d bytes: want all of a picture that is not empty", m.Rect, m.Stride)
	}
	if h := q.Heat; h != nil {
		return h.check()
	}
	return nil
}

func (h *Heat) check() error {
	cells := h.Rows * h.Columns
	switch {
	case h.Rows < 1 || h.Columns < 1:
		return fmt.Errorf("drawing a heat map of %d×%d cells: want at least one", h.Columns, h.Rows)
	case h.Values != nil && len(h.Values) != cells:
		return fmt.Errorf("drawing a heat map of %d×%d cells: got %d values", h.Columns, h.Rows, len(h.Values))
	case h.Values != nil:
		return nil
	case h.Tensor == nil || h.Tensor.Type == U32:
		return fmt.Errorf("drawing a heat map: it has neither values nor a tensor of numbers")
	case h.First < 0 || h.Step < 1 || int64(h.First+(cells-1)*h.Step+1)*h.Tensor.Type.Size() > h.Tensor.bytes:
		return fmt.Errorf("drawing a heat map of %d×%d cells from element %d on, %d apart: %s has no so many", h.Columns, h.Rows, h.First, h.Step, h.Tensor)
	}
	return nil
}

// shape is the constants of view.wgsl that a quad takes: a pipeline each.
type shape struct{ kind, channels, smooth, average, heat, linear int }

func (s shape) constants() map[string]int {
	return map[string]int{"KIND": s.kind, "CHANNELS": s.channels, "SMOOTH": s.smooth, "AVERAGE": s.average, "HEAT": s.heat, "LINEAR": s.linear}
}

// shape of a quad in a texture that stores linear light, or not.
func (q *Quad) shape(linear bool) shape {
	s := shape{kind: kindColor, channels: 3, linear: number(linear)}
	switch {
	case q.Picture != nil:
		s.kind, s.channels = kindOf(q.Picture.Type), q.Picture.Shape[3]
	case q.Image != nil:
		s.kind = kindBytes
	default:
		return s
	}
	part := q.part()
	s.smooth = number(q.Smooth)
	s.average = number(part.W > float32(q.At.Dx())*1.001 || part.H > float32(q.At.Dy())*1.001)
	if q.Heat != nil {
		s.heat = q.Heat.kind()
	}
	return s
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// part is what is shown of the picture.
func (q *Quad) part() Rect {
	if q.Part != (Rect{}) {
		return q.Part
	}
	w, h := q.size()
	return Rect{0, 0, float32(w), float32(h)}
}

func (h *Heat) kind() int {
	if h.Values != nil {
		return kindFloats
	}
	return kindOf(h.Tensor.Type)
}

// params are view.wgsl's, for a drawing of w×h pixels.
func (q *Quad) params(w, h int) Params {
	columns, rows := q.size()
	part := q.part()
	p := Params{
		"window_w": w, "window_h": h, "x": q.At.Min.X, "y": q.At.Min.Y, "w": q.At.Dx(), "h": q.At.Dy(),
		"part_x": part.X, "part_y": part.Y, "part_w": part.W, "part_h": part.H,
		"red": float32(q.Color.R) / 255, "green": float32(q.Color.G) / 255, "blue": float32(q.Color.B) / 255, "alpha": float32(q.Color.A) / 255,
		"low": q.Low, "high": q.High, "first": 0, "columns": columns, "rows": rows, "stride": 1,
		"heat_first": 0, "heat_step": 1, "heat_columns": 1, "heat_rows": 1, "heat_low": 0, "heat_high": 1,
	}
	if q.Low == 0 && q.High == 0 {
		p["low"], p["high"] = -1, 1
	}
	if t := q.Picture; t != nil {
		p["stride"], p["first"] = t.Stride(), q.Index*rows*columns*t.Stride()
	}
	if m := q.Heat; m != nil {
		p["heat_columns"], p["heat_rows"], p["heat_low"], p["heat_high"] = m.Columns, m.Rows, m.Low, m.High
		if m.Values == nil {
			p["heat_first"], p["heat_step"] = m.First, m.Step
		}
	}
	return p
}

// hosted is what of a quad has to be on the device: its key is the owner's address.
func (q *Quad) hosted() map[any][]byte {
	m := map[any][]byte{}
	if q.Picture == nil && q.Image != nil {
		m[q.Image] = q.Image.Pix
	}
	if q.Heat != nil && q.Heat.Values != nil {
		m[q.Heat] = wgpu.ToBytes(q.Heat.Values)
	}
	return m
}
