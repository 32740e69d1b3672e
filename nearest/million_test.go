package nearest

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// BenchmarkMillion looks for the ten nearest of a million rows of 512 halves, which are on the
// device, and tells what share that is of the bandwidth at which the device copies. They are
// those that the CPU finds.
//
//	go test ./nearest -run '^$' -bench Million
func BenchmarkMillion(b *testing.B) {
	const rows, width, k = 1_000_000, 512, 10
	dev := gputest.Open(b, gpu.Options{})
	m := many(rows, width)
	q := m.row(77)
	for i := range q {
		q[i] += float32(i%3) / 40
	}
	s, err := newSearch(dev, m, 1, k, Options{Memory: int64(len(m.rows))})
	require.NoError(b, err)
	defer s.close()
	if s.part < rows {
		b.Logf("%d rows at a time are all that a buffer holds", s.part)
	}
	found := make([][]Row, 1)
	require.NoError(b, s.run(b.Context(), [][]float32{q}, found))
	want := m.best(q, k)
	for i, r := range found[0] {
		require.Equal(b, want[i].Index, r.Index)
		require.InDelta(b, want[i].Product, r.Product, 1e-3)
	}
	copied := copies(b, dev)
	in := map[string]any{"queries": q}
	bytes := float64(2 * s.part * width)
	b.ResetTimer()
	began := time.Now()
	for range b.N {
		_, err := s.program.Run(b.Context(), in)
		require.NoError(b, err)
	}
	rate := bytes * float64(b.N) / time.Since(began).Seconds()
	b.ReportMetric(rate/1e9, "GB/s")
	b.ReportMetric(rate/copied, "of-copy")
}

// BenchmarkTenMillion looks for the ten nearest of ten million rows of 128 halves in a file of
// 2.6 GB, of which the device holds [DefaultMemory] at a time. They are those that the CPU
// finds.
//
//	go test ./nearest -run '^$' -bench TenMillion -benchtime 1x
func BenchmarkTenMillion(b *testing.B) {
	const rows, width, k = 10_000_000, 128, 10
	dev := gputest.Open(b, gpu.Options{})
	m := many(rows, width)
	q := m.row(9_999_998)
	for i := range q {
		q[i] += float32(i%5) / 30
	}
	want := m.best(q, k)
	path := filepath.Join(b.TempDir(), "rows")
	require.NoError(b, os.WriteFile(path, m.rows, 0o600))
	m.rows = nil
	runtime.GC()
	f, err := os.Open(path)
	require.NoError(b, err)
	defer f.Close() //nolint:errcheck // it was read alone
	for b.Loop() {
		found, err := Search(b.Context(), dev, onDisk{f, rows, width}, [][]float32{q}, k, Options{})
		require.NoError(b, err)
		for i, r := range found[0] {
			require.Equal(b, want[i].Index, r.Index)
			require.InDelta(b, want[i].Product, r.Product, 1e-3)
		}
	}
	b.ReportMetric(2*rows*width*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
}

// onDisk is a table in a file.
type onDisk struct {
	f           *os.File
	rows, width int
}

func (d onDisk) Len() int   { return d.rows }
func (d onDisk) Width() int { return d.width }
func (d onDisk) Read(dst []byte, lo, hi int) error {
	stride := 2 * gpu.Pad8(d.width)
	_, err := d.f.ReadAt(dst[:(hi-lo)*stride], int64(lo*stride))
	return err
}

// copies is the bandwidth of copying on the device: bytes read and written a second.
func copies(b *testing.B, dev *gpu.Device) float64 {
	const size = 128 << 20
	from, err := dev.State("from", gpu.F16, 1, size/2/512, 512)
	require.NoError(b, err)
	defer from.Release()
	to, err := dev.State("to", gpu.F16, 1, size/2/512, 512)
	require.NoError(b, err)
	defer to.Release()
	best := 0.0
	for range 5 {
		began := time.Now()
		for range 4 {
			require.NoError(b, dev.Copy(to, from))
		}
		dev.Wait()
		best = max(best, 4*2*size/time.Since(began).Seconds())
	}
	return best
}

// many is a table of random halves.
func many(count, width int) *memory {
	rng := rand.New(rand.NewPCG(2, 3))
	var values [1 << 12][8]byte
	for i := range values {
		for k := range 4 {
			binary.LittleEndian.PutUint16(values[i][2*k:], float16.Fromfloat32(float32(rng.NormFloat64()/20)).Bits())
		}
	}
	m := &memory{width: width, count: count, rows: make([]byte, 2*count*width)}
	for at := 0; at < len(m.rows); at += 8 {
		copy(m.rows[at:], values[rng.Uint32()>>20][:])
	}
	return m
}

// best is what the CPU finds, by all its cores.
func (m *memory) best(q []float32, k int) []Row {
	all := make([]Row, m.count)
	var workers sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for w := range n {
		workers.Go(func() {
			for i := w; i < m.count; i += n {
				var sum float64
				for j, v := range m.row(i) {
					sum += float64(v) * float64(q[j])
				}
				all[i] = Row{i, float32(sum)}
			}
		})
	}
	workers.Wait()
	slices.SortStableFunc(all, func(a, b Row) int { return cmp.Compare(b.Product, a.Product) })
	return all[:k]
}
