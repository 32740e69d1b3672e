package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// The constants of PaDiM.
const (
	padimChannels = 100  // of all that the layers have, chosen at random
	padimEps      = 0.01 // added to the diagonal of a covariance
)

// gaussians are those of the patches at each place: the mean [P, Width], and the lower
// Cholesky factor of the covariance [P, Width·(Width+1)/2], row by row.
type gaussians struct {
	mean, factor []float32
}

// channelsOf are n of a width, or all if there are no more, in order.
func channelsOf(width, n int, seed uint64) []int {
	all := rand.New(rand.NewPCG(seed, 0)).Perm(width)[:min(n, width)]
	slices.Sort(all)
	return all
}

// pick has some channels alone.
func (p Patches) pick(channels []int) Patches {
	out := p
	out.Width, out.Data = len(channels), make([]float32, 0, p.Count()*len(channels))
	for i := range p.Count() {
		row := p.row(i)
		for _, c := range channels {
			out.Data = append(out.Data, row[c])
		}
	}
	return out
}

// fitGaussians takes the mean and the covariance, over n − 1, of pictures' patches at each
// place.
func fitGaussians(all []Patches) (gaussians, error) {
	d, n := all[0].Width, float64(len(all))
	var g gaussians
	cov, mean := mat.NewSymDense(d, nil), make([]float64, d)
	for i := range all[0].Count() {
		clear(mean)
		for _, p := range all {
			for c, v := range p.row(i) {
				mean[c] += float64(v) / n
			}
		}
		cov.Zero()
		off := mat.NewVecDense(d, nil)
		for _, p := range all {
			for c, v := range p.row(i) {
				off.SetVec(c, float64(v)-mean[c])
			}
			cov.SymRankOne(cov, 1/(n-1), off)
		}
		for c := range d {
			cov.SetSym(c, c, cov.At(c, c)+padimEps)
		}
		var chol mat.Cholesky
		if !chol.Factorize(cov) {
			return g, fmt.Errorf("the covariance of patch %d is not positive: the features are not finite", i)
		}
		var l mat.TriDense
		chol.LTo(&l)
		for r := range d {
			g.mean = append(g.mean, float32(mean[r]))
			for c := range r + 1 {
				g.factor = append(g.factor, float32(l.At(r, c)))
			}
		}
	}
	return g, nil
}

// distance is Mahalanobis' of a vector at place i.
func (g gaussians) distance(i int, x []float32) float64 {
	d := len(x)
	mean, l := g.mean[i*d:][:d], g.factor[i*d*(d+1)/2:]
	z, sum := make([]float64, d), 0.0
	for r := range d {
		row := l[r*(r+1)/2:]
		v := float64(x[r]) - float64(mean[r])
		for c := range r {
			v -= float64(row[c]) * z[c]
		}
		z[r] = v / float64(row[r])
		sum += z[r] * z[r]
	}
	return math.Sqrt(sum)
}
