package pca

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Components are the first principal components of vectors.
type Components struct {
	Mean       []float64   // [D]
	Directions [][]float64 // K of [D]: orthonormal, the one of largest variance first
	Variances  []float64   // along each, of n vectors divided by n-1
}

// Find finds the first k principal components of the rows of n
// vectors of d values, such as the patches of several pictures. A component's
// sign is that which makes its largest entry positive. k is at most the lesser of
// n and d, and n at least 2.
func Find(rows []float32, n, d, k int) (*Components, error) {
	switch {
	case n < 2 || d < 1 || len(rows) != n*d:
		return nil, fmt.Errorf("principal components: %d values are not two or more rows: %d of %d", len(rows), n, d)
	case k < 1 || k > min(n, d):
		return nil, fmt.Errorf("principal components: found %d of %d rows of %d, expected 1 to %d", k, n, d, min(n, d))
	case slices.ContainsFunc(rows, func(v float32) bool { return v-v != 0 }):
		return nil, fmt.Errorf("principal components: the %d rows of %d hold NaN or Inf", n, d)
	}
	p := &Components{Mean: make([]float64, d)}
	x := mat.NewDense(n, d, nil)
	for i, v := range rows {
		p.Mean[i%d] += float64(v) / float64(n)
	}
	for i, v := range rows {
		x.Set(i/d, i%d, float64(v)-p.Mean[i%d])
	}
	basis, values := lanczos(x, k)
	for i, v := range values {
		fixSign(basis[i])
		p.Directions, p.Variances = append(p.Directions, basis[i]), append(p.Variances, max(0, v)/float64(n-1))
	}
	return p, nil
}

// Project gives the coordinates [K] of a vector [D] along the components.
func (p *Components) Project(v []float32) []float64 {
	out := make([]float64, len(p.Directions))
	for k, c := range p.Directions {
		for i, x := range v {
			out[k] += (float64(x) - p.Mean[i]) * c[i]
		}
	}
	return out
}

// fixSign makes the entry of largest magnitude positive, the first such one.
func fixSign(v []float64) {
	largest := 0.0
	for _, x := range v {
		if math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	if largest < 0 {
		for i := range v {
			v[i] = -v[i]
		}
	}
}

// lanczosCheck is the steps between two looks at what has converged.
const lanczosCheck = 10

// lanczos finds the k largest eigenvalues of xᵀ·x and their vectors by Lanczos'
// iteration with full reorthogonalisation (Golub and Van Loan, 10.3): a few dozen
// products with x, where forming xᵀ·x and decomposing it takes many seconds for
// x [10000, 1024]. Errors are below 1e-10 of the largest eigenvalue.
func lanczos(x *mat.Dense, k int) (vectors [][]float64, values []float64) {
	n, d := x.Dims()
	rng := rand.New(rand.NewPCG(1, 0))
	var basis []*mat.VecDense
	var diagonal, beside []float64 // of the tridiagonal matrix that x becomes
	q := orthogonal(rng, d, basis)
	for steps := 1; ; steps++ {
		basis = append(basis, q)
		xq, next := mat.NewVecDense(n, nil), mat.NewVecDense(d, nil)
		xq.MulVec(x, q)
		next.MulVec(x.T(), xq)
		diagonal = append(diagonal, mat.Dot(q, next))
		orthogonalise(next, basis)
		rest := mat.Norm(next, 2)
		if steps == d || steps%lanczosCheck == 0 && steps >= k {
			eigen, projected := tridiagonal(diagonal, beside)
			if steps == d || converged(eigen, projected, rest, k) {
				return ritz(basis, eigen, projected, k)
			}
		}
		if rest <= 1e-13*slices.Max(diagonal) { // the basis is closed: go on beside it
			q, rest = orthogonal(rng, d, basis), 0
		} else {
			next.ScaleVec(1/rest, next)
			q = next
		}
		beside = append(beside, rest)
	}
}

// orthogonal is a random unit vector that is orthogonal to a basis.
func orthogonal(rng *rand.Rand, d int, basis []*mat.VecDense) *mat.VecDense {
	v := mat.NewVecDense(d, nil)
	for i := range d {
		v.SetVec(i, rng.NormFloat64())
	}
	orthogonalise(v, basis)
	v.ScaleVec(1/mat.Norm(v, 2), v)
	return v
}

// orthogonalise takes out of v what lies along a basis, twice: once leaves what
// rounding put there.
func orthogonalise(v *mat.VecDense, basis []*mat.VecDense) {
	for range 2 {
		for _, b := range basis {
			v.AddScaledVec(v, -mat.Dot(v, b), b)
		}
	}
}

// tridiagonal is the eigenvalues, ascending, and the vectors of a symmetric
// tridiagonal matrix.
func tridiagonal(diagonal, beside []float64) (values []float64, vectors *mat.Dense) {
	t := mat.NewSymDense(len(diagonal), nil)
	for i, v := range diagonal {
		t.SetSym(i, i, v)
		if i > 0 {
			t.SetSym(i-1, i, beside[i-1])
		}
	}
	var e mat.EigenSym
	e.Factorize(t, true) // it converges for every finite matrix
	vectors = new(mat.Dense)
	e.VectorsTo(vectors)
	return e.Values(nil), vectors
}

// converged says that the residuals of the k largest are small: |rest·last entry|.
func converged(values []float64, vectors *mat.Dense, rest float64, k int) bool {
	m := len(values)
	for i := m - k; i < m; i++ {
		if math.Abs(rest*vectors.At(m-1, i)) > 1e-10*values[m-1] {
			return false
		}
	}
	return true
}

// ritz are the k largest with their vectors in the space of the basis.
func ritz(basis []*mat.VecDense, eigen []float64, projected *mat.Dense, k int) (vectors [][]float64, values []float64) {
	m := len(eigen)
	for i := m - 1; i >= m-k; i-- {
		v := mat.NewVecDense(basis[0].Len(), nil)
		for j, b := range basis {
			v.AddScaledVec(v, projected.At(j, i), b)
		}
		v.ScaleVec(1/mat.Norm(v, 2), v)
		vectors, values = append(vectors, v.RawVector().Data), append(values, eigen[i])
	}
	return vectors, values
}
