package golden

import (
	"fmt"
	"math"
)

// Tolerance says how far a result may lie from its golden.
type Tolerance struct {
	NMSE   float64 // largest Σ(got-want)² / Σ want²
	MaxAbs float64 // largest |got-want| / largest |want|; 0: unlimited
	Why    string  // why it is looser than F32 or F16; "" for these
}

// Where every comparison starts from; see Tolerance.Why.
var (
	// F32: sums of some hundred float32 products in another order. PyTorch
	// against itself, eager against fused, is at 1e-13; seen: up to 2.5e-12 in
	// networks, 5.5e-12 in an operation made to lose digits.
	F32 = Tolerance{NMSE: 1e-11, MaxAbs: 2e-5}
	// F16: a rounding to 11 bits is 1e-7; some tens follow each other.
	F16 = Tolerance{NMSE: 1e-5, MaxAbs: 1e-2}
)

// Result is a comparison of one tensor.
type Result struct {
	Name   string // of the tensor
	Len    int    // elements of the golden
	NMSE   float64
	MaxAbs float64 // relative to the largest |want|
	Worst  int     // index of the element that is furthest off, or the first that is not finite
	Got    float32 // its value
	Want   float32
	Tol    Tolerance
	Err    error // why there was nothing to compare, such as another length
}

// Compare measures how far got is from want. An Inf or NaN in got fails, and so
// does anything but zeros where want is all zeros. Another length, nothing to
// compare and a golden that is not finite are told in Err.
func Compare(name string, got, want []float32, tol Tolerance) Result {
	r := Result{Name: name, Len: len(want), NMSE: math.Inf(1), MaxAbs: math.Inf(1), Tol: tol}
	switch {
	case len(got) != len(want):
		r.Err = fmt.Errorf("compare %s: got %d values, the golden has %d", name, len(got), len(want))
		return r
	case len(want) == 0:
		r.Err = fmt.Errorf("compare %s: the golden is empty", name)
		return r
	}
	var diff2, want2, largest, furthest float64
	for i, w := range want {
		g, w := float64(got[i]), float64(w)
		d := math.Abs(g - w)
		switch {
		case !finite(w):
			r.Err = fmt.Errorf("compare %s: element %d of the golden is %v", name, i, w)
			return r
		case !finite(g):
			r.Worst, r.Got, r.Want = i, got[i], want[i]
			return r
		}
		if i == 0 || d > furthest {
			furthest, r.Worst = d, i
		}
		diff2 += d * d
		want2 += w * w
		largest = max(largest, math.Abs(w))
	}
	r.Got, r.Want = got[r.Worst], want[r.Worst]
	r.NMSE, r.MaxAbs = ratio(diff2, want2), ratio(furthest, largest)
	return r
}

// ratio is a/b, 0 for 0/0.
func ratio(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return a / b
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// OK tells whether the result is within its tolerance.
func (r Result) OK() bool { return r.Err == nil && r.Used() <= 1 }

// Used is the fraction of the tolerance that was needed, of the two measures
// the larger: at most 1 for a result that is OK.
func (r Result) Used() float64 {
	used := ratio(r.NMSE, r.Tol.NMSE)
	if r.Tol.MaxAbs > 0 {
		used = max(used, ratio(r.MaxAbs, r.Tol.MaxAbs))
	}
	return used
}

// String is a line with the error, the allowed error and how much of it was
// used.
func (r Result) String() string {
	if r.Err != nil {
		return "FAIL " + r.Err.Error()
	}
	if !finite(float64(r.Got)) {
		return fmt.Sprintf("FAIL %s: element %d is %v, wanted %v", r.Name, r.Worst, r.Got, r.Want)
	}
	word := "ok"
	if !r.OK() {
		word = "FAIL"
	}
	line := fmt.Sprintf("%s %s: NMSE %.2g of %.0e", word, r.Name, r.NMSE, r.Tol.NMSE)
	if r.Tol.MaxAbs > 0 {
		line += fmt.Sprintf(", max-abs %.2g of %.0e", r.MaxAbs, r.Tol.MaxAbs)
	}
	line += fmt.Sprintf(" (%.3g %% of what is allowed)", 100*r.Used())
	if !r.OK() {
		line += fmt.Sprintf("; furthest off is element %d of %d: %v, wanted %v", r.Worst, r.Len, r.Got, r.Want)
	}
	if r.Tol.Why != "" {
		line += "; tolerance: " + r.Tol.Why
	}
	return line
}
