package picture

import "fmt"

// View returns what Apply keeps of a picture, to be looked at: resized and
// cropped to the same part, but in larger pixels where the network's are few:
// the least whole multiple of its size whose longer side is least pixels or more.
// Pixel (x, y) of the network's input is at (k·x, k·y) to (k·x+k-1, k·y+k-1).
func (p *Processor) View(m *Image, least int) (*Image, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	h, w := p.Resize.size(m.W, m.H)
	outH, outW := p.OutputSize(m.W, m.H)
	k := max(1, (least+max(outH, outW)-1)/max(outH, outW))
	if k*outW > DefaultMaxPixels/(k*outH) {
		return nil, fmt.Errorf("a view of %d×%d pixels: more than the limit of %d megapixels", k*outW, k*outH, DefaultMaxPixels/1_000_000)
	}
	left, padLeft, keepW := centre(w, outW, p.Crop.Even)
	top, padTop, keepH := centre(h, outH, p.Crop.Even)
	f := p.Resize.Filter
	if p.Resize.Mode == NoResize {
		f = Bicubic
	}
	part := m.resizeWindow(k*w, k*h, window{k * left, k * top, k * (left + keepW), k * (top + keepH)}, f, false)
	out := New(k*outW, k*outH)
	out.fill(p.Crop.Fill)
	out.paste(part, k*padLeft, k*padTop)
	return out, nil
}
