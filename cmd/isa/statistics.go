package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// figures are what the compiler says of a kernel.
type figures struct {
	VGPRs, SGPRs int
	Spills       int // registers of both kinds that went to memory
	Scratch      int // bytes of memory that an invocation has for spills and arrays
	LDS          int // bytes of workgroup memory
	Occupancy    int // subgroups that a SIMD holds at once
	Latency      int // cycles of a subgroup alone
	Throughput   int // cycles that a SIMD takes for 64 invocations where subgroups follow each other
	FMA          float64
}

// perFMA is the cycles of a SIMD per multiply-add of a subgroup, 0 without any.
func (f figures) perFMA() float64 {
	if f.FMA == 0 {
		return 0
	}
	return float64(f.Throughput) / f.FMA
}

// report is what the tool says of one chip.
type report struct {
	device, driver string
	kernels        []figures // in the order in which the tool was given them
}

// parseReport reads what scripts/isa/radv.c prints.
func parseReport(r io.Reader) (report, error) {
	var out report
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		f := strings.Split(s.Text(), "\t")
		switch {
		case f[0] == "device" && len(f) == 3:
			out.device, out.driver = f[1], f[2]
		case f[0] == "kernel" && len(f) == 2:
			k, err := parseKernel(s)
			if err != nil {
				return out, fmt.Errorf("%s: %w", f[1], err)
			}
			out.kernels = append(out.kernels, k)
		default:
			return out, fmt.Errorf("line %q is neither a device nor a kernel", s.Text())
		}
	}
	return out, s.Err()
}

// parseKernel reads the lines of a kernel up to its end.
func parseKernel(s *bufio.Scanner) (figures, error) {
	statistics, ir, inside := map[string]int{}, []string{}, false
	for s.Scan() {
		line := s.Text()
		switch {
		case line == "end":
			return newFigures(statistics, ir)
		case line == "ir":
			inside = true
		case inside:
			ir = append(ir, line)
		default:
			f := strings.Split(line, "\t")
			if len(f) != 3 || f[0] != "statistic" {
				return figures{}, fmt.Errorf("line %q is no statistic", line)
			}
			n, err := strconv.ParseUint(f[2], 10, 64)
			if err != nil {
				return figures{}, fmt.Errorf("statistic %q is no number: %w", f[1], err)
			}
			statistics[f[1]] = int(min(n, math.MaxInt)) // hashes are larger
		}
	}
	return figures{}, fmt.Errorf("the compiler ended before its figures did: %w", io.ErrUnexpectedEOF)
}

func newFigures(statistics map[string]int, ir []string) (f figures, err error) {
	get := func(name string) int {
		n, ok := statistics[name]
		if !ok {
			err = fmt.Errorf("the driver gives no statistic %q; this Mesa names it otherwise", name)
		}
		return n
	}
	f = figures{
		VGPRs: get("VGPRs"), SGPRs: get("SGPRs"), Spills: get("Spilled VGPRs") + get("Spilled SGPRs"),
		Scratch: get("Scratch size"), LDS: get("LDS size"), Occupancy: get("Subgroups per SIMD"),
		Latency: get("Latency"), Throughput: get("Inverse Throughput"), FMA: countFMA(ir),
	}
	return f, err
}

var (
	blockLine = regexp.MustCompile(`^BB(\d+)$`)
	predsLine = regexp.MustCompile(`linear preds: ((?:BB\d+, )*)`)
	// v_fma_f32, v_fmac_f32, v_fma_mix_f32, v_mad_mixlo_f16 and their like
	fmaLine = regexp.MustCompile(`\bv_(?:fma|mad|mac)[a-z]*(?:_mix(?:lo|hi)?)?_f(?:16|32)\b`)
)

// countFMA is the multiply-adds of an invocation, of the compiler's code before
// registers are given out, with each loop as often as the compiler supposes that
// it runs: an outer one 8 times, one in it 4 times, deeper ones twice.
func countFMA(ir []string) float64 {
	var perBlock []float64
	var loops [][2]int // first and last block
	for _, line := range ir {
		if m := blockLine.FindStringSubmatch(line); m != nil {
			perBlock = append(perBlock, 0)
			continue
		}
		at := len(perBlock) - 1
		if at < 0 {
			continue
		}
		if m := predsLine.FindStringSubmatch(line); m != nil {
			if last := latest(m[1]); last >= at {
				loops = append(loops, [2]int{at, last})
			}
		} else if fmaLine.MatchString(line) {
			perBlock[at]++
		}
	}
	total := 0.0
	for at, n := range perBlock {
		depth := 0
		for _, l := range loops {
			if l[0] <= at && at <= l[1] {
				depth++
			}
		}
		total += n * turns(depth)
	}
	return total
}

// latest is the highest number in "BB3, BB17, ", -1 without any.
func latest(blocks string) int {
	last := -1
	for _, name := range strings.Split(blocks, ", ") {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "BB")); err == nil {
			last = max(last, n)
		}
	}
	return last
}

// turns is how often the compiler supposes that code so deep in loops runs.
func turns(depth int) float64 {
	n := 1.0
	for d := range depth {
		n *= []float64{8, 4, 2}[min(d, 2)]
	}
	return n
}
