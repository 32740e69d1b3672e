package picture

import "fmt"

// Processor turns a picture into a network's input: resize, centre crop,
// rescale, normalise, in this order. It is made by [ParsePreprocessor],
// [ParseTimm], [DefaultProcessor], [ImageNet] or [Squash], and may be changed by
// [Processor.Override] or by hand.
type Processor struct {
	Resize ResizeRule
	Crop   CropRule
	Pad    PadRule

	Rescale    float64    // factor on samples of 0..255, usually 1/255; 0 = none
	Offset     float64    // added after it (EfficientNet's rescale_offset: -1)
	Normalize  bool       // then (x-Mean)/Std for each of R, G, B
	Mean, Std  [3]float64 // in the scale that Rescale leaves
	IncludeTop bool       // then x/Std once more (EfficientNet's include_top)

	// Smoothing is OWLv2's way to resize; nil: as Resize says.
	Smoothing *Smoothing

	// ConvNeXt's rule, which Resize and Crop have built in; it is here for
	// Override. A size of WarpFrom pixels or more is stretched to and not cropped;
	// a smaller one is cropped from size/CropPct. WarpFrom 0 = no such rule.
	WarpFrom int
	CropPct  float64
}

// ResizeMode says how a picture's new size follows from its old one.
type ResizeMode int

// The modes, by the reference that has them.
const (
	NoResize ResizeMode = iota // as it is
	Exact                      // H×W, stretched
	Shortest                   // the shorter side becomes H (= W), the other in proportion, rounded down (torchvision)
	Cover                      // the smallest that covers H×W, rounded (timm's centre mode where H ≠ W)
	Fit                        // the largest within H×W, rounded (timm's border mode)
	Longest                    // the longer side becomes H (= W), the other in proportion, rounded (SAM)
	Bounded                    // the shorter side becomes H, or less where the longer would exceed W, rounded down (DETR)
	Within                     // the largest within H×W, rounded down (transformers' max_height and max_width)
	Closest                    // in proportion, by the side that is closer to H×W as a factor, rounded (DPT)
)

// ResizeRule is the resize step.
type ResizeRule struct {
	Mode ResizeMode
	H, W int // pixels; see ResizeMode
	// Multiple is what sides are a multiple of, 0 for 1: of Bounded rounded down, of Closest
	// to the nearest.
	Multiple int
	Filter   Filter
	Order    PassOrder
}

// PassOrder says which of the two passes of a resize comes first.
type PassOrder int

// The orders.
const (
	PillowOrder PassOrder = iota // as Pillow 13 chooses by the sizes: timm and torchvision resize with it
	RowsFirst                    // always the horizontal pass: transformers resizes tensors with torchvision
)

// CropRule is the centre crop. A picture smaller than the crop is padded with
// Fill on both sides, the odd pixel on the right and at the bottom.
type CropRule struct {
	H, W int      // pixels; 0 = no crop
	Even bool     // a half pixel of offset is rounded to even (torchvision, timm), not down (transformers)
	Fill [3]uint8 // before rescaling
}

// PadRule fills up what is smaller than H×W pixels with zeros below and to the right,
// behind all else. A larger picture is an error.
type PadRule struct {
	H, W int // pixels; 0 = no padding
}

// Mean and standard deviation of R, G, B in common use, in 0..1.
var (
	ImageNetMean = [3]float64{0.485, 0.456, 0.406}
	ImageNetStd  = [3]float64{0.229, 0.224, 0.225}
	HalfMean     = [3]float64{0.5, 0.5, 0.5} // Google's ViT, SigLIP
	HalfStd      = [3]float64{0.5, 0.5, 0.5}
	CLIPMean     = [3]float64{0.48145466, 0.4578275, 0.40821073}
	CLIPStd      = [3]float64{0.26862954, 0.26130258, 0.27577711}
)

// ImageNet is torchvision's transform for classification: the shorter side to
// resize pixels, the middle crop×crop pixels of that, ImageNet's mean and
// standard deviation. Most of its checkpoints want 256, 224, Bilinear.
func ImageNet(resize, crop int, f Filter) *Processor {
	return &Processor{
		Resize:    ResizeRule{Mode: Shortest, H: resize, W: resize, Filter: f},
		Crop:      CropRule{H: crop, W: crop, Even: true},
		Rescale:   1.0 / 255,
		Normalize: true, Mean: ImageNetMean, Std: ImageNetStd,
	}
}

// Squash stretches to h×w pixels, uncropped, with ImageNet's mean and standard
// deviation: what networks for pictures of one small size take (CIFAR: 32×32,
// where nothing is left to resize).
func Squash(h, w int, f Filter) *Processor {
	return &Processor{
		Resize:    ResizeRule{Mode: Exact, H: h, W: w, Filter: f},
		Rescale:   1.0 / 255,
		Normalize: true, Mean: ImageNetMean, Std: ImageNetStd,
	}
}

// Padded is SAM's preprocessing: the longer side to so many pixels, ImageNet's mean and
// standard deviation, then zeros below and to the right up to a square.
func Padded(side int) *Processor {
	return &Processor{
		Resize:    ResizeRule{Mode: Longest, H: side, W: side, Filter: Bilinear},
		Rescale:   1.0 / 255,
		Normalize: true, Mean: ImageNetMean, Std: ImageNetStd,
		Pad: PadRule{H: side, W: side},
	}
}

// OutputSize returns the height and width of what Apply returns for a picture
// of w×h pixels.
func (p *Processor) OutputSize(w, h int) (outH, outW int) {
	if p.Pad.H > 0 {
		return p.Pad.H, p.Pad.W
	}
	return p.Resized(w, h)
}

// Resized returns the height and width before the padding.
func (p *Processor) Resized(w, h int) (outH, outW int) {
	if p.Crop.H > 0 {
		return p.Crop.H, p.Crop.W
	}
	return p.Resize.size(w, h)
}

// FixedSize returns the height and width of what Apply returns, if they are the
// same for all pictures.
func (p *Processor) FixedSize() (h, w int, ok bool) {
	switch {
	case p.Pad.H > 0:
		return p.Pad.H, p.Pad.W, true
	case p.Crop.H > 0:
		return p.Crop.H, p.Crop.W, true
	case p.Resize.Mode == Exact:
		return p.Resize.H, p.Resize.W, true
	}
	return 0, 0, false
}

// Apply returns the network's input for one picture: float32 [3 h w] and its
// height and width.
func (p *Processor) Apply(m *Image) (pixels []float32, h, w int, err error) {
	if err := m.Check(); err != nil {
		return nil, 0, 0, err
	}
	if err := p.Check(); err != nil {
		return nil, 0, 0, err
	}
	if p.Smoothing != nil {
		pixels, h, w = p.smooth(m)
		if p.Normalize {
			for i, v := range pixels {
				pixels[i] = float32((float64(v) - p.Mean[i/(h*w)]) / p.Std[i/(h*w)])
			}
		}
		return pixels, h, w, nil
	}
	out, err := p.frame(m)
	if err != nil {
		return nil, 0, 0, err
	}
	return p.padded(p.values(out), out.H, out.W)
}

// padded fills up values [3 h w].
func (p *Processor) padded(values []float32, h, w int) ([]float32, int, int, error) {
	if p.Pad.H == 0 || p.Pad.H == h && p.Pad.W == w {
		return values, h, w, nil
	}
	if h > p.Pad.H || w > p.Pad.W {
		return nil, 0, 0, fmt.Errorf("picture of %d×%d pixels (height×width) is larger than the %d×%d that it is padded to", h, w, p.Pad.H, p.Pad.W)
	}
	out := make([]float32, 3*p.Pad.H*p.Pad.W)
	for row := range 3 * h {
		copy(out[(row/h*p.Pad.H+row%h)*p.Pad.W:], values[row*w:][:w])
	}
	return out, p.Pad.H, p.Pad.W, nil
}

// Check reports a processor that cannot work.
func (p *Processor) Check() error {
	sized := p.Resize.Mode != NoResize
	switch {
	case p.Resize.Mode < NoResize || p.Resize.Mode > Closest:
		return fmt.Errorf("picture processor: unknown resize mode %d", p.Resize.Mode)
	case sized && !sensible(p.Resize.H, p.Resize.W):
		return fmt.Errorf("picture processor: resize to %d×%d (height×width); expected 1 to %d pixels a side", p.Resize.H, p.Resize.W, DefaultMaxSide)
	case sized && (p.Resize.Filter < Nearest || p.Resize.Filter > Hamming):
		return fmt.Errorf("picture processor: unknown resampling filter %d; expected 0 to 5", p.Resize.Filter)
	case p.Resize.Multiple < 0 || p.Resize.Multiple > DefaultMaxSide:
		return fmt.Errorf("picture processor: sides of a multiple of %d; expected 1 to %d pixels", p.Resize.Multiple, DefaultMaxSide)
	case (p.Crop.H != 0 || p.Crop.W != 0) && !sensible(p.Crop.H, p.Crop.W):
		return fmt.Errorf("picture processor: crop to %d×%d (height×width); expected 1 to %d pixels a side", p.Crop.H, p.Crop.W, DefaultMaxSide)
	case (p.Pad.H != 0 || p.Pad.W != 0) && !sensible(p.Pad.H, p.Pad.W):
		return fmt.Errorf("picture processor: padding to %d×%d (height×width); expected 1 to %d pixels a side", p.Pad.H, p.Pad.W, DefaultMaxSide)
	case (p.Normalize || p.IncludeTop) && (p.Std[0] == 0 || p.Std[1] == 0 || p.Std[2] == 0):
		return fmt.Errorf("picture processor: standard deviation %v; expected no zero", p.Std)
	}
	return nil
}

func sensible(h, w int) bool {
	return h > 0 && w > 0 && h <= DefaultMaxSide && w <= DefaultMaxSide
}

// frame resizes and crops. Only the pixels that the crop keeps are computed.
func (p *Processor) frame(m *Image) (*Image, error) {
	h, w := p.Resize.size(m.W, m.H)
	cropH, cropW := p.Crop.H, p.Crop.W
	if cropH == 0 {
		cropH, cropW = h, w
	}
	if cropW > DefaultMaxPixels/cropH {
		return nil, fmt.Errorf("picture of %d×%d pixels would be resized to %d×%d: more than the limit of %d megapixels", m.W, m.H, w, h, DefaultMaxPixels/1_000_000)
	}
	left, padLeft, keepW := centre(w, cropW, p.Crop.Even)
	top, padTop, keepH := centre(h, cropH, p.Crop.Even)
	vertical := p.Resize.Order == PillowOrder && columnsFirst(m.W, m.H, w, h)
	part := m.resizeWindow(w, h, window{left, top, left + keepW, top + keepH}, p.Resize.Filter, vertical)
	if keepW == cropW && keepH == cropH {
		return part, nil
	}
	out := New(cropW, cropH)
	out.fill(p.Crop.Fill)
	out.paste(part, padLeft, padTop)
	return out, nil
}

// centre places a crop on a line of n pixels: the first pixel kept, how many are
// kept, and the padding before them.
func centre(n, crop int, even bool) (first, pad, keep int) {
	if crop >= n {
		return 0, (crop - n) / 2, n
	}
	d := n - crop
	if even && d%4 == 3 { // d/2 is k+½ with k odd: rounded up to even
		d++
	}
	return d / 2, 0, crop
}

// values rescales and normalises to float32 [3 H W]. A sample has 256 possible
// values, so that a table of each channel holds them all.
func (p *Processor) values(m *Image) []float32 {
	n := m.W * m.H
	out := make([]float32, 3*n)
	for c := range 3 {
		var table [256]float32
		for i := range table {
			table[i] = float32(p.value(float64(i), c))
		}
		for i, dst := 0, out[c*n:(c+1)*n]; i < n; i++ {
			dst[i] = table[m.Pix[3*i+c]]
		}
	}
	return out
}

// value is the arithmetic of one sample of channel c.
func (p *Processor) value(v float64, c int) float64 {
	if p.Rescale != 0 {
		v = float64(v*p.Rescale) + p.Offset
	}
	if p.Normalize {
		v = (v - p.Mean[c]) / p.Std[c]
	}
	if p.IncludeTop {
		v /= p.Std[c]
	}
	return v
}
