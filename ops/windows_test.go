package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// mapDevices have bindings of 512 KiB, which hold all weights of largeMaps but not
// its maps: the adapter's own kernels, and those of GPUs.
var mapDevices = map[string]gputest.Shared{
	"own": gputest.Share(gpu.Options{MaxBinding: 512 << 10, Debug: gpu.Debug{Poison: true}}),
	"gpu": gputest.Share(gpu.Options{MaxBinding: 512 << 10, Class: gpu.ClassNVIDIA, Debug: gpu.Debug{Poison: true}}),
}

// largeMaps are operations on maps of which one exceeds 512 KiB, in halves too.
var largeMaps = []Case{
	convCase{n: 1, h: 105, w: 107, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Pad: Pad(1), Bias: true}, residual: true, act: SiLU}.newCase(),  // Winograd
	convCase{n: 1, h: 53, w: 55, conv: Conv{In: 19, Out: 21, Kernel: Square(3), Pad: Pad(1), Bias: true}, up: [2]int{105, 109}}.newCase(),         // of a upsampled map
	convCase{n: 1, h: 45, w: 43, conv: Conv{In: 9, Out: 33, Kernel: [2]int{5, 3}, Pad: Pad(2)}, up: [2]int{89, 85}, residual: true}.newCase(),     // the output alone is large
	convCase{n: 1, h: 101, w: 67, conv: Conv{In: 33, Out: 12, Kernel: Square(3), Stride: Square(2), Pad: Padding{Bottom: 1, Right: 1}}}.newCase(), // the input alone
	convCase{n: 1, h: 107, w: 105, conv: Conv{In: 19, Out: 20, Kernel: [2]int{5, 3}, Stride: [2]int{1, 2}, Dilation: [2]int{3, 2}, Pad: Padding{Top: 7, Left: 1, Bottom: 2}}}.newCase(),
	convCase{n: 2, h: 120, w: 64, conv: Conv{In: 24, Out: 40, Kernel: Square(3), Pad: Pad(1), Groups: 4, Bias: true}, act: ReLU}.newCase(),
	convCase{n: 1, h: 119, w: 97, conv: Conv{In: 19, Out: 19, Kernel: Square(5), Stride: [2]int{2, 1}, Pad: Pad(2), Groups: 19}, act: SiLU}.newCase(),
	convCase{n: 1, h: 107, w: 105, conv: Conv{In: 19, Out: 25, Kernel: Square(1), Bias: true}, residual: true}.newCase(),
	convCase{n: 1, h: 107, w: 105, conv: Conv{In: 3, Out: 17, Kernel: Square(3), Pad: Pad(1), Bias: true}, dense: true}.newCase(),
	convCase{n: 2, h: 161, w: 97, conv: Conv{In: 2, Out: 18, Kernel: Square(5), Stride: Square(2), Pad: Pad(2)}, dense: true}.newCase(),
	groupNormCase(1, SiLU, []int{3, 151, 125, 15}),
	groupNormCase(2, Identity, []int{4, 128, 64, 40}),
	shiftedNormCase(1, SiLU, []int{5, 101, 91, 25}),
	groupNormCase(1, SiLU, []int{1, 210, 150, 40}), // strips of more than stripPixels
	packPicturesCase(1, 3, 211, 167),
	packPicturesCase(2, 1, 256, 144),
	concatCase([]int{101 * 97, 12, 20}),
	concatCase([]int{101 * 97, 11, 14}),
	activationCase(SiLU, 1, []int{111 * 107, 21}),
}

// Maps larger than a binding are done window by window, by the kernels of every class.
func TestWindowsOfMaps(t *testing.T) {
	whole := plainDevice.Open(t)
	for name, shared := range mapDevices {
		small := shared.Open(t)
		for _, c := range largeMaps {
			for _, precision := range precisions {
				t.Run(fmt.Sprintf("%s %s %s", name, c, precision), func(t *testing.T) {
					all, parts := build(t, whole, precision, c), build(t, small, precision, c)
					defer all.close()
					defer parts.close()
					if name == "own" {
						require.Greater(t, parts.program.Dispatches(), all.program.Dispatches(), "nothing was cut up")
					}
					parts.verify(t)
				})
			}
		}
	}
}

// Windows of convolutions whose sizes are drawn at random: their input, their
// output or both exceed 64 KiB, or 512 KiB where Winograd's weights are larger.
func TestRandomWindows(t *testing.T) {
	t.Run("direct", func(t *testing.T) {
		d := smallDevice.Open(t)
		rapid.Check(t, func(t *rapid.T) {
			size := func(most int, name string) int { return rapid.IntRange(1, most).Draw(t, name) }
			c := Conv{In: size(8, "in"), Out: size(8, "out"), Kernel: [2]int{size(5, "kh"), size(3, "kw")}, Stride: [2]int{size(3, "sy"), size(2, "sx")},
				Dilation: [2]int{size(2, "dy"), 1}, Pad: Padding{Top: size(7, "top") - 1, Left: 1, Bottom: size(7, "bottom") - 1}}
			drawnWindows(t, d, convCase{n: 1, h: 20 + size(50, "h"), w: 20 + size(30, "w"), conv: c})
		})
	})
	t.Run("winograd", func(t *testing.T) {
		d := mapDevices["own"].Open(t)
		rapid.Check(t, func(t *rapid.T) {
			c := Conv{In: 17, Out: 16, Kernel: Square(3), Pad: Padding{Top: rapid.IntRange(0, 4).Draw(t, "top"), Left: 1, Bottom: rapid.IntRange(0, 4).Draw(t, "bottom"), Right: 1}}
			drawnWindows(t, d, convCase{n: 1, h: rapid.IntRange(60, 100).Draw(t, "h"), w: rapid.IntRange(60, 80).Draw(t, "w"), conv: c})
		})
	})
}

// drawnWindows verifies a convolution of f32, perhaps of half the map upsampled.
func drawnWindows(t *rapid.T, d *gpu.Device, c convCase) {
	c.residual = rapid.Bool().Draw(t, "residual")
	if c.conv.Kernel != Square(1) && rapid.Bool().Draw(t, "up") {
		c.up = [2]int{c.h, c.w}
		c.h, c.w = ceilDiv(c.h, 2), ceilDiv(c.w, 2)
	}
	verified(t, d, gpu.F32, c.newCase())
}

// A window is refused with what to do where none can be had.
func TestNoWindow(t *testing.T) {
	d := smallDevice.Open(t)
	b := NewBuilder(d, gpu.F32)
	defer b.Close()
	c := convCase{n: 1, h: 9, w: 800, conv: Conv{In: 8, Out: 9, Kernel: Square(3), Pad: Pad(1)}}
	_, err := c.newCase().Build(b, d.Record(gpu.F32))
	assert.ErrorContains(t, err, "3 rows of")
	assert.ErrorContains(t, err, "use a smaller picture")
}
