package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/ops"
)

// A case whose twin says something else stands in the report with its numbers.
func TestReportCase(t *testing.T) {
	a := &app{dev: gputest.Open(t, gpu.Options{})}
	build := func(lies bool) ops.Case {
		return ops.Case{Op: "affine", Name: "of 3", Build: func(b *ops.Builder, r *gpu.Recorder) (map[string]any, error) {
			x := ops.Pack(r, r.Input("x", gpu.F32, 1, 3), 1)
			y := ops.Affine(r, x, 2, 1)
			if all := r.Ops(); lies {
				op := all[len(all)-1] // the same again, of which something else is said
				y = r.New("affine", 1, x.Shape...)
				op.Out, op.Twin = []*gpu.Tensor{y}, func([][]float32) [][]float64 { return [][]float64{{1, 2, 3}} }
				op.Dispatches = slices.Clone(op.Dispatches)
				op.Dispatches[0].Bind = []gpu.View{gpu.All(x), gpu.All(y)}
				r.Do(op)
			}
			r.Output("y", y)
			return map[string]any{"x": []float32{5, 6, 7}}, b.Upload()
		}}
	}
	var doc reportJSON
	require.NoError(t, a.reportCase(t.Context(), &doc, build(false), gpu.F32))
	assert.Empty(t, doc.Operations)
	require.NoError(t, a.reportCase(t.Context(), &doc, build(true), gpu.F32))
	require.Len(t, doc.Operations, 1)
	assert.Equal(t, "affine of 3", doc.Operations[0].Case)
	require.NotNil(t, doc.FirstWrong)
	assert.Equal(t, []any{float32(5), float32(6), float32(7)}, doc.FirstWrong.Inputs["x"])
	assert.Equal(t, []any{float32(11), float32(13), float32(15)}, doc.FirstWrong.Outputs["y"])
}

func TestBadReport(t *testing.T) {
	requireError(t, call(t, "-report", "x.json", "-model", "vit"), cli.ExitUsage, "-report goes alone")
	requireError(t, call(t, "-report", filepath.Join(t.TempDir(), "none", "x.json")), cli.ExitFailure, "no such file or directory")
}
