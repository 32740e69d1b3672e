package checkpoint

import (
	"fmt"

	"saccade/weights"
)

// Unshuffled is a convolution of so many channels in blocks of shrink×shrink pixels, which it takes
// as channels (torch's pixel_unshuffle), as one of the pixels themselves: a channel's weights for
// the pixels of a block lie side by side. Its stride is then shrink.
func Unshuffled(src weights.Source, name string, channels, shrink int) (*weights.Tensor, error) {
	t, ok := src.Tensor(name)
	if !ok || len(t.Shape) != 4 || t.Shape[1] != channels*shrink*shrink || t.Shape[2] != t.Shape[3] || t.Len() < 1 {
		var found []int
		if ok {
			found = t.Shape
		}
		return nil, fmt.Errorf("tensor %s has shape %v; expected [C %d K K]", name, found, channels*shrink*shrink)
	}
	from := make([]float32, t.Len())
	if err := t.Float32s(from); err != nil {
		return nil, err
	}
	k := t.Shape[2]
	side := k * shrink
	to := make([]float32, len(from))
	for i := range to {
		x, y, channel, out := i%side, i/side%side, i/(side*side)%channels, i/(side*side*channels)
		in := (channel*shrink+y%shrink)*shrink + x%shrink
		to[i] = from[((out*t.Shape[1]+in)*k+y/shrink)*k+x/shrink]
	}
	return weights.FromFloat32s(name, to, t.Shape[0], channels, side, side)
}
