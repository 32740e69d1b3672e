package pca

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// numpy.linalg.svd of four rows of three, centred.
func TestPrincipalComponentsByHand(t *testing.T) {
	p, err := Find([]float32{1, 2, 0, 3, 6, 1, 5, 11, -1, 7, 13, 2}, 4, 3, 2)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{4, 8, 0.5}, p.Mean, 1e-12)
	assert.InDeltaSlice(t, []float64{31.352684410232012, 1.635760809566371}, p.Variances, 1e-9)
	assert.InDeltaSlice(t, []float64{0.45839514500213147, 0.8859614466282615, 0.070329269346649}, p.Directions[0], 1e-9)
	assert.InDeltaSlice(t, []float64{0.20689090673529295, -0.18333365930372675, 0.961033257528871}, p.Directions[1], 1e-9)
	mean := p.Project([]float32{4, 8, 0.5})
	assert.InDeltaSlice(t, []float64{0, 0}, mean, 1e-12)
}

// The components of rows drawn at random are those of the whole decomposition.
func TestFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := rapid.IntRange(2, 60).Draw(t, "n"), rapid.IntRange(1, 40).Draw(t, "d")
		k := rapid.IntRange(1, min(3, n-1, d)).Draw(t, "k")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows, wide := make([]float32, n*d), make([]float64, n*d)
		for i := range rows {
			rows[i] = float32(rng.NormFloat64() * math.Pow(0.7, float64(i%d)))
			wide[i] = float64(rows[i])
		}
		p, err := Find(rows, n, d, k)
		require.NoError(t, err)
		var whole stat.PC
		require.True(t, whole.PrincipalComponents(mat.NewDense(n, d, wide), nil))
		variances := whole.VarsTo(nil)
		var vectors mat.Dense
		whole.VectorsTo(&vectors)
		for i, c := range p.Directions {
			assert.InEpsilon(t, variances[i], p.Variances[i], 1e-8)
			var along, length float64
			for j, x := range c {
				along += x * vectors.At(j, i)
				length += x * x
			}
			assert.InDelta(t, 1, length, 1e-9)
			apart := math.Inf(1) // of neighbouring variances: a vector turns freely where they are one
			for j, v := range variances {
				if j != i {
					apart = min(apart, math.Abs(v-variances[i])/variances[0])
				}
			}
			if apart > 1e-3 {
				assert.InDelta(t, 1, math.Abs(along), 1e-6)
			}
		}
	})
}

// Rows of which some, or all, are alike: fewer components than asked for have a
// variance, and the vectors are orthonormal all the same.
func TestPrincipalComponentsOfFew(t *testing.T) {
	for name, rows := range map[string][]float32{
		"alike":   {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3},
		"a line":  {1, 2, 3, 2, 4, 6, 3, 6, 9, 4, 8, 12},
		"a plane": {1, 0, 0, 0, 1, 0, -1, 0, 0, 0, -1, 0},
	} {
		p, err := Find(rows, 4, 3, 3)
		require.NoError(t, err, name)
		for i, a := range p.Directions {
			for j, b := range p.Directions {
				var product float64
				for c := range a {
					product += a[c] * b[c]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				assert.InDelta(t, want, product, 1e-9, name)
			}
		}
		assert.InDelta(t, 0, p.Variances[2], 1e-9, name)
	}
}

func TestPrincipalComponentsRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		rows    []float32
		n, d, k int
	}{
		"are not two or more rows: 1 of 2":          {[]float32{1, 2}, 1, 2, 1},
		"found 3 of 2 rows of 2, expected 1 to 2":   {[]float32{1, 2, 3, 4}, 2, 2, 3},
		"the 2 rows of 1 hold NaN or Inf":           {[]float32{1, float32(math.Inf(1))}, 2, 1, 1},
		"3 values are not two or more rows: 2 of 2": {[]float32{1, 2, 3}, 2, 2, 1},
	} {
		_, err := Find(c.rows, c.n, c.d, c.k)
		assert.ErrorContains(t, err, want)
	}
}

func BenchmarkFind(b *testing.B) {
	const n, d = 10000, 1024
	rows := make([]float32, n*d)
	rng := rand.New(rand.NewPCG(1, 0))
	for i := range rows {
		rows[i] = float32(rng.NormFloat64() * (1 + 5/float64(1+i%d)))
	}
	for b.Loop() {
		if _, err := Find(rows, n, d, 3); err != nil {
			b.Fatal(err)
		}
	}
}
