package nearest

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// memory is a table of random rows, of which some are alike.
type memory struct {
	width, count int
	rows         []byte
	fails        int // at which row reading fails, 0: never
}

func newMemory(count, width int) *memory {
	rng := rand.New(rand.NewPCG(1, uint64(count)))
	m := &memory{width: width, count: count, rows: make([]byte, 2*count*gpu.Pad8(width))}
	for i := range count {
		for k := range width {
			v := float32(rng.NormFloat64())
			if i%7 == 3 && i > 7 { // as the one seven before
				v = m.row(i - 7)[k]
			}
			binary.LittleEndian.PutUint16(m.rows[2*(i*gpu.Pad8(width)+k):], float16.Fromfloat32(v).Bits())
		}
	}
	return m
}

func (m *memory) Len() int   { return m.count }
func (m *memory) Width() int { return m.width }
func (m *memory) Read(dst []byte, lo, hi int) error {
	if m.fails > 0 && hi > m.fails {
		return errors.New("the disk is gone")
	}
	stride := 2 * gpu.Pad8(m.width)
	copy(dst, m.rows[lo*stride:hi*stride])
	return nil
}

func (m *memory) row(i int) []float32 {
	v := make([]float32, m.width)
	for k := range v {
		v[k] = float16.Frombits(binary.LittleEndian.Uint16(m.rows[2*(i*gpu.Pad8(m.width)+k):])).Float32()
	}
	return v
}

// nearest is what the CPU finds.
func (m *memory) nearest(q []float32, k int) []Row {
	all := make([]Row, m.count)
	for i := range all {
		var sum float64
		for j, v := range m.row(i) {
			sum += float64(v) * float64(q[j])
		}
		all[i] = Row{i, float32(sum)}
	}
	slices.SortStableFunc(all, func(a, b Row) int { return cmp.Compare(b.Product, a.Product) })
	return all[:min(k, m.count)]
}

// Whatever the size of the parts, the rows are those that the CPU finds.
func TestSearch(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	for _, c := range []struct{ rows, width, queries, k, part int }{
		{1, 1, 1, 1, 1}, {100, 13, 3, 5, 0}, {1000, 20, 1, 10, 300}, {1000, 20, 9, 10, 64}, {257, 8, 2, 256, 1}, {700, 512, 1, 10, 350}, {5, 33, 2, 10, 2},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			m := newMemory(c.rows, c.width)
			var queries [][]float32
			for i := range c.queries {
				q := m.row(i * 11 % c.rows)
				for k := range q {
					q[k] += float32(k%5) / 50
				}
				queries = append(queries, q)
			}
			found, err := Search(context.Background(), dev, m, queries, c.k, Options{Memory: int64(c.part * 2 * gpu.Pad8(c.width))})
			require.NoError(t, err)
			for i, q := range queries {
				want := m.nearest(q, c.k)
				require.Len(t, found[i], len(want))
				for j, r := range found[i] {
					assert.InDelta(t, want[j].Product, r.Product, 1e-4*float64(c.width))
					if j > 0 {
						last := found[i][j-1]
						assert.True(t, r.Product < last.Product || r.Product == last.Product && r.Index > last.Index, "order")
					}
					assert.InDelta(t, m.nearest(q, m.count)[j].Product, r.Product, 1e-4*float64(c.width))
				}
				assert.ElementsMatch(t, indices(want), indices(found[i]))
			}
		})
	}
}

func indices(rows []Row) (all []int) {
	for _, r := range rows {
		all = append(all, r.Index)
	}
	return all
}

func TestErrors(t *testing.T) {
	dev, m := gputest.Open(t, gpu.Options{}), newMemory(500, 16)
	q := [][]float32{m.row(0)}
	found, err := Search(t.Context(), dev, &memory{width: 16}, q, 3, Options{})
	require.NoError(t, err)
	assert.Empty(t, found[0])
	_, err = Search(t.Context(), dev, m, [][]float32{{1, 2}}, 3, Options{})
	require.ErrorContains(t, err, "query 0 has 2 values and the table's rows 16")
	_, err = Search(t.Context(), dev, m, q, Most+1, Options{})
	require.ErrorContains(t, err, "expected 1 to 256")
	m.fails = 300
	_, err = Search(t.Context(), dev, m, q, 3, Options{Memory: 100 * 32})
	require.ErrorContains(t, err, "the disk is gone")
	m.fails = 0
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Search(ctx, dev, m, q, 3, Options{Memory: 100 * 32})
	require.ErrorIs(t, err, context.Canceled)
}
