package ops

import (
	"fmt"

	"saccade/gpu"
)

// convPiece is what one dispatch of a convolution does: whole pictures, or some
// rows of one's output. It is a convolution of its own, of the rows of the input
// that those depend on: h and oh are theirs, and top is negative where the rows
// begin before the first that is needed.
type convPiece struct {
	convGeometry
	x, y, residual gpu.View // no tensor: no residual
}

// padY is top for kernels, which add it to what has wrapped if it is negative.
func (p convPiece) padY() uint32 { return uint32(int32(p.top)) }

// flops are the piece's, as a direct convolution has them.
func (p convPiece) flops(c *Conv2d) float64 {
	return 2 * float64(p.n*p.oh*p.ow*c.Out) * float64(c.In/c.Groups*c.Kernel[0]*c.Kernel[1])
}

// bytes is what of the maps is read and written once.
func (p convPiece) bytes(call *convCall) float64 {
	stored := ((p.h + p.up) >> p.up) * ((p.w + p.up) >> p.up)
	return float64(p.n) * float64(call.y.Type.Size()) * float64(stored*call.x.Stride()+p.oh*p.ow*call.y.Stride())
}

// pieces cuts the convolution into what fits a binding: pictures where one
// does, else rows of the output, a multiple of step but for the last.
func (call *convCall) pieces(d *gpu.Device, step int) ([]convPiece, error) {
	outputs := []*gpu.Tensor{call.y}
	if call.e.residual != nil {
		outputs = append(outputs, call.e.residual)
	}
	if chunks, err := itemChunks(d, call.n, append(outputs, call.x)...); err == nil {
		return call.piecesOf(itemWindows(chunks, call.oh), 0), nil
	}
	most, aligned, err := call.inputRows(d)
	if err != nil {
		return nil, err
	}
	windows, err := lineWindows(d, call.n, call.oh, step, most, outputs...)
	if err != nil {
		return nil, err
	}
	return call.piecesOf(windows, aligned), nil
}

// inputRows is the most rows of the output whose input fits a binding, and the
// number of which stored rows of the input begin aligned at each multiple.
func (call *convCall) inputRows(d *gpu.Device) (most, aligned int, err error) {
	c, align := call.c, max(1, d.Traits().OffsetAlignment)
	if call.n > 1 && itemBytes(call.x, call.n)%align != 0 {
		return 0, 0, fmt.Errorf("the pictures of %s do not start aligned and exceed the adapter's largest binding; use a batch of one", call.x)
	}
	aligned = alignedLines(1, itemBytes(call.x, call.n*call.storedHeight()), align)
	rows := mostOf(d, call.x, call.n*call.storedHeight())
	if rows >= call.storedHeight() {
		return call.oh, aligned, nil
	}
	rows -= aligned - 1 // of which the first may not be needed
	if call.up == 1 {
		rows = 2*rows - 1 // of the upsampled map, which may begin with the second of a stored row
	}
	span := (c.Kernel[0]-1)*c.Dilation[0] + 1
	if rows < span {
		return 0, 0, fmt.Errorf("%d rows of %s, which a row of the output depends on, exceed the adapter's largest binding; use a smaller picture", span, call.x)
	}
	return (rows-span)/c.Stride[0] + 1, aligned, nil
}

// storedHeight is the input's, which may be upsampled.
func (call *convCall) storedHeight() int { return (call.h + call.up) >> call.up }

// piecesOf are those of windows of the output. The rows of the input begin at a
// multiple of aligned; 0 takes all.
func (call *convCall) piecesOf(windows []window, aligned int) []convPiece {
	pieces := make([]convPiece, len(windows))
	for i, w := range windows {
		in := window{first: w.first, end: w.end, hi: call.storedHeight()}
		p := convPiece{convGeometry: call.convGeometry, y: w.view(call.y, call.n, call.oh)}
		if aligned > 0 {
			in.lo, in.hi = call.rowsFor(w, aligned)
			p.h = min(call.h, in.hi<<call.up) - in.lo<<call.up
		}
		p.n, p.oh, p.top = w.items(), w.hi-w.lo, call.top+in.lo<<call.up-w.lo*call.c.Stride[0]
		p.x = in.view(call.x, call.n, call.storedHeight())
		if call.e.residual != nil {
			p.residual = w.view(call.e.residual, call.n, call.oh)
		}
		pieces[i] = p
	}
	return pieces
}

// rowsFor is the stored rows of the input on which a window of the output
// depends, from an aligned one on.
func (call *convCall) rowsFor(w window, aligned int) (lo, hi int) {
	c := call.c
	lo = min(max(0, w.lo*c.Stride[0]-call.top), call.h-1)
	hi = min(call.h, max(lo+1, (w.hi-1)*c.Stride[0]-call.top+(c.Kernel[0]-1)*c.Dilation[0]+1))
	return (lo >> call.up) / aligned * aligned, (hi + call.up) >> call.up
}
