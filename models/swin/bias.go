package swin

import (
	"math"

	"saccade/ops"
)

// Bias is what attention adds to scores by the relative position of key and query: a
// learned table, in V2 a perceptron of their distance, which has V2's scales beside it.
type Bias struct {
	Values *ops.Parameter `w:"values"`  // V1: [(2·h − 1)·(2·w − 1), heads]
	Hidden *ops.Parameter `w:"fc1"`     // V2: [hidden, 2]
	Offset *ops.Parameter `w:"fc1bias"` // V2: [hidden]
	Out    *ops.Parameter `w:"fc2"`     // V2: [heads, hidden]
	Scale  *ops.Parameter `w:"scale"`   // V2: the logarithm of each head's, [heads, 1, 1]

	b          *ops.Builder
	heads      int
	head       int    // width of one
	pretrained [2]int // window that the distances are of; 0: the own
	made       *ops.Table
	queries    *ops.Table // gains of queries' heads, and of keys'
	keys       *ops.Table
}

// hiddenWidth of the perceptron.
const hiddenWidth = 512

func newBias(b *ops.Builder, c Config, s StageConfig) Bias {
	parameter := func(shape ...int) *ops.Parameter { return &ops.Parameter{Shape: shape} }
	bias := Bias{b: b, heads: s.Heads, head: s.Width / s.Heads, pretrained: s.Pretrained}
	if !c.V2 {
		bias.Values = parameter(distances(s.Window), s.Heads)
		return bias
	}
	bias.Hidden, bias.Offset, bias.Out = parameter(hiddenWidth, 2), parameter(hiddenWidth), parameter(s.Heads, hiddenWidth)
	bias.Scale = parameter(s.Heads, 1, 1)
	return bias
}

// distances is how many relative positions a window has.
func distances(window [2]int) int { return (2*window[0] - 1) * (2*window[1] - 1) }

// table is the bias [heads·T, T] within a window, made at the first use.
func (b *Bias) table(window [2]int) *ops.Table {
	if b.made == nil {
		tokens := window[0] * window[1]
		b.made = b.b.Table("bias", b.heads*tokens, tokens)
		b.b.Later(func() error { return b.made.Upload(b.values(window)) })
	}
	return b.made
}

// values are those of the table. The parameters must be loaded.
func (b *Bias) values(window [2]int) []float32 {
	of := b.byDistance(window)
	wh, ww := window[0], window[1]
	var values []float32
	for h := range b.heads {
		for i := range wh * ww {
			for j := range wh * ww {
				dy, dx := i/ww-j/ww+wh-1, i%ww-j%ww+ww-1
				values = append(values, of[(dy*(2*ww-1)+dx)*b.heads+h])
			}
		}
	}
	return values
}

// byDistance is the bias of each distance, [(2·h − 1)·(2·w − 1), heads].
func (b *Bias) byDistance(window [2]int) []float32 {
	if b.Values != nil {
		return b.Values.Values
	}
	full := b.pretrained
	if full[0] < 1 {
		full = window
	}
	values := make([]float32, 0, distances(window)*b.heads)
	for dy := 1 - window[0]; dy < window[0]; dy++ {
		for dx := 1 - window[1]; dx < window[1]; dx++ {
			y, x := logarithmic(dy, full[0]), logarithmic(dx, full[1])
			for h := range b.heads {
				sum := 0.0
				for k, offset := range b.Offset.Values {
					hidden := float64(b.Hidden.Values[2*k])*y + float64(b.Hidden.Values[2*k+1])*x + float64(offset)
					sum += float64(b.Out.Values[h*len(b.Offset.Values)+k]) * max(hidden, 0)
				}
				values = append(values, float32(16/(1+math.Exp(-sum))))
			}
		}
	}
	return values
}

// logarithmic is a distance within a window of so many tokens on the scale of the
// perceptron: −log₂ 9/3 to log₂ 9/3.
func logarithmic(d, window int) float64 {
	v := 8 * float64(d) / float64(max(window-1, 1))
	return math.Copysign(math.Log2(math.Abs(v)+1)/3, v)
}

// mostScale bounds a head's.
const mostScale = 100

// gains are what queries and keys of unit length are multiplied by, [heads, width] each.
func (b *Bias) gains() (q, k *ops.Table) {
	if b.queries != nil {
		return b.queries, b.keys
	}
	b.queries, b.keys = b.b.Table("query gains", b.heads, b.head), b.b.Table("key gains", b.heads, b.head)
	b.b.Later(func() error {
		var scales, ones []float32
		for _, s := range b.Scale.Values {
			for range b.head {
				scales, ones = append(scales, float32(min(math.Exp(float64(s)), mostScale))), append(ones, 1)
			}
		}
		if err := b.queries.Upload(scales); err != nil {
			return err
		}
		return b.keys.Upload(ones)
	})
	return b.queries, b.keys
}
