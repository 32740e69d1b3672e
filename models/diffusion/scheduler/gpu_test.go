package scheduler

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/ops"
)

// Plans run on the GPU as one program, each update by one combination, give
// what they give in f64, for the same outputs of the model. The tolerance is
// that of the goldens and the roundings of a few steps in f32, 6e-8 each.
func TestGPU(t *testing.T) {
	const tolerance = 3e-6
	require.LessOrEqual(t, MostTerms, ops.MostCombined)
	dev, err := gpu.Open(gpu.Options{Backend: os.Getenv("WGPU_BACKEND")})
	require.NoError(t, err, "the tests need an adapter; on Debian: mesa-vulkan-drivers")
	defer dev.Close()
	g, worst, plans := readGoldens(t), 0.0, 0
	for i, c := range g.Cases {
		if c.Steps > 7 {
			continue
		}
		config, err := Parse([]byte(c.Config), "")
		require.NoError(t, err)
		p, err := config.Plan(c.Steps, c.Strength)
		require.NoError(t, err)
		got := runGPU(t, dev, p, c, g.Noise)
		d := distance(got, c.Latents[len(c.Latents)-1])
		require.Less(t, d, tolerance, "case %d: %s", i, c.Config)
		worst, plans = max(worst, d), plans+1
	}
	t.Logf("%d plans, worst %.1e of %.0e", plans, worst, tolerance)
}

// runGPU gives the latents after a plan. The model's outputs are uploaded, of
// the latents that the golden has before each step.
func runGPU(t *testing.T, dev *gpu.Device, p *Plan, c goldenCase, noise [][]float64) []float64 {
	r := dev.Record(gpu.F16)
	in, rows := map[string]any{}, 0
	for _, s := range p.Steps {
		rows += len(s.Updates)
	}
	factors := make([]float32, rows*ops.CombineFactors)
	f := r.Input("factors", gpu.F32, rows, ops.CombineFactors)
	upload := func(name string, v []float64) *gpu.Tensor {
		x := make([]float32, len(v))
		for i := range v {
			x[i] = float32(v[i])
		}
		in[name] = x
		return r.Input(name, gpu.F32, 1, len(x))
	}
	tensors, row, latents := make([]*gpu.Tensor, int(Kept)+p.Kept), 0, c.Begin
	tensors[Latents] = upload("latents", latents)
	for i, s := range p.Steps {
		x := make([]float64, len(latents))
		for k, v := range latents {
			x[k] = v * s.InputScale
		}
		tensors[Output] = upload(fmt.Sprint("output ", i), fakeModel(x, s.Timestep))
		if s.Noise {
			tensors[Noise] = upload(fmt.Sprint("noise ", i), noise[i])
		}
		for _, u := range s.Updates {
			operands := make([]ops.Operand, len(u.Terms))
			for k, term := range u.Terms {
				operands[k].X = tensors[term.Of]
				factors[row*ops.CombineFactors+k] = float32(term.Factor)
			}
			factors[row*ops.CombineFactors+ops.MostCombined] = float32(u.Clip)
			tensors[u.To] = ops.Combine(r, gpu.F32, 1, f, row, operands...)
			row++
		}
		latents = c.Latents[i]
	}
	in["factors"] = factors
	r.Output("latents", tensors[Latents])
	program, err := r.Finish()
	require.NoError(t, err)
	defer program.Close()
	out, err := program.Run(t.Context(), in)
	require.NoError(t, err)
	got := make([]float64, len(latents))
	for i := range got {
		got[i] = float64(out["latents"][i])
	}
	return got
}
