package shard

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOpen opens damaged archives and Parquet files: none hangs, panics, or gives more than it
// has.
func FuzzOpen(f *testing.F) {
	t := &testing.T{}
	f.Add(archive(t, "a.jpg", "one", "b.png", "two"))
	f.Add(table(t, []imageRow{{Image: image{Bytes: []byte("x"), Path: "p"}, ID: 1}, {ID: 2}}, 1))
	f.Add(table(t, []rawRow{{[]byte("x"), "k"}, {[]byte("yy"), "l"}}, 2))
	f.Add([]byte("a.png\nb.png\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		s, err := Open(path, listed)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		defer s.Close()
		require.LessOrEqual(t, len(s.Items), len(data))
		for i := range min(len(s.Items), 100) {
			_, _ = s.Read(i) // an error, or bytes
		}
	})
}
