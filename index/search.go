package index

import (
	"cmp"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// Match is a picture with the cosine of its embedding and a query's.
type Match struct {
	Path   string
	Cosine float64
}

// Vectors are embeddings of unit length with their pictures.
type Vectors struct {
	Paths []string
	Data  [][]float32
}

// shown is a key as a path that the program sees.
func (x *Index) shown(key string) string {
	return filepath.Join(filepath.Dir(x.path), filepath.FromSlash(key))
}

// Top ranks the pictures by the cosine to a query of unit length, best first, of
// equals the first by path; n 0 means all.
func (v *Vectors) Top(query []float32, n int) []Match {
	all := make([]Match, len(v.Data))
	share := (len(all) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for lo := 0; lo < len(all); lo += share {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := lo; i < min(len(all), lo+share); i++ {
				all[i] = Match{v.Paths[i], cosine(v.Data[i], query)}
			}
		}()
	}
	wg.Wait()
	slices.SortStableFunc(all, func(a, b Match) int { return cmp.Compare(b.Cosine, a.Cosine) })
	if n > 0 && n < len(all) {
		all = all[:n]
	}
	return all
}

// cosine of two vectors of unit length, in four sums.
func cosine(a, b []float32) float64 {
	var s [4]float32
	n := min(len(a), len(b))
	for i := 0; i+4 <= n; i += 4 {
		for k := range s {
			s[k] += a[i+k] * b[i+k]
		}
	}
	for i := n / 4 * 4; i < n; i++ {
		s[0] += a[i] * b[i]
	}
	return float64(s[0]) + float64(s[1]) + float64(s[2]) + float64(s[3])
}
