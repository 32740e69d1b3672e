package scheduler

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/ops"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// Plans run on the GPU, all steps by one recording of combinations, give
// what they give in f64, for the same outputs of the model. The tolerance is
// that of the goldens and the roundings of a few steps in f32, 6e-8 each. The third
// order of an SDE has factors of some tens, of either sign, where its steps are long.
func TestGPU(t *testing.T) {
	const tolerance, toleranceThirdSDE = 3e-6, 1e-5
	require.LessOrEqual(t, MostTerms, ops.MostCombined)
	dev := gputest.Open(t, gpu.Options{})
	g, worst, plans := readGoldens(t), 0.0, 0
	for i, c := range g.Cases {
		if c.Steps > 7 {
			continue
		}
		config, err := Parse([]byte(c.Config), "")
		require.NoError(t, err)
		p, err := c.plan(config)
		require.NoError(t, err)
		got := runGPU(t, dev, p, c, g.Noise)
		d := distance(got, c.Latents[len(c.Latents)-1])
		most := tolerance
		if config.AlgorithmType == "sde-dpmsolver++" && config.SolverOrder == 3 {
			most = toleranceThirdSDE
		}
		require.Less(t, d, most, "case %d: %s", i, c.Config)
		worst, plans = max(worst, d), plans+1
	}
	t.Logf("%d plans, worst %.1e of %.0e", plans, worst, tolerance)
}

// runGPU gives the latents after a plan. The model's outputs are uploaded, of
// the latents that the golden has before each step; so are all tensors, which a
// loop would leave on the GPU.
func runGPU(t *testing.T, dev *gpu.Device, p *Plan, c goldenCase, noise [][]float64) []float64 {
	operands, width := p.Operands(), len(c.Begin)
	r := dev.Record(gpu.F16)
	factors := r.Input("factors", gpu.F32, len(operands), ops.CombineFactors)
	in, tensors := map[string]any{}, make([]*gpu.Tensor, int(Kept)+p.Kept)
	for i := range tensors {
		tensors[i] = r.Input(fmt.Sprint(i), gpu.F32, 1, width)
		in[fmt.Sprint(i)] = slices.Repeat([]float32{float32(math.NaN())}, width) // until it is written
	}
	for k, u := range p.Steps[0].Updates {
		xs := make([]ops.Operand, len(operands[k]))
		for i, of := range operands[k] {
			xs[i].X = tensors[of]
		}
		tensors[u.To] = ops.Combine(r, gpu.F32, 1, factors, k, xs...)
	}
	for _, u := range p.Steps[0].Updates {
		r.Output(fmt.Sprint(int(u.To)), tensors[u.To])
	}
	program, err := r.Finish()
	require.NoError(t, err)
	defer program.Close()

	latents := c.Begin
	in[fmt.Sprint(int(Latents))] = narrow(latents)
	for i, s := range p.Steps {
		f := make([]float32, len(operands)*ops.CombineFactors)
		for k, u := range s.Updates {
			copy(f[k*ops.CombineFactors:], narrow(u.Factors(operands[k])))
			f[k*ops.CombineFactors+ops.MostCombined] = float32(u.Clip)
		}
		x := make([]float64, width)
		for k, v := range latents {
			x[k] = v * s.InputScale
		}
		in["factors"], in[fmt.Sprint(int(Output))], in[fmt.Sprint(int(Noise))] = f, narrow(fakeModel(x, s.Timestep)), narrow(noise[i])
		out, err := program.Run(t.Context(), in)
		require.NoError(t, err)
		for name, v := range out {
			in[name] = v
		}
		latents = c.Latents[i]
	}
	got := make([]float64, width)
	for i, v := range in[fmt.Sprint(int(Latents))].([]float32) {
		got[i] = float64(v)
	}
	return got
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}
