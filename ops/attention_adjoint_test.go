package ops

import (
	"testing"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// As on GPUs, where threads share a token: heads that fill their parts, that leave some of the
// last empty, and that are one part; causal, padded, and with a head of keys for several.
func TestAttentionAdjointInParts(t *testing.T) {
	d := gputest.Open(t, gpu.Options{Class: gpu.ClassNVIDIA, Debug: gpu.Debug{Poison: true}})
	for _, a := range []attentionCase{
		{batch: 2, tq: 7, heads: 3, size: 5}, {batch: 1, tq: 67, heads: 2, size: 64}, {batch: 2, tq: 35, heads: 2, size: 40}, {batch: 1, tq: 19, heads: 2, size: 72},
		{batch: 1, tq: 9, tk: 21, heads: 1, size: 131}, {batch: 2, tq: 37, heads: 2, size: 64, causal: true}, {batch: 3, tq: 19, heads: 2, size: 33, padded: true},
		{batch: 2, tq: 5, tk: 11, heads: 4, size: 24, keyHeads: 2}, {batch: 2, tq: 4, tk: 40, heads: 2, size: 32, causal: true, tail: true},
	} {
		for _, p := range precisions {
			t.Run(p.String()+" "+a.name(), func(t *testing.T) { verified(t, d, p, a.adjointCase()) })
		}
	}
}
