package figuretest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
)

// recorder is a test that notes its failure.
type recorder struct{ fatal string }

func (r *recorder) Helper()                        {}
func (r *recorder) Logf(string, ...any)            {}
func (r *recorder) Fatalf(format string, a ...any) { r.fatal = fmt.Sprintf(format, a...); panic(r) }
func require1(path string, m *picture.Image) string { // what Require fails with, "" if it does not
	r := &recorder{}
	func() {
		defer func() { _ = recover() }()
		Require(r, path, m, Drawn)
	}()
	return r.fatal
}

func TestRequire(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "want.png")
	m := picture.New(20, 10)
	require.NoError(t, picture.WritePNG(path, m))
	assert.Empty(t, require1(path, m))
	near := picture.New(20, 10)
	near.Pix[7] = 8
	assert.Empty(t, require1(path, near))
	near.Pix[7] = 9
	fatal := require1(path, near)
	require.Contains(t, fatal, "are in ")
	dir := fatal[strings.LastIndex(fatal, " ")+1:]
	for _, name := range []string{"got.png", "want.png", "diff.png"} {
		_, err := os.Stat(filepath.Join(dir, name))
		assert.NoError(t, err)
	}
	for i := range near.Pix {
		near.Pix[i] = 1
	}
	assert.Contains(t, require1(path, near), "differs")
	assert.Contains(t, require1(path, picture.New(10, 20)), "found 10×20, expected 20×10")
	missing := filepath.Join(t.TempDir(), "none.png")
	assert.Contains(t, require1(missing, m), "none.png")
	_, err := os.Stat(missing)
	assert.Error(t, err)
}
