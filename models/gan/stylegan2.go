package gan

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// StyleGAN2Config is what a StyleGAN2's size depends on.
type StyleGAN2Config struct {
	Latent  int   // values of z and of w
	Mapping int   // layers from one to the other
	Widths  []int // channels of the maps of 4 pixels, 8 and so on
}

// Side is that of the images, pixels.
func (c StyleGAN2Config) Side() int { return 4 << (len(c.Widths) - 1) }

// Styles is how many layers take a w of their own.
func (c StyleGAN2Config) Styles() int { return 2 * len(c.Widths) }

// imageChannels is those of images.
const imageChannels = 3

// StyleGAN2 is the generator: a perceptron makes w of z, and each layer from the constant map of
// 4×4 pixels on is modulated by w. The images of all sizes add up to the last.
type StyleGAN2 struct {
	Norm    ops.RMSNorm    `w:"norm"`
	Mapping []ops.Linear   `w:"style"`
	Input   *ops.Parameter `w:"input"` // [1, C, 4, 4]
	Convs   []Styled       `w:"convs"`
	Images  []ToRGB        `w:"to_rgbs"`

	config StyleGAN2Config
	b      *ops.Builder
	start  *ops.Table // the input, channels last
}

// Styled is a convolution whose filters are multiplied by a style for each input channel, and
// then brought to unit length for each output channel: here its input is, and its output. An
// upsampling one doubles the map and blurs it, in one transposed convolution.
type Styled struct {
	Modulation ops.Linear           `w:"modulation"`
	Conv       *ops.Conv2d          `w:"conv"`
	Up         *ops.ConvTranspose2d `w:"up"`
	Sums       ops.Linear           `w:"sums"` // of the squares of a filter, by the squares of styles
	End        ops.Demodulation     `w:"end"`
}

// ToRGB adds an image to that of half its size, which is doubled and blurred.
type ToRGB struct {
	Modulation ops.Linear           `w:"modulation"`
	Conv       ops.Conv2d           `w:"conv"`
	Up         *ops.ConvTranspose2d `w:"up"` // of the smaller image
}

// The kernel of a doubling is the filter's and the blur's in one, of which the map's sides
// double exactly.
const (
	filterSide  = 3
	blurSide    = 4
	doublingPad = 2
)

func newStyleGAN2(b *ops.Builder, c StyleGAN2Config) *StyleGAN2 {
	m := &StyleGAN2{config: c, b: b, Norm: b.RMSNorm(c.Latent, 1e-8), Input: &ops.Parameter{Shape: []int{1, c.Widths[0], 4, 4}}}
	for range c.Mapping {
		m.Mapping = append(m.Mapping, b.Linear(c.Latent, c.Latent, true))
	}
	in := c.Widths[0]
	for i, out := range c.Widths {
		size := ops.Square(4 << i)
		if i > 0 {
			m.Convs = append(m.Convs, c.styled(b, in, out, size, true))
		}
		m.Convs = append(m.Convs, c.styled(b, out, out, size, false))
		image := ToRGB{Modulation: b.Linear(c.Latent, out, true), Conv: b.Conv2d(ops.Conv{In: out, Out: imageChannels, Kernel: ops.Square(1), Bias: true})}
		if i > 0 {
			up := b.ConvTranspose2d(ops.ConvTranspose{In: imageChannels, Out: imageChannels, Kernel: ops.Square(blurSide), Stride: ops.Square(2), Pad: ops.Square(1)})
			image.Up = &up
		}
		m.Images = append(m.Images, image)
		in = out
	}
	m.start = b.Table("input", 16, c.Widths[0])
	b.Later(m.uploadInput)
	return m
}

func (c StyleGAN2Config) styled(b *ops.Builder, in, out int, size [2]int, doubles bool) Styled {
	s := Styled{Modulation: b.Linear(c.Latent, in, true), Sums: b.Linear(in, out, true), End: b.Demodulation(size, out)}
	if doubles {
		up := b.ConvTranspose2d(ops.ConvTranspose{In: in, Out: out, Kernel: ops.Square(filterSide + blurSide - 1), Stride: ops.Square(2), Pad: ops.Square(doublingPad)})
		s.Up = &up
		return s
	}
	conv := b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(filterSide), Pad: ops.Pad(1)})
	s.Conv = &conv
	return s
}

// uploadInput brings the constant map to the device, channels last.
func (m *StyleGAN2) uploadInput() error {
	channels := m.config.Widths[0]
	values := make([]float32, len(m.Input.Values))
	for i := range values {
		values[i] = m.Input.Values[i%channels*16+i/channels]
	}
	return m.start.Upload(values)
}

// Map records w of z: [N, 1, 1, Latent] of a dense [N, Latent].
func (m *StyleGAN2) Map(r *gpu.Recorder, z *gpu.Tensor) *gpu.Tensor {
	x := ops.Rows(r, ops.Pack(r, z, 1), m.b.Span(z.Shape[0], 1, 0, 1, 1))
	x = m.Norm.Forward(r, x)
	for i := range m.Mapping {
		x = m.Mapping[i].Forward(r, x, ops.Then(ops.LeakyReLU(0.2)))
	}
	return x
}

// Forward records images [N, H, W, 3] of w, which gives that of each layer, [N, 1, 1, Latent].
func (m *StyleGAN2) Forward(r *gpu.Recorder, n int, w func(layer int) *gpu.Tensor) *gpu.Tensor {
	x := ops.Rows(r, m.start.Repeat(r, n), m.b.Span(n, 16, 0, 4, 4))
	var image *gpu.Tensor
	for i := range m.Convs {
		r.Enter(fmt.Sprintf("convs.%d", i))
		x = m.Convs[i].Forward(r, x, w(i))
		r.Leave()
		r.TapNCHW(fmt.Sprintf("convs.%d", i), x)
		if i%2 == 0 { // the last of its size
			r.Enter(fmt.Sprintf("to_rgbs.%d", i/2))
			image = m.Images[i/2].Forward(r, x, image, w(i+1))
			r.Leave()
			r.TapNCHW(fmt.Sprintf("to_rgbs.%d", i/2), image)
		}
	}
	return image
}

// Forward is the layer on x [N, H, W, C] with w [N, 1, 1, Latent].
func (s *Styled) Forward(r *gpu.Recorder, x, w *gpu.Tensor) *gpu.Tensor {
	style := s.Modulation.Forward(r, w)
	sums := s.Sums.Forward(r, ops.Scale(r, style, style), ops.Floats())
	x = ops.Scale(r, x, style)
	if s.Up != nil {
		return s.End.Forward(r, s.Up.Forward(r, x), sums)
	}
	return s.End.Forward(r, s.Conv.Forward(r, x), sums)
}

// Forward is the image of x [N, H, W, C] and of the smaller one, or nil.
func (t *ToRGB) Forward(r *gpu.Recorder, x, smaller, w *gpu.Tensor) *gpu.Tensor {
	if smaller != nil {
		smaller = t.Up.Forward(r, smaller)
	}
	return t.Conv.Forward(r, ops.Scale(r, x, t.Modulation.Forward(r, w)), ops.Residual(smaller))
}

// Layers makes the networks: of z, and of a w for each layer.
func (c StyleGAN2Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m := newStyleGAN2(b, c)
	layers := c.Styles()
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
		Inputs: []nn.Input{{Name: Z, Dims: nn.Dims("N", c.Latent)}},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			w := m.Map(r, in[Z])
			r.TapNCHW(W, w)
			if r.Satisfied() {
				return
			}
			r.OutputNCHW(Image, m.Forward(r, w.Shape[0], func(int) *gpu.Tensor { return w }))
		},
	}, {
		Name:   W,
		Inputs: []nn.Input{{Name: W, Dims: nn.Dims("N", layers, c.Latent)}},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			n, w := in[W].Shape[0], ops.Pack(r, in[W], 1)
			r.OutputNCHW(Image, m.Forward(r, n, func(layer int) *gpu.Tensor { return ops.Rows(r, w, b.Span(n, layers, layer, 1, 1)) }))
		},
	}}}, nil
}
