package windows

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/ops"
)

// What is gathered into windows comes back; zeros stand where the map does not reach; and
// only tokens that were neighbours are of one region, but for timm's: its regions are of
// the filled map, in which what was rolled around does not stand at the edge.
func TestIndexes(t *testing.T) {
	for _, g := range []Partition{
		{H: 5, W: 7, Window: [2]int{3, 2}, Shift: [2]int{1, 1}}, {H: 5, W: 7, Window: [2]int{3, 2}, Shift: [2]int{1, 1}, RollFirst: true},
		{H: 2, W: 9, Window: [2]int{4, 4}, Shift: [2]int{3, 2}}, {H: 2, W: 9, Window: [2]int{4, 4}, Shift: [2]int{3, 2}, RollFirst: true},
		{H: 6, W: 4, Window: [2]int{3, 4}}, {H: 1, W: 1, Window: [2]int{7, 7}, Shift: [2]int{3, 3}},
	} {
		const n = 2
		into, back, regions := g.Indexes(n)
		tokens := g.Window[0] * g.Window[1]
		require.Zero(t, len(into)%(n*tokens))
		assert.Len(t, back, n*g.H*g.W)
		assert.Len(t, regions, len(into)/n)
		zeros := 0
		for at, from := range into {
			if from == ops.NoRow {
				zeros++
				continue
			}
			assert.Equal(t, uint32(at), back[from], "%+v", g)
		}
		assert.Equal(t, len(into)-len(back), zeros, "%+v: each token stands once", g)
		for window := range len(into) / n / tokens {
			if g.RollFirst {
				break
			}
			for i := range tokens {
				for j := range tokens {
					a, b := into[window*tokens+i], into[window*tokens+j]
					if a == ops.NoRow || b == ops.NoRow || regions[window*tokens+i] != regions[window*tokens+j] {
						continue
					}
					dy, dx := int(a)/g.W-int(b)/g.W, int(a)%g.W-int(b)%g.W
					assert.Equal(t, i/g.Window[1]-j/g.Window[1], dy, "%+v", g)
					assert.Equal(t, i%g.Window[1]-j%g.Window[1], dx, "%+v", g)
				}
			}
		}
	}
}

// The rolled map by hand: a row of five in windows of two, shifted by one.
func TestOrder(t *testing.T) {
	const none = ops.NoRow
	g := Partition{H: 1, W: 5, Window: [2]int{1, 2}, Shift: [2]int{0, 1}}
	into, _, regions := g.Indexes(1) // 0 1 2 3 4 - rolled by one
	assert.Equal(t, []uint32{1, 2, 3, 4, none, 0}, into)
	assert.Equal(t, []uint32{0, 0, 0, 0, 1, 2}, regions)
	g.RollFirst = true // 1 2 3 4 0 and then a zero
	into, _, regions = g.Indexes(1)
	assert.Equal(t, []uint32{1, 2, 3, 4, 0, none}, into)
	assert.Equal(t, []uint32{0, 0, 0, 0, 1, 2}, regions)
}
