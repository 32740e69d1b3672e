package sam

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// SecondConfig is what SAM 2's image encoder depends on, and how one mask is chosen.
type SecondConfig struct {
	Image int // pixels a side
	Hiera HieraConfig
	FPN   FPNConfig
	// Stability has one mask be the best of the others where it is not stable: where of its
	// pixels above −Delta less than Stability are above Delta too. Nil: never.
	Stability *Stability
}

// Stability is when a mask is.
type Stability struct{ Delta, Least float64 }

func (c SecondConfig) image() int    { return c.Image }
func (c SecondConfig) channels() int { return c.Hiera.Channels }
func (c SecondConfig) out() int      { return c.FPN.Width }

// side is the third map's.
func (c SecondConfig) side() int {
	maps, err := c.Hiera.maps(ops.Square(c.Image))
	if err != nil {
		return 0
	}
	return maps[levels-1][0]
}

// check refuses what no encoder can be made of.
func (c SecondConfig) check() error {
	if err := c.Hiera.check(); err != nil {
		return err
	}
	if err := c.FPN.check(); err != nil {
		return err
	}
	if c.Image < 1 || c.Image > 1<<13 {
		return fmt.Errorf("image_size is %d; expected 1 to %d", c.Image, 1<<13)
	}
	maps, err := c.Hiera.maps(ops.Square(c.Image))
	if err != nil {
		return err
	}
	for i := range maps[1:] {
		if (i < levels-1 || slices.Contains(c.FPN.TopDown, i)) && (maps[i][0] != 2*maps[i+1][0] || maps[i][0] != maps[i][1]) {
			return fmt.Errorf("the maps of stages %d and %d are of %v and %v tokens by query_stride and num_query_pool_stages; expected squares, each twice as large as the next", i, i+1, maps[i], maps[i+1])
		}
	}
	return nil
}

// Second is SAM 2's image encoder.
type Second struct {
	Hiera Hiera `w:"hiera"`
	FPN   FPN   `w:"fpn"`
}

func newSecond(b *ops.Builder, c SecondConfig) *Second {
	return &Second{Hiera: newHiera(b, c.Hiera), FPN: newFPN(b, c.FPN)}
}

// forward gives the three maps that are decoded of images [N, C, H, W], the finest first.
func (s *Second) forward(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	return s.FPN.forward(r, s.Hiera.forward(r, pixels))
}

// single is which mask each row of prompts gets where one is asked for, of the logits of
// all masks [R, masks, h, w] and their scores [R, masks]: the first, or where that is not
// stable the one of the others with the best score.
func (c Config) single(masks, scores nn.Array) func(row int) int {
	return func(row int) int {
		s := c.Second.Stability
		if s == nil || masks.Data == nil || scores.Data == nil {
			return 0
		}
		all := scores.Shape[1]
		pixels := len(masks.Data) / len(scores.Data)
		above, within := 0, 0
		for _, v := range masks.Data[row*all*pixels:][:pixels] {
			if v > float32(s.Delta) {
				above++
			}
			if v > float32(-s.Delta) {
				within++
			}
		}
		if within == 0 || float32(above)/float32(within) >= float32(s.Least) {
			return 0
		}
		best := 1
		for i := 1; i < all; i++ {
			if scores.Data[row*all+i] > scores.Data[row*all+best] {
				best = i
			}
		}
		return best
	}
}
