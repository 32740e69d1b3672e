package probe

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/optimize"

	"saccade/gpu"
)

// Features are vectors of Width values, row by row, each with a class of 0 to Classes.
type Features struct {
	Width   int
	Classes int
	Data    []float32
	Class   []int // of each row
}

// check refuses what no classifier can be made of.
func (f *Features) check() error {
	seen := make([]bool, f.Classes)
	if f.Width < 1 || len(f.Class) == 0 || len(f.Data) != f.Width*len(f.Class) {
		return fmt.Errorf("found %d values in %d rows of %d", len(f.Data), len(f.Class), f.Width)
	}
	for i, c := range f.Class {
		if c < 0 || c >= f.Classes {
			return fmt.Errorf("row %d is of class %d; there are %d classes", i, c, f.Classes)
		}
		seen[c] = true
	}
	if f.Classes < 2 {
		return fmt.Errorf("there is %d class; two at least can be told apart", f.Classes)
	}
	for c, ok := range seen {
		if !ok {
			return fmt.Errorf("class %d has no example", c)
		}
	}
	if !gpu.Finite(f.Data) {
		return errors.New("the features are not finite")
	}
	return nil
}

// Linear is a classifier: the logits of x are Weight·x + Bias.
type Linear struct {
	Weight []float32 // [classes, width]
	Bias   []float32 // [classes]
	Loss   float64   // mean cross-entropy of the examples
	Steps  int       // of the optimizer
}

// The largest entry of the gradient at which the search ends, and at which the optimum
// still counts as reached where rounding ended it for want of a step that is better; of
// a mean loss of natural logarithms.
const (
	sought  = 1e-11
	settled = 1e-7
)

// Logistic is the multinomial logistic regression of features: the optimum of
//
//	½‖W‖² + C·Σ −log softmax(Wx + b)[class]
//
// which is that of scikit-learn's LogisticRegression(C), found by L-BFGS in f64. As
// there, two classes have one vector of coefficients, which is half in either row of
// Weight, with opposite signs.
func Logistic(f Features, c float64) (*Linear, error) {
	if !(c > 0) || math.IsInf(c, 0) {
		return nil, fmt.Errorf("logistic regression: C is %g; expected more than 0", c)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("logistic regression: %w", err)
	}
	p := newLogistic(f, c)
	at := make([]float64, p.rows*(f.Width+1))
	result, err := optimize.Minimize(optimize.Problem{Func: p.loss, Grad: p.gradient}, at,
		&optimize.Settings{GradientThreshold: sought, Converger: &optimize.FunctionConverge{Absolute: 0, Iterations: 1 << 30}, MajorIterations: 20000},
		&optimize.LBFGS{Store: 20})
	if result == nil {
		return nil, fmt.Errorf("logistic regression: %w", err)
	}
	gradient := make([]float64, len(at))
	p.gradient(gradient, result.X)
	worst := 0.0
	for _, g := range gradient {
		worst = math.Max(worst, math.Abs(g))
	}
	if !(worst <= settled) {
		return nil, fmt.Errorf("logistic regression: the gradient is still %.2g after %d steps; a smaller C has an optimum that is nearer", worst, result.MajorIterations)
	}
	return p.linear(result.X, result.MajorIterations), nil
}

// logistic is the problem. Its parameters are rows of weights, then their biases; of two
// classes there is one row, for the second.
type logistic struct {
	Features
	c      float64
	rows   int
	x      blas64.General
	logits []float64 // [N, rows]

	seen  []float64 // parameters that value and slope are of
	value float64
	slope []float64
}

func newLogistic(f Features, c float64) *logistic {
	p := &logistic{Features: f, c: c, rows: f.Classes}
	if f.Classes == 2 {
		p.rows = 1
	}
	n := len(f.Class)
	p.x = blas64.General{Rows: n, Cols: f.Width, Stride: f.Width, Data: make([]float64, len(f.Data))}
	for i, v := range f.Data {
		p.x.Data[i] = float64(v)
	}
	p.logits = make([]float64, n*p.rows)
	p.slope = make([]float64, p.rows*(f.Width+1))
	return p
}

func (p *logistic) loss(at []float64) float64 {
	p.compute(at)
	return p.value
}

func (p *logistic) gradient(into, at []float64) {
	p.compute(at)
	copy(into, p.slope)
}

// compute is the mean loss with its penalty, divided by C·N, and its gradient.
func (p *logistic) compute(at []float64) {
	if same(p.seen, at) {
		return
	}
	p.seen = append(p.seen[:0], at...)
	n, weights := len(p.Class), p.rows*p.Width
	w := blas64.General{Rows: p.rows, Cols: p.Width, Stride: p.Width, Data: at[:weights]}
	for i := range n {
		copy(p.logits[i*p.rows:], at[weights:])
	}
	logits := blas64.General{Rows: n, Cols: p.rows, Stride: p.rows, Data: p.logits}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, p.x, w, 1, logits)
	total := 0.0
	for i, class := range p.Class {
		total += p.example(p.logits[i*p.rows:(i+1)*p.rows], class)
	}
	clear(p.slope)
	copy(p.slope, at[:weights])
	scale := 1 / float64(n)
	blas64.Gemm(blas.Trans, blas.NoTrans, scale, logits, p.x, scale/p.c, blas64.General{Rows: p.rows, Cols: p.Width, Stride: p.Width, Data: p.slope[:weights]})
	for i := range n {
		for r := range p.rows {
			p.slope[weights+r] += scale * p.logits[i*p.rows+r]
		}
	}
	square := 0.0
	for _, v := range at[:weights] {
		square += v * v
	}
	p.value = scale * (total + square/(2*p.c))
}

// example is the loss of one row of logits, which becomes its gradient.
func (p *logistic) example(z []float64, class int) float64 {
	if p.rows == 1 {
		// log(1 + exp(∓z)) without overflow.
		signed := z[0]
		if class == 1 {
			signed = -signed
		}
		loss := math.Max(signed, 0) + math.Log1p(math.Exp(-math.Abs(signed)))
		z[0] = 1/(1+math.Exp(-z[0])) - float64(class)
		return loss
	}
	return CrossEntropy(z, class)
}

// CrossEntropy is −log softmax(z)[class]; z becomes its gradient.
func CrossEntropy(z []float64, class int) float64 {
	highest, sum := math.Inf(-1), 0.0
	for _, v := range z {
		highest = math.Max(highest, v)
	}
	loss := highest - z[class]
	for i, v := range z {
		z[i] = math.Exp(v - highest)
		sum += z[i]
	}
	for i := range z {
		z[i] /= sum
	}
	z[class]--
	return loss + math.Log(sum)
}

// linear is the classifier of parameters.
func (p *logistic) linear(at []float64, steps int) *Linear {
	l := &Linear{Weight: make([]float32, p.Classes*p.Width), Bias: make([]float32, p.Classes), Steps: steps}
	weights := p.rows * p.Width
	if p.rows == 1 {
		for i, v := range at[:p.Width] {
			l.Weight[i], l.Weight[p.Width+i] = float32(-v/2), float32(v/2)
		}
		l.Bias[0], l.Bias[1] = float32(-at[weights]/2), float32(at[weights]/2)
	} else {
		for i, v := range at[:weights] {
			l.Weight[i] = float32(v)
		}
		for r := range p.rows {
			l.Bias[r] = float32(at[weights+r])
		}
	}
	p.compute(at)
	square := 0.0
	for _, v := range at[:weights] {
		square += v * v
	}
	l.Loss = p.value - square/(2*p.c*float64(len(p.Class)))
	return l
}

func same(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return true
}
