package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// printed is what the tool prints of a kernel with a loop in a loop.
const printed = `device	Null hardware (RADV NAVI21)	Mesa 22.3.6
kernel	0000.spv
statistic	Driver pipeline hash	18446744073709551615
statistic	SGPRs	128
statistic	VGPRs	112
statistic	Spilled SGPRs	1
statistic	Spilled VGPRs	2
statistic	Code size	4812
statistic	LDS size	9216
statistic	Scratch size	64
statistic	Subgroups per SIMD	8
statistic	Latency	34608
statistic	Inverse Throughput	432
ir
After Spilling:
ACO shader stage: compute_cs
BB0
/* logical preds: / linear preds: / kind: uniform, top-level, loop-preheader, */
	 v1: %4 = v_fma_f32 %1, %2, %3
BB1
/* logical preds: BB0, BB4, / linear preds: BB0, BB4, / kind: loop-header, */
	 v1: %5 = v_fmac_f32 %1, %2, %4
	 v1: %6 = v_mul_f32 %1, %2
BB2
/* logical preds: BB1, BB2, / linear preds: BB1, BB2, / kind: loop-header, continue, */
	 v1: %7 = v_fma_mix_f32 %1, %2, %5
	 v1: %8 = v_mad_f32 %1, %2, %5
	 v1: %9 = v_mad_u32_u24 %1, %2, %5
BB3
/* logical preds: BB2, / linear preds: BB2, / kind: uniform, */
BB4
/* logical preds: BB3, / linear preds: BB3, / kind: uniform, continue, */
	 v1: %10 = v_fma_f32 %1, %2, %3
BB5
/* logical preds: BB1, / linear preds: BB1, / kind: uniform, loop-exit, */
	s_endpgm
end
`

func TestParseReport(t *testing.T) {
	r, err := parseReport(strings.NewReader(printed))
	require.NoError(t, err)
	assert.Equal(t, "Null hardware (RADV NAVI21)", r.device)
	assert.Equal(t, "Mesa 22.3.6", r.driver)
	require.Len(t, r.kernels, 1)
	// Once before the loops; two in the outer loop, 8 times; two in the inner, 32 times.
	want := figures{VGPRs: 112, SGPRs: 128, Spills: 3, Scratch: 64, LDS: 9216, Occupancy: 8, Latency: 34608, Throughput: 432, FMA: 1 + 2*8 + 2*32}
	assert.Equal(t, want, r.kernels[0])
	assert.InDelta(t, 432./81, r.kernels[0].perFMA(), 1e-9)
	assert.Zero(t, figures{Throughput: 3}.perFMA())
}

func TestParseReportRefuses(t *testing.T) {
	_, err := parseReport(strings.NewReader(printed[:len(printed)-4]))
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "a compiler that crashed")
	for what, text := range map[string]string{
		"no statistic \"VGPRs\"": strings.Replace(printed, "statistic	VGPRs	112\n", "", 1),
		"is no number":           strings.Replace(printed, "112", "many", 1),
		"is no statistic":        strings.Replace(printed, "statistic	VGPRs", "VGPRs", 1),
		"neither a device":       "something\n" + printed,
	} {
		_, err := parseReport(strings.NewReader(text))
		assert.ErrorContains(t, err, what)
	}
}

// A loop that ends by several jumps back to its beginning is one loop.
func TestCountFMA(t *testing.T) {
	ir := strings.Split(`BB0
/* logical preds: BB1, BB2, / linear preds: BB1, BB2, / kind: loop-header, */
	 v1: %5 = v_fma_f32 %1, %2, %4
BB1
/* linear preds: BB0, */
	 v1: %5 = v_pk_fma_f16 %1, %2, %4
BB2
/* linear preds: BB0, */
	 v1: %5 = v_fma_mixlo_f16 %1, %2, %4`, "\n")
	assert.Equal(t, 16., countFMA(ir), "packed halves are not what the kernels use")
	assert.Zero(t, countFMA(nil))
	for depth, want := range []float64{1, 8, 32, 64, 128} {
		assert.Equal(t, want, turns(depth))
	}
}

// sample is a table of three rows.
func sample() table {
	rows := []row{
		{key: key{"matmul_shared", "64x64", "f16", "RDNA2"}, figures: figures{VGPRs: 112, Occupancy: 8, LDS: 9216, Throughput: 300, FMA: 100}, uses: 7, example: "resnet50 [1 2]→[1 3]"},
		{key: key{"keep", "", "both", "RDNA2"}, figures: figures{VGPRs: 8, Occupancy: 32, Throughput: 30, FMA: 1}},
		{key: key{"keep", "", "both", "Vega"}, figures: figures{VGPRs: 8, Occupancy: 10}},
	}
	slices.SortFunc(rows, func(a, b row) int { return compareKeys(a.key, b.key) })
	return table{compiler: "Mesa 22.3.6: RDNA2 as RADV NAVI21", rows: rows}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().print(&out))
	lines := strings.Split(out.String(), "\n")
	require.Len(t, lines, 5)
	assert.Equal(t, strings.Fields("keep - both Vega 8 0 0 0 0 10 0 0 - 0"), strings.Fields(lines[2]))
	assert.Equal(t, strings.Fields("matmul_shared 64x64 f16 RDNA2 112 0 0 0 9216 8 0 300 3.00 7 resnet50 [1 2]→[1 3]"), strings.Fields(lines[3]))
	assert.Contains(t, sample().summary(), "RDNA2: 2 kernels, 0 spill, least occupancy 8 (matmul_shared 64x64 f16 on RDNA2)\n")
}

func TestAcceptedTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accepted.tsv")
	a, err := loadAccepted(path)
	require.NoError(t, err, "none accepts all")
	assert.Empty(t, sample().problems(a))

	require.NoError(t, sample().save(path))
	a, err = loadAccepted(path)
	require.NoError(t, err)
	assert.Equal(t, sample().compiler, a.compiler)
	assert.Len(t, a.occupancy, 3)
	assert.Empty(t, sample().problems(a))

	worse := sample()
	worse.rows[1].Occupancy = 9                                                                                      // keep on Vega
	worse.rows[0].Occupancy = 33                                                                                     // better
	worse.rows = append(worse.rows, row{key: key{"new", "", "f16", "Vega"}, figures: figures{Occupancy: 1}})         // none accepted
	worse.rows = append(worse.rows, row{key: key{"bad", "8x8", "f32", "Vega"}, figures: figures{Spills: 4, LDS: 1}}) // new too
	assert.Equal(t, []string{
		"keep both on Vega: occupancy fell from 10 to 9 (VGPRs 8, workgroup memory 0 bytes)",
		"bad 8x8 f32 on Vega spills 4 registers",
	}, worse.problems(a))

	for what, text := range map[string]string{"line 1 has 2 columns": "a\tb\n", `line 1: occupancy "x"`: strings.Repeat("x\t", len(columns)-1) + "x\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := loadAccepted(path)
		assert.ErrorContains(t, err, what)
	}
}

// The table in the repository is one that isa wrote: sorted, without spills.
func TestAcceptedTableOfTheRepository(t *testing.T) {
	text, err := os.ReadFile("accepted.tsv")
	require.NoError(t, err)
	a, err := readAccepted(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Contains(t, a.compiler, "RDNA2 as ")
	var keys []key
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[2:] {
		f := strings.Split(line, "\t")
		assert.Equal(t, "0", f[slices.Index(columns, "spills")], line)
		keys = append(keys, key{f[0], strings.TrimSuffix(f[1], "-"), f[2], f[3]})
	}
	assert.Len(t, a.occupancy, len(keys), "no line twice")
	assert.True(t, slices.IsSortedFunc(keys, compareKeys))
}

func TestLetters(t *testing.T) {
	k := &gpu.Kernel{Bindings: []gpu.KernelBinding{{Length: 4096}, {}, {Write: true}}}
	assert.Equal(t, "uuss", letters(k))
}

// Without the tools it says how to get them.
func TestToolsAreMissing(t *testing.T) {
	_, err := tools(t.TempDir()).open("x.spv")
	assert.ErrorContains(t, err, "make isa builds it")
}
