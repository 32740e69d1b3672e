package golden

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

func TestOpCases(t *testing.T) {
	require.Contains(t, Ops(), "layernorm")
	for _, op := range Ops() {
		t.Run(op, func(t *testing.T) {
			cases, err := OpCases(op)
			require.NoError(t, err)
			require.NotEmpty(t, cases)
			names := map[string]bool{}
			for _, c := range cases {
				assert.False(t, names[c.Name], "%s is there twice", c.Name)
				names[c.Name] = true
				assert.NotEmpty(t, c.Inputs, c.Name)
				require.NotEmpty(t, c.Outputs, c.Name)
				for role, x := range c.Inputs {
					if c.Half {
						assert.True(t, exactHalves(x.Data), "%s: %s is not exact in halves", c.Name, role)
					}
				}
				for role, y := range c.Outputs {
					assert.True(t, Compare(role, y.Data, y.Data, Tolerance{}).OK(), c.Name)
				}
			}
		})
	}
	_, err := OpCases("layer_norm")
	assert.ErrorContains(t, err, "layernorm")
}

func exactHalves(values []float32) bool {
	for _, v := range values {
		if float16.Fromfloat32(v).Float32() != v {
			return false
		}
	}
	return true
}

// The formulas that generate_ops.py states, in plain loops: they show how cases
// are read, and that roles and layouts are as written there.
func TestFormulas(t *testing.T) {
	t.Run("linear", func(t *testing.T) {
		cases, err := OpCases("linear")
		require.NoError(t, err)
		for _, c := range cases {
			var p struct {
				M, K, N        int
				Bias, Residual bool
				Activation     string
				Scale          float64
			}
			require.NoError(t, c.Params(&p))
			if p.Activation != "" {
				continue
			}
			x, w, y := c.Inputs["x"], c.Inputs["weight"], make([]float32, p.M*p.N)
			for i := range y {
				m, n, sum := i/p.N, i%p.N, 0.0
				for k := range p.K {
					sum += float64(x.Data[m*p.K+k]) * float64(w.Data[n*p.K+k])
				}
				sum *= p.Scale
				if p.Bias {
					sum += float64(c.Inputs["bias"].Data[n])
				}
				if p.Residual {
					sum += float64(c.Inputs["residual"].Data[i])
				}
				y[i] = float32(sum)
			}
			Require(t, CheckOp(c, map[string][]float32{"y": y}, F32), "this test")
		}
	})
	t.Run("softmax", func(t *testing.T) {
		cases, err := OpCases("softmax")
		require.NoError(t, err)
		for _, c := range cases {
			require.NoError(t, c.Params(&struct{}{}))
			x := c.Inputs["x"]
			Require(t, CheckOp(c, map[string][]float32{"y": softmax(x.Data, x.Shape[1])}, F32), "this test")
		}
	})
}

func softmax(x []float32, columns int) []float32 {
	y := make([]float32, 0, len(x))
	for row := 0; row < len(x); row += columns {
		high, sum := math.Inf(-1), 0.0
		for _, v := range x[row:][:columns] {
			high = max(high, float64(v))
		}
		for _, v := range x[row:][:columns] {
			sum += math.Exp(float64(v) - high)
		}
		for _, v := range x[row:][:columns] {
			y = append(y, float32(math.Exp(float64(v)-high)/sum))
		}
	}
	return y
}

func TestParamsRefuseWhatIsOverlooked(t *testing.T) {
	cases, err := OpCases("layernorm")
	require.NoError(t, err)
	var p struct{ Eps float64 }
	require.NoError(t, cases[0].Params(&p))
	assert.Equal(t, 1e-12, p.Eps)
	assert.ErrorContains(t, cases[0].Params(&struct{ Epsilon float64 }{}), "layernorm/columns_5_eps_1e-12")
}

func ExampleCompare() {
	want := []float32{1, 2, 3, 4}
	fmt.Println(Compare("close", []float32{1, 2, 3, 4.00001}, want, F32))
	fmt.Println(Compare("far", []float32{1, 2, 3, 5}, want, F32))
	// Output:
	// ok close: NMSE 3.3e-12 of 1e-11, max-abs 2.5e-06 of 2e-05 (33.4 % of what is allowed)
	// FAIL far: NMSE 0.033 of 1e-11, max-abs 0.25 of 2e-05 (3.33e+11 % of what is allowed); furthest off is element 3 of 4: 5, wanted 4
}
