package ops

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"saccade/gpu"
)

// The transform follows the size of the map, and there is none where it saves
// too little or where the convolution is not of that kind.
func TestWinogradChoice(t *testing.T) {
	b := NewBuilder(plainDevice.Open(t), gpu.F16)
	for _, x := range []struct {
		size int
		conv Conv
		want int // T, 0 for none
	}{
		{56, Conv{In: 64, Out: 64}, 4}, {56, Conv{In: 64, Out: 64, Exact: true}, 2}, {7, Conv{In: 512, Out: 512}, 4}, {6, Conv{In: 64, Out: 64}, 2}, {4, Conv{In: 64, Out: 64}, 2}, {2, Conv{In: 64, Out: 64}, 2},
		{1, Conv{In: 64, Out: 64}, 0}, {56, Conv{In: 15, Out: 64}, 0}, {56, Conv{In: 64, Out: 15}, 0},
		{56, Conv{In: 64, Out: 64, Stride: Square(2)}, 0}, {56, Conv{In: 64, Out: 64, Dilation: Square(2)}, 0}, {56, Conv{In: 64, Out: 64, Groups: 2}, 0},
	} {
		x.conv.Kernel, x.conv.Pad = Square(3), Pad(1)
		c := b.Conv2d(x.conv)
		call := convCall{c: &c, convGeometry: convGeometry{n: 1, h: x.size, w: x.size, oh: x.size, ow: x.size}}
		w, ok := call.winograd(b.Dev.Traits())
		if !ok {
			w.t = 0
		}
		assert.Equal(t, x.want, w.t, "%v at %d", x.conv, x.size)
	}
}

// Rates count a convolution's arithmetic as it is defined; what the transforms
// do without is said beside it.
func TestWinogradCountsWhatItSaves(t *testing.T) {
	c := convCase{n: 1, h: 8, w: 8, conv: Conv{In: 16, Out: 16, Kernel: Square(3), Pad: Pad(1)}}
	x := build(t, plainDevice.Open(t), gpu.F16, c.newCase())
	defer x.close()
	defined, saved := x.program.FLOPs()
	assert.Equal(t, 2.*8*8*16*16*9, defined)
	assert.Equal(t, 2.*(8*8*9-4*36)*16*16, saved)
}
