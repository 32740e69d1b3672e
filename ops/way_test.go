package ops

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// tunedCases are operations of several ways, with sizes that are odd.
func tunedCases() []Case {
	conv := func(n, size int, c Conv, up [2]int) Case {
		return convCase{n: n, h: size, w: size + 2, conv: c, act: ReLU, up: up}.newCase()
	}
	return []Case{
		linearCase{m: 1, n: 130, k: 520}.newCase(),
		linearCase{m: 7, n: 45, k: 264, act: GELU}.newCase(),
		linearCase{m: 70, n: 200, k: 264, act: GELU, residual: true}.newCase(),
		linearCase{m: 197, n: 192, k: 64}.newCase(),
		conv(1, 9, Conv{In: 17, Out: 33, Kernel: Square(3), Pad: Pad(1), Bias: true}, [2]int{}),
		conv(2, 9, Conv{In: 40, Out: 70, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Bias: true}, [2]int{}),
		conv(1, 12, Conv{In: 33, Out: 40, Kernel: Square(1), Bias: true}, [2]int{}),
		conv(1, 7, Conv{In: 24, Out: 24, Groups: 24, Kernel: Square(3), Pad: Pad(1), Bias: true}, [2]int{}),
		attentionCase{heads: 2, size: 16, tq: 21, tk: 21, batch: 2}.newCase(),
		attentionCase{heads: 1, size: 40, tq: 70, tk: 77, batch: 1}.newCase(),
		attentionCase{heads: 6, size: 20, tq: 2, tk: 600, batch: 2, keyHeads: 2, causal: true, tail: true}.newCase(),
		attentionCase{heads: 1, size: 264, tq: 1, tk: 300, batch: 2, padded: true}.newCase(),
	}
}

// Every way that a tuner would try is right on this adapter: those of software,
// those of GPUs, which are the same for all, and those of GPUs by FXC.
func TestEveryWay(t *testing.T) {
	for _, class := range []gpu.Class{gpu.ClassCPU, gpu.ClassNVIDIA, gpu.ClassFXC} {
		t.Run(string(class), func(t *testing.T) {
			var reports []gpu.Tuned
			d := gputest.Open(t, gpu.Options{Class: class, Debug: gpu.Debug{Poison: true}, Tuner: &gpu.Tuner{Report: func(_ gpu.Info, r gpu.Tuned) { reports = append(reports, r) }}})
			if info := d.Info(); info.Backend == "gl" && info.Software() && class != gpu.ClassCPU {
				t.Skip("llvmpipe's OpenGL takes minutes to compile the largest tiles of GPUs")
			}
			for _, p := range precisions {
				for _, c := range tunedCases() {
					before := len(reports)
					result(t, d, p, c)
					if class != gpu.ClassFXC { // by which some have
						require.Greater(t, len(reports), before, "%s has one way only", c)
					}
				}
			}
			tried := 0
			for _, r := range reports {
				for _, x := range r.Trials {
					if x.Err != nil && strings.Contains(x.Err.Error(), "windows of this adapter") {
						continue
					}
					assert.NoError(t, x.Err, "%s by %s", r.Key, x.Way)
					tried++
				}
			}
			t.Logf("%d ways of %d operations", tried, len(reports))
		})
	}
}

// always names one way for whatever has it.
type always string

func (a always) Way(gpu.Info, string) string { return string(a) }

// An operation takes the way that a choice names, if it has it, else the standard one.
func TestChoices(t *testing.T) {
	c := linearCase{m: 70, n: 200, k: 264}.newCase()
	for _, name := range []string{"matmul_shared 32x64", "matmul 8x1x4", "of another time"} {
		d := gputest.Open(t, gpu.Options{Choices: always(name)})
		x := build(t, d, gpu.F16, c)
		defer x.close()
		x.verify(t)
		chosen := d.Chosen()
		require.Len(t, chosen, 1)
		assert.Equal(t, "matmul 70x200x264 f16", chosen[0].Key)
		if name == "of another time" {
			assert.True(t, strings.HasPrefix(chosen[0].Way, "matmul "), chosen[0].Way)
			assert.NotEqual(t, name, chosen[0].Way)
		} else {
			assert.Equal(t, name, chosen[0].Way)
		}
	}
}
