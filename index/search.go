package index

import (
	"cmp"
	"database/sql"
	"fmt"
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

// Vectors reads the embeddings of files, or of all pictures if files is nil,
// sorted by path. What has no embedding is left out.
func (x *Index) Vectors(files []string) (*Vectors, error) {
	var wanted map[string]string // keys to the paths that were given
	if files != nil {
		wanted = map[string]string{}
		for _, f := range files {
			key, err := x.key(f)
			if err != nil {
				return nil, err
			}
			wanted[key] = f
		}
	}
	v := &Vectors{}
	err := x.rows("SELECT path, embedding FROM pictures WHERE error = '' ORDER BY path", func(rows *sql.Rows) (int, error) {
		var path string
		var value any
		if err := rows.Scan(&path, &value); err != nil {
			return 0, err
		}
		shown, ok := wanted[path]
		if wanted != nil && !ok {
			return 1 + len(path), nil
		}
		if wanted == nil {
			shown = x.shown(path)
		}
		data, err := decode(value)
		if err == nil && len(v.Data) > 0 && len(data) != len(v.Data[0]) {
			err = damage(fmt.Sprintf("it holds embeddings of %d and of %d values", len(v.Data[0]), len(data)))
		}
		if err != nil {
			return 0, err
		}
		v.Paths, v.Data = append(v.Paths, shown), append(v.Data, data)
		return 1 + len(path) + 4*len(data), nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
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
