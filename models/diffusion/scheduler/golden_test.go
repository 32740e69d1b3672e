package scheduler

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldens are what diffusers computed; see golden/generate_schedulers.py.
type goldens struct {
	Noise   [][]float64
	Picture []float64
	Cases   []goldenCase
}

type goldenCase struct {
	Config    string
	Steps     int
	Strength  float64
	Original  bool // see [Config.StrengthOfOriginal]
	Part      []float64
	InitSigma float64 `json:"init_sigma"`
	Timesteps []float64
	Begin     []float64
	Latents   [][]float64
	F32       []float64 `json:"latents_f32"` // after the last step
}

// plan plans a case.
func (c goldenCase) plan(config *Config) (*Plan, error) {
	config.StrengthOfOriginal = c.Original
	if c.Part != nil {
		return config.PlanPart(c.Steps, c.Part[0], c.Part[1])
	}
	return config.Plan(c.Steps, c.Strength)
}

func readGoldens(t *testing.T) goldens {
	t.Helper()
	f, err := os.Open("../../../golden/schedulers/cases.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return g
}

// fakeModel stands for a network, as in golden/generate_schedulers.py.
func fakeModel(x []float64, t float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = 0.4*x[i] + 0.2*x[len(x)-1-i] + 0.5*math.Sin(t/100+float64(i))
	}
	return out
}

// run executes a plan in f64 and gives the latents after each step.
func run(t *testing.T, p *Plan, latents []float64, noise [][]float64) [][]float64 {
	tensors := make([][]float64, int(Kept)+p.Kept)
	tensors[Latents] = latents
	var after [][]float64
	operands := p.Operands()
	for i, s := range p.Steps {
		require.Len(t, s.Updates, len(operands))
		for k, u := range s.Updates {
			require.Equal(t, p.Steps[0].Updates[k].To, u.To)
			require.LessOrEqual(t, len(operands[k]), MostTerms)
		}
		x := make([]float64, len(latents))
		for k, v := range tensors[Latents] {
			x[k] = v * s.InputScale
		}
		tensors[Output], tensors[Noise] = fakeModel(x, s.Timestep), nil
		if s.Noise {
			tensors[Noise] = noise[i]
		}
		for _, u := range s.Updates {
			require.NotContains(t, []Tensor{Output, Noise}, u.To)
			tensors[u.To] = combine(t, tensors, u)
		}
		after = append(after, tensors[Latents])
	}
	return after
}

func combine(t *testing.T, tensors [][]float64, u Update) []float64 {
	y := make([]float64, len(tensors[Latents]))
	for _, term := range u.Terms {
		require.NotNil(t, tensors[term.Of], "tensor %d is read before it was written", term.Of)
		for i, v := range tensors[term.Of] {
			y[i] += term.Factor * v
		}
	}
	if u.Clip != 0 {
		for i, v := range y {
			y[i] = min(max(v, -u.Clip), u.Clip)
		}
	}
	return y
}

// distance is the largest difference relative to the largest value.
func distance(got, want []float64) float64 {
	most, largest := 0.0, 0.0
	for i, w := range want {
		most, largest = max(most, math.Abs(got[i]-w)), max(largest, math.Abs(w))
		if math.IsNaN(got[i]) {
			return math.Inf(1)
		}
	}
	return most / largest
}

// Every scheduler, step by step. Both sides compute the steps in f64 from
// tables in f32. The tables differ by a unit in the last place of some sigmas,
// 6e-8, as PyTorch's square roots are not rounded correctly; where neighbours'
// logarithms are subtracted, as solvers of higher order do, that counts for more.
//
// What diffusers computes in f32 ends a little elsewhere; most (2e-5) from a
// sigma of 4096, of which zero terminal SNR has the latents.
func TestGoldens(t *testing.T) {
	const tolerance, toleranceF32 = 1e-6, 5e-5
	g, worst, worstF32 := readGoldens(t), 0.0, 0.0
	for i, c := range g.Cases {
		t.Run(fmt.Sprintf("%d %s %d steps", i, c.Config, c.Steps), func(t *testing.T) {
			config, err := Parse([]byte(c.Config), "")
			require.NoError(t, err)
			p, err := c.plan(config)
			require.NoError(t, err)
			require.InEpsilon(t, c.InitSigma, p.InitSigma, 1e-7)
			require.Len(t, p.Steps, len(c.Timesteps))
			near := 1e-6
			if strings.HasPrefix(p.Class, "KDPM2") { // the middles are of exponentials and logarithms in f32
				near = 1e-4
			}
			for i, want := range c.Timesteps {
				require.InDelta(t, want, p.Steps[i].Timestep, near*max(1, want), "timestep %d", i)
			}
			begin := make([]float64, len(c.Begin))
			for i := range begin {
				if begin[i] = p.InitSigma * g.Noise[0][i]; c.Strength < 1 {
					l := p.Steps[0].Level
					begin[i] = l.Image*g.Picture[i] + l.Noise*g.Noise[0][i]
				}
			}
			require.Less(t, distance(begin, c.Begin), tolerance, "the latents to begin with")
			after := run(t, p, c.Begin, g.Noise)
			for i, x := range after {
				d := distance(x, c.Latents[i])
				require.Less(t, d, tolerance, "latents after step %d:\n%v\n%v", i, x, c.Latents[i])
				worst = max(worst, d)
			}
			d := distance(after[len(after)-1], c.F32)
			require.Less(t, d, toleranceF32, "the last latents, which are of f32")
			worstF32 = max(worstF32, d)
		})
	}
	t.Logf("%d cases, worst %.1e of %.0e, in f32 %.1e of %.0e", len(g.Cases), worst, tolerance, worstF32, toleranceF32)
}
