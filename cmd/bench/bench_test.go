package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// TestMain lets the test program be its own cold child, as the command is.
func TestMain(m *testing.M) {
	if request := os.Getenv(coldVariable); request != "" {
		os.Exit(coldChild(context.Background(), request, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(m.Run())
}

// call runs the command.
func call(extra []spec, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs, os.Getenv, extra)
	return code, out.String(), errs.String()
}

// Short names of architectures are those of the registry.
func TestShortNames(t *testing.T) {
	for short, full := range shortNames {
		assert.Contains(t, models.StandardNames(), full)
		assert.NotContains(t, models.StandardNames(), short)
		var o options
		require.NoError(t, o.flagSet().Parse([]string{"-models", "resnet18," + short}))
		assert.Equal(t, []string{"resnet18", full}, o.models)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "nothing to time"},
		{[]string{"-modles", "vit_b_16"}, "flag -modles is unknown; the nearest is -models"},
		{[]string{"-models", "vit_b_61"}, `model "vit_b_61" is unknown to bench; the nearest is "vit_b_16"`},
		{[]string{"-models", "whisper_tiny_30s", "-sweep", "batch"}, "-sweep does not go with whisper_tiny_30s"},
		{[]string{"-models", "whisper_tiny_31s"}, `the nearest is "whisper_tiny_30s"`},
		{[]string{"-models", "vit"}, `model "vit" is unknown to bench`},
		{[]string{"-op", "matmull"}, `the nearest is "matmul"`},
		{[]string{"-op", "matmul", "-shape", "5x5"}, "expected MxNxK"},
		{[]string{"-op", "matmul", "-shape", "5x5xq"}, `"q" is not a size`},
		{[]string{"-shape", "5x5x5", "-models", "vit_b_16"}, "-shape needs -op"},
		{[]string{"-op", "all", "-shape", "5x5x5"}, "-shape needs -op"},
		{[]string{"-op", "add", "-precision", "f61"}, "the nearest is f16"},
		{[]string{"-op", "add", "-r", "0"}, "-r \"0\": expected a whole number"},
		{[]string{"-op", "add", "-o", "xml"}, "expected one of table, md, csv, json, html"},
		{[]string{"-op", "add", "-backend", "vulcan"}, "the nearest is vulkan"},
		{[]string{"-op", "add", "extra"}, `unexpected argument "extra"`},
		{[]string{"-compare", "a.json"}, "takes two reports or more"},
		{[]string{"-compare", "a.json", "b.json", "-op", "add"}, "time nothing"},
		{[]string{"-read", "a.json", "-compare", "b.json", "c.json"}, "give one"},
		{[]string{"-leaderboard", "README.md"}, "-leaderboard takes reports"},
		{[]string{"-pipelines", "sd1_tiny/txt"}, `the nearest is "sd1_tiny/text"`},
	} {
		code, stdout, stderr := call(nil, c.args...)
		assert.Equal(t, cli.ExitUsage, code, c.args)
		assert.Empty(t, stdout, c.args)
		assert.Contains(t, stderr, c.want, c.args)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
	for _, flag := range []string{"-h", "--list"} {
		code, stdout, _ := call(nil, flag)
		assert.Equal(t, cli.ExitFine, code)
		assert.Contains(t, stdout, "-models")
	}
}

func TestNoAdapter(t *testing.T) {
	code, stdout, stderr := call(nil, "-op", "add", "-adapter", "no such adapter", "-o", "json")
	assert.Equal(t, cli.ExitNoAdapter, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "no such adapter")
}

// The JSON's names are a contract.
func TestJSON(t *testing.T) {
	code, stdout, stderr := call(nil, "-op", "activation", "-shape", "7x39", "-r", "2", "-o", "json")
	require.Equal(t, cli.ExitFine, code, stderr)
	assert.Empty(t, stderr)
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	assert.ElementsMatch(t, []string{"adapter", "software", "tuned_operations", "versions", "peak", "rows"}, keys(report))
	peak := report["peak"].(map[string]any)
	assert.ElementsMatch(t, []string{"gflops", "gbps"}, keys(peak))
	assert.Greater(t, peak["gflops"], 0.1)
	assert.Greater(t, peak["gbps"], 0.01)
	for _, key := range []string{"name", "backend", "type", "driver"} {
		assert.Contains(t, report["adapter"], key) // OpenGL tells no driver
	}
	rows := report["rows"].([]any)
	require.Len(t, rows, 1)
	row := rows[0].(map[string]any)
	assert.ElementsMatch(t, []string{"name", "kind", "precision", "batch", "shape", "ms_mean", "ms_sd", "ms_min", "cold_ms",
		"gflops", "peak_fraction", "gbps", "copy_fraction", "mem_mib", "weights_mib", "verified", "sampled", "nmse"}, keys(row))
	assert.Equal(t, "activation", row["name"])
	assert.Equal(t, "op", row["kind"])
	assert.Equal(t, "f16", row["precision"])
	assert.Equal(t, "7x39 gelu", row["shape"])
	assert.Equal(t, true, row["verified"])
	assert.Greater(t, row["ms_mean"], 0.0)
	assert.GreaterOrEqual(t, row["ms_mean"], row["ms_min"])
	assert.Greater(t, row["cold_ms"], row["ms_mean"], "a cold start compiles")
	assert.Less(t, row["nmse"], 1e-6)
	assert.Greater(t, row["gbps"], 0.0)
	assert.Greater(t, row["copy_fraction"], 0.0)
	assert.Equal(t, report["adapter"].(map[string]any)["type"] == "cpu", report["software"])
}

func keys(m map[string]any) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

func TestModel(t *testing.T) {
	code, stdout, stderr := call(nil, "-models", "vit_ti_16", "-r", "1", "-o", "csv", "-cold=false", "-batch", "2")
	require.Equal(t, cli.ExitFine, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	row := map[string]string{}
	for i, name := range rows[0] {
		row[name] = rows[1][i]
	}
	assert.Equal(t, "vit_ti_16", row["name"])
	assert.Equal(t, "2x3x224x224", row["shape"])
	assert.Equal(t, "true", row["verified"])
	assert.Empty(t, row["cold_ms"])
	assert.NotEmpty(t, row["adapter"])
}

// doubling is y = 2x in one group, whose twin or kernel can be made wrong.
func doubling(twinFactor float64, kernelFactor string, flops float64) spec {
	c := ops.Case{Op: "doubling", Name: "64", Build: func(_ *ops.Builder, r *gpu.Recorder) (map[string]any, error) {
		k, err := gpu.ParseKernel("doubling", "", `
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < p.count) { y[id.x] = x[id.x] * `+kernelFactor+`; }
}`)
		if err != nil {
			return nil, err
		}
		x, y := r.Input("x", gpu.F32, 8, 8), r.NewTyped("y", gpu.F32, 1, 8, 8)
		in := make([]float32, 64)
		for i := range in {
			in[i] = float32(i)
		}
		r.Do(gpu.Op{Kind: "doubling", Label: "doubled", In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
			Twin: func(in [][]float32) [][]float64 {
				out := make([]float64, len(in[0]))
				for i, v := range in[0] {
					out[i] = float64(v) * twinFactor
				}
				return [][]float64{out}
			},
			Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": 64}, Bind: []gpu.View{gpu.All(x), gpu.All(y)}, FLOPs: flops}}})
		r.Output("y", y)
		return map[string]any{"x": in}, nil
	}}
	return spec{Kind: "op", Name: "doubling", Shape: "64", Precision: "f32", Batch: 1, build: &c}
}

// A row that computes something wrong is printed, marked, and ends in exit code 4.
func TestMismatch(t *testing.T) {
	for name, wrong := range map[string]spec{
		"twin":   doubling(2.001, "2.0", 64),
		"kernel": doubling(2, "2.001", 64),
		"nan":    doubling(2, "(0.0 / f32(p.count - 64u))", 64),
	} {
		t.Run(name, func(t *testing.T) {
			extra := []spec{doubling(2, "2.0", 64), wrong}
			code, stdout, stderr := call(extra, "-op", "add", "-shape", "3x5", "-r", "1", "-o", "json", "-cold=false")
			assert.Equal(t, cli.ExitMismatch, code)
			assert.Contains(t, stderr, "doubled (doubling, kernel doubling)")
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			var report Report
			require.NoError(t, json.Unmarshal([]byte(stdout), &report))
			require.Len(t, report.Rows, 3)
			assert.True(t, report.Rows[0].Verified)
			assert.False(t, report.Rows[1].Verified)
			assert.True(t, report.Rows[2].Verified)
			for _, format := range []string{"table", "md", "html"} {
				var out bytes.Buffer
				require.NoError(t, report.write(&out, format))
				assert.Contains(t, out.String(), "NO: WRONG", format)
			}
		})
	}
}

func TestFasterThanThePeakFails(t *testing.T) {
	code, stdout, stderr := call([]spec{doubling(2, "2.0", 1e12)}, "-op", "add", "-shape", "3x5", "-r", "1", "-cold=false")
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stdout, "doubling", "the rows are printed")
	assert.Contains(t, stderr, "of the adapter's measured peak")
}

func TestFormats(t *testing.T) {
	nmse, cold := 4e-8, 1234.5
	report := newReport(gpu.Info{Name: "llvm<pipe>", Driver: "d", Backend: "vulkan", Type: "cpu"})
	report.Rows = []Row{{Name: "matmul", Kind: "op", Precision: "f16", Batch: 1, Shape: "512x768x768", MSMean: 12.5, GFLOPS: 50, GBPS: 25, PeakFraction: 0.5, Sampled: 3,
		ColdMS: &cold, Verified: true, NMSE: &nmse}, {Name: "vit_b_16", Kind: "model", Precision: "f16", Batch: 1, Shape: "1x3x224x224", MSMean: 900}}
	report.finish(Peak{GFLOPS: 100, GBPS: 12.5})
	for format, want := range map[string]string{
		"table": "matmul    op     f16            1  512x768x768",
		"md":    "| matmul   | op    | f16       |     1 | 512x768x768 |",
		"csv":   "matmul,op,f16,1,512x768x768,12.5,0,0,1234,50,0.5,25,2,0.0,true,4.0e-08,3,100,12.5,",
		"html":  "<td>512x768x768</td>",
	} {
		var out bytes.Buffer
		require.NoError(t, report.write(&out, format))
		assert.Contains(t, out.String(), want, format)
		assert.Contains(t, out.String(), "software adapter", format)
		if format == "html" {
			assert.NotContains(t, out.String(), "llvm<pipe>")
			assert.NotContains(t, out.String(), "src=", "the page needs nothing else")
			assert.Contains(t, out.String(), "<svg")
		}
	}
}

func TestCompare(t *testing.T) {
	write := func(name string, r *Report) string {
		path := filepath.Join(t.TempDir(), name)
		var out bytes.Buffer
		require.NoError(t, r.write(&out, "json"))
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		return path
	}
	report := func(ms ...float64) *Report {
		r := newReport(gpu.Info{Name: "llvmpipe", Type: "cpu"})
		for i, v := range ms {
			r.Rows = append(r.Rows, Row{Name: "matmul", Shape: fmt.Sprint(i), MSMean: v, PeakFraction: 1 / v, Verified: true})
		}
		return r
	}
	second := report(5, 4, 2)
	second.Rows[1].Verified = false
	second.Rows = second.Rows[1:]
	a, b := write("a.json", report(10, 2)), write("b.json", second)

	code, stdout, stderr := call(nil, "-compare", a, b, "-o", "md")
	require.Equal(t, cli.ExitFine, code, stderr)
	lines := strings.Split(stdout, "\n")
	find := func(shape string) string {
		for _, l := range lines {
			if cells := strings.Split(l, "|"); len(cells) > 4 && strings.TrimSpace(cells[4]) == shape {
				return l
			}
		}
		return ""
	}
	assert.Contains(t, find("0"), "not in b")
	assert.Contains(t, find("1"), "2.00")
	assert.Contains(t, find("1"), "b is WRONG")
	assert.Contains(t, find("2"), "not in a")
	for _, format := range []string{"table", "csv", "json", "html"} {
		code, stdout, stderr = call(nil, "-compare", a, b, "-o", format)
		assert.Equal(t, cli.ExitFine, code, stderr)
		assert.Contains(t, stdout, "matmul", format)
	}

	empty := filepath.Join(t.TempDir(), "empty.json")
	require.NoError(t, os.WriteFile(empty, []byte("{}"), 0o600))
	for path, want := range map[string]string{"/no/such.json": "no such file", empty: "no adapter or rows", "bench_test.go": "invalid character"} {
		code, stdout, stderr = call(nil, "-compare", a, path)
		assert.Equal(t, cli.ExitFailure, code)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
		assert.Contains(t, stderr, path)
	}
}

// A text's row has the time of its first token, and the tokens a second behind it.
func TestPace(t *testing.T) {
	var row Row
	(&pace{}).fill(&row)
	assert.Nil(t, row.ItemsPerS)
	(&pace{runs: 2, first: 3 * time.Second, others: 4 * time.Second, tokens: 40}).fill(&row)
	assert.EqualValues(t, 1500, *row.PrefillMS)
	assert.EqualValues(t, 10, *row.ItemsPerS)
	row.Name = "speech"
	g := (&Report{Rows: []Row{{}, row}}).paces()
	require.Len(t, g.rows, 1)
	assert.Equal(t, "10", g.rows[0][4])
}

func TestStatistics(t *testing.T) {
	mean, sd, low := statistics([]float64{1, 2, 3})
	assert.InDelta(t, 2, mean, 1e-12)
	assert.InDelta(t, 1, sd, 1e-12)
	assert.InDelta(t, 1, low, 1e-12)
	_, sd, _ = statistics([]float64{4})
	assert.Zero(t, sd)
	assert.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 1e-12)
	assert.InDelta(t, 3, median([]float64{4, 1, 3}), 1e-12)
}
