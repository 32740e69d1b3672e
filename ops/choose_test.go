package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// A row with what is not finite has no log-probability that is, however the token is
// chosen, and one of which nothing is possible says so. The rows beside them are right.
func TestChoiceTellsNaN(t *testing.T) {
	nan, inf, out := float32(math.NaN()), float32(math.Inf(1)), float32(Impossible)
	rows := []float32{
		1, 2, 1, 0,
		nan, 2, 1, 0,
		1, 2, inf, 0,
		out, out, -inf, out,
		1, -inf, out, out,
	}
	for _, class := range []gpu.Class{gpu.ClassCPU, gpu.ClassNVIDIA} {
		d := gputest.Open(t, gpu.Options{Class: class, Debug: gpu.Debug{Poison: true}})
		for _, s := range []Sampling{{}, {TopK: 1}, {TopK: 2, TopP: 0.9}, {TopP: 0.9}, {MinP: 0.1}} {
			r := d.Record(gpu.F32)
			x := Pack(r, r.Input("x", gpu.F32, 5, 4), 1)
			r.Output("greedy", Greedy(r, x))
			r.Output("drawn", Sample(r, x, r.Input("u", gpu.F32, 5), s))
			p, err := r.Finish()
			require.NoError(t, err)
			y, err := p.Run(t.Context(), map[string]any{"x": rows, "u": []float32{0.5, 0.5, 0.5, 0.5, 0.5}})
			require.NoError(t, err)
			p.Close()
			for how, y := range y {
				name := fmt.Sprintf("%s %+v as on %s: %v", how, s, class, y)
				assert.Equal(t, float32(1), y[0], name)
				assert.Less(t, y[1], float32(1e-6), name)
				assert.Greater(t, y[1], float32(-1), name)
				assert.True(t, y[3] != y[3], name)
				assert.True(t, y[5] != y[5], name)
				assert.Equal(t, []float32{0, out, 0, 0}, y[6:], name)
			}
		}
	}
}

// Numbers beyond their ends draw the first and the last token that is possible.
func TestDrawAtTheEnds(t *testing.T) {
	r := plainDevice.Open(t).Record(gpu.F32)
	x := Pack(r, r.Input("x", gpu.F32, 4, 4), 1)
	r.Output("y", Sample(r, x, r.Input("u", gpu.F32, 4), Sampling{}))
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	row := []float32{Impossible, 1, 2, Impossible}
	y, err := p.Run(t.Context(), map[string]any{"x": slices.Repeat(row, 4), "u": []float32{0, -1, 1, 2}})
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 1, 2, 2}, []float32{y["y"][0], y["y"][2], y["y"][4], y["y"][6]})
}

// The judges tell a wrong choice from one of two that are even.
func TestJudges(t *testing.T) {
	x := &gpu.Tensor{Shape: []int{1, 4}}
	scores := [][]float32{{0, float32(math.Log(2)), 0, Impossible}, {0.25}}
	greedy, drawn := chooseCall{x: x, mode: chooseBest}, chooseCall{x: x, mode: chooseDrawn}
	for _, c := range []struct {
		call chooseCall
		id   float32
		want string
	}{
		{greedy, 1, ""}, {greedy, 0, "chose id 0 of score 0, not 1"}, {greedy, 4, "chose id 4 of 4"},
		{drawn, 0, ""}, {drawn, 1, ""}, {drawn, 2, "drew id 2"}, {drawn, 3, "drew id 3"}, // probabilities ¼ ½ ¼ 0
	} {
		got, want, err := c.call.judge(scores, []float32{c.id, float32(math.Log(0.25))})
		if c.want != "" {
			assert.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err)
		assert.InDelta(t, math.Log(0.25)-1, got[0], 1e-6)
		p := map[float32]float64{0: 0.25, 1: 0.5}[c.id]
		assert.InDelta(t, math.Log(p)-1, want[0], 1e-6, "of id %g", c.id)
	}

	beams := beamsCall{x: &gpu.Tensor{Shape: []int{2, 2}}, n: 1, beams: 2, k: 2}
	sums := [][]float32{{-1, -2, -3, 0}, {0, -1}}
	_, _, err := beams.judge(sums, []float32{-1, 0, 0, -1, 1, 1})
	require.NoError(t, err) // of the two sums of −1 the first beam's comes first
	_, _, err = beams.judge(sums, []float32{-1, 1, 1, -1, 0, 0})
	require.ErrorContains(t, err, "choice 0 is id 1 of beam 1")

	penalize := penalizeCall{x: x, p: Penalties{Banned: &gpu.Tensor{Shape: []int{1, 1}}}}
	_, _, err = penalize.judge([][]float32{{1, 2, 3, 4}, {2}}, []float32{1, 2, 3, 4})
	require.ErrorContains(t, err, "id 2 of row 0 is 3")
}

// A penalty of 1 is none, and needs no list.
func TestNoPenalty(t *testing.T) {
	r := plainDevice.Open(t).Record(gpu.F32)
	Penalize(r, Pack(r, r.Input("x", gpu.F32, 1, 8), 1), Penalties{Repetition: 1})
	require.NoError(t, r.Err())
}
