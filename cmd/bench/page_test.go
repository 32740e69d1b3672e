package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
)

// example is a report with a row of every kind, one of them wrong.
func example() *Report {
	nmse, cold := 4e-8, 1234.5
	r := newReport(gpu.Info{Name: "llvm<pipe>", Driver: "Mesa", Backend: "vulkan", Type: "cpu"})
	r.Rows = []Row{
		{Name: "vit_ti_16", Kind: kindModel, Precision: "f16", Batch: 1, Shape: "1x3x224x224", MSMean: 60, MSSD: 2, MSMin: 58, ColdMS: &cold, GFLOPS: 42, GBPS: 3,
			PeakFraction: 0.5, MemMiB: 30, Verified: true, NMSE: &nmse, Layers: []Layer{
				{Label: "patches<0>", Op: "pack", Kernel: "pack", MS: 1, GBPS: 6},
				{Label: "blocks.0.attn.qkv", Op: "matmul", Kernel: "matmul", MS: 12, GFLOPS: 60, GBPS: 2},
				{Label: "blocks.0.attn", Op: "attention", Kernel: "attention", MS: 4, GFLOPS: 20, GBPS: 2}}},
		{Name: "matmul", Kind: kindOp, Precision: "f16", Batch: 1, Shape: "5x7x9", MSMean: 0.5, MSMin: 0.4, GFLOPS: 50, GBPS: 1, PeakFraction: 0.6},
		{Name: "pack", Kind: kindOp, Precision: "f16", Batch: 1, Shape: "5x7", MSMean: 0.5, MSMin: 0.4, GBPS: 1, Verified: true},
		{Name: "sd1_tiny/text", Kind: kindStep, Precision: "f16", Batch: 1, Shape: "16x16", MSMean: 20, MSMin: 19, GFLOPS: 1, GBPS: 1, Verified: true, Sampled: 2},
	}
	r.finish(Peak{GFLOPS: 84, GBPS: 9})
	return r
}

// The page is made of the report's JSON alone.
func TestPageFromJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	var direct, file bytes.Buffer
	require.NoError(t, example().write(&direct, "html"))
	require.NoError(t, example().write(&file, "json"))
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	code, page, stderr := call(nil, "-read", path, "-o", "html")
	require.Equal(t, cli.ExitFine, code, stderr)
	assert.Equal(t, direct.String(), page)

	assert.Equal(t, 4, strings.Count(page, "<svg"), "roofline, fractions, times, one time-line")
	assert.Equal(t, 4, strings.Count(page, "</svg>"))
	for _, want := range []string{"software adapter", "Roofline", "vit_ti_16", "NO: WRONG", "WRONG</text>", "yes, 2 sampled", "attention 23.5 %", "sd1_tiny/text step"} {
		assert.Contains(t, page, want)
	}
	for _, never := range []string{"llvm<pipe>", "patches<0>", "src=", "href=", "url(", "<?xml", "NaN", "Inf"} {
		assert.NotContains(t, page, never, "the page needs nothing else")
	}
}

// A page is written whatever the numbers are.
func TestPageOfOddNumbers(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"no rows": func(r *Report) { r.Rows = []Row{} },
		"zeros": func(r *Report) {
			r.Rows, r.Peak = []Row{{Name: "a", Kind: kindModel, Layers: make([]Layer, 2)}}, Peak{}
		},
		"fast": func(r *Report) { r.Rows[0].PeakFraction, r.Rows[0].GFLOPS = 3, 1e9 },
		"many": func(r *Report) {
			for range 300 {
				r.Rows = append(r.Rows, r.Rows[0])
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := example()
			change(r)
			var out bytes.Buffer
			require.NoError(t, r.write(&out, "html"))
			assert.Contains(t, out.String(), "</html>")
		})
	}
}

// kept writes a report to a folder.
func kept(t *testing.T, r *Report, folder string) string {
	path, err := r.keep(folder)
	require.NoError(t, err)
	return path
}

// make leaderboard replaces what is between the markers and nothing else.
func TestLeaderboard(t *testing.T) {
	folder := t.TempDir()
	readme := filepath.Join(folder, "README.md")
	require.NoError(t, os.WriteFile(readme, []byte("before\n"+leaderboardBegin+"\nold\n"+leaderboardEnd+"\nafter\n"), 0o600))
	software, discrete := example(), example()
	for _, r := range []*Report{software, discrete} {
		r.Rows = r.Rows[:1]
	}
	discrete.Adapter.Name, discrete.Adapter.Type, discrete.Software = "GeForce RTX 4090", "discrete", false
	discrete.Rows[0].MSMin = 0.75
	a, b := kept(t, software, folder), kept(t, discrete, folder)
	assert.Equal(t, "llvm-pipe-vulkan.json", filepath.Base(a))
	assert.Equal(t, "geforce-rtx-4090-vulkan.json", filepath.Base(b))
	for range 2 {
		code, stdout, stderr := call(nil, "-leaderboard", readme, a, b)
		require.Equal(t, cli.ExitFine, code, stderr)
		assert.Empty(t, stdout)
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(text), "before\n"+leaderboardBegin+"\n"))
		assert.True(t, strings.HasSuffix(string(text), leaderboardEnd+"\nafter\n"))
		assert.NotContains(t, string(text), "old")
		assert.Less(t, strings.Index(string(text), "GeForce"), strings.Index(string(text), "software adapter"), "software last")
		assert.Contains(t, string(text), "0.75 (50 %)")
	}

	require.NoError(t, os.WriteFile(readme, []byte("no markers\n"), 0o600))
	code, _, stderr := call(nil, "-leaderboard", readme, a)
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stderr, "found no line")
	wrong := example()
	wrong.Adapter.Name = "wrong"
	code, _, stderr = call(nil, "-leaderboard", readme, kept(t, wrong, folder))
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stderr, "matmul is not verified")
}

// Reports of several vendors stand side by side.
func TestCompareVendors(t *testing.T) {
	folder := t.TempDir()
	var paths []string
	for i, name := range []string{"one", "two", "three"} {
		r := example()
		r.Adapter.Name = name
		r.Rows[0].MSMean = float64(10 * (i + 1))
		paths = append(paths, kept(t, r, folder))
	}
	code, stdout, stderr := call(nil, append([]string{"-compare"}, paths...)...)
	require.Equal(t, cli.ExitFine, code, stderr)
	for _, want := range []string{"a: one", "c: three", "c (software) ms", "time c/a", "3.00", "b is WRONG"} {
		assert.Contains(t, stdout, want)
	}
}

func TestPipelines(t *testing.T) {
	code, stdout, stderr := call(nil, "-pipelines", "ddpm_tiny", "-r", "1", "-o", "md", "-cold=false")
	require.Equal(t, cli.ExitFine, code, stderr)
	assert.Contains(t, stdout, "| ddpm_tiny/sample | step ")
	assert.Contains(t, stdout, "| ddpm_tiny/sample | pipeline | f16 ")
	assert.NotContains(t, stdout, "WRONG")
}

// A report is kept where one can be.
func TestKeep(t *testing.T) {
	folder := t.TempDir()
	args := []string{"-op", "add", "-shape", "3x5", "-r", "1", "-cold=false", "-keep"}
	code, stdout, stderr := call(nil, append(args, folder)...)
	require.Equal(t, cli.ExitFine, code, stderr)
	assert.Contains(t, stdout, "add")
	path := strings.TrimSpace(strings.TrimPrefix(stderr, "kept as "))
	r, err := readReport(path)
	require.NoError(t, err)
	assert.Len(t, r.Rows, 1)

	code, stdout, stderr = call(nil, append(args, folder+"/none")...)
	assert.Equal(t, cli.ExitFailure, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "no such file")
}

// The table of docs/bench.md is that of the results.
func TestLeaderboardIsCurrent(t *testing.T) {
	paths, err := filepath.Glob("results/*.json")
	require.NoError(t, err)
	if len(paths) == 0 {
		return
	}
	want, err := os.ReadFile("../../docs/bench.md")
	require.NoError(t, err)
	reports, err := readReports(paths)
	require.NoError(t, err)
	got, err := replaceLeaderboard(want, leaderboard(reports))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run make leaderboard")
}

// Texts of points in one place are drawn below each other.
func TestTextsApart(t *testing.T) {
	p := newPlot("", "")
	same := make([]point, 9)
	for i := range same {
		same[i] = point{X: 1, Y: 1}
	}
	p.Add(apart{same, strings.Fields("a b c d e f g h i")})
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 2, 0, 2
	var canvas recorder.Canvas
	p.Draw(draw.NewCanvas(&canvas, 400, 400))
	var heights []vg.Length
	for _, a := range canvas.Actions {
		if s, ok := a.(*recorder.FillString); ok && len(s.String) == 1 && strings.Contains("abcdefghi", s.String) {
			heights = append(heights, s.Point.Y)
		}
	}
	require.Len(t, heights, 9)
	slices.Sort(heights)
	for i := range heights[1:] {
		assert.GreaterOrEqual(t, heights[i+1]-heights[i], vg.Length(9.9))
	}
}
