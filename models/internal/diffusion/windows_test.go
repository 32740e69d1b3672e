package diffusion

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Every frame is made of windows whose shares are one.
func TestWindows(t *testing.T) {
	assert.Equal(t, []int{0, 4, 8}, Video{24, 16, 4}.Windows())
	assert.Equal(t, []int{0, 4, 8, 9}, Video{25, 16, 4}.Windows())
	assert.Equal(t, []int{0, 4}, Video{9, 5, 4}.Windows())
	for frames := 1; frames < 40; frames++ {
		for context := 1; context <= frames; context++ {
			for stride := 1; stride <= context; stride++ {
				v := Video{frames, context, stride}
				for f, parts := range v.parts() {
					sum := 0.0
					for _, p := range parts {
						first := v.Windows()[p.window]
						assert.True(t, f >= first && f < first+context)
						sum += p.share
					}
					assert.InDelta(t, 1, sum, 1e-12, "frame %d of %v", f, v)
				}
			}
		}
	}
	// 1 2 2 1 over frames 0 to 3 and 2 to 5, and the last frame by the last window alone.
	assert.Equal(t, [][]part{{{0, 1}}, {{0, 1}}, {{0, 2. / 3}, {1, 1. / 3}}, {{0, 1. / 3}, {1, 2. / 3}}, {{1, 1}}, {{1, 1}}, {{2, 1}}}, Video{7, 4, 2}.parts())
}
