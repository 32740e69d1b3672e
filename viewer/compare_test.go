package viewer

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

func canvas(t *testing.T, d *gpu.Device) *gpu.Canvas {
	t.Helper()
	c, err := d.NewCanvas(Source)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, path string, m image.Image) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, m))
	require.NoError(t, f.Close())
}

// read reads a picture; nil if there is none.
func read(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	return m
}

// keep writes a picture for people to look at, into the folder SCREENSHOTS if it is set.
func keep(t *testing.T, m image.Image) {
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		write(t, filepath.Join(dir, strings.ReplaceAll(strings.ReplaceAll(t.Name(), "/", "_"), " ", "_")+".png"), m)
	}
}

// requireSame compares pictures. Where a pixel lies on the edge of two of a
// picture either may be taken: one in 500 pixels may differ.
func requireSame(t *testing.T, want, got *image.RGBA) {
	t.Helper()
	require.Equal(t, want.Rect.Size(), got.Rect.Size())
	differ, pixels := differing(want, got), want.Rect.Dx()*want.Rect.Dy()
	t.Logf("%d of %d pixels differ", differ, pixels)
	if differ*500 <= pixels {
		return
	}
	for name, m := range map[string]image.Image{"want": want, "got": got} {
		path := filepath.Join(os.TempDir(), "saccade_viewer", filepath.Base(t.Name())+"_"+name+".png")
		write(t, path, m)
		t.Log(path)
	}
	t.Fatalf("%d pixels differ", differ)
}

// differing counts the pixels that differ by more than two steps of 255, which
// may be rounding, all of them if the sizes do.
func differing(want, got *image.RGBA) (n int) {
	size := want.Rect.Size()
	if got.Rect.Size() != size {
		return size.X * size.Y
	}
	for y := range size.Y {
		for x := range size.X {
			a := want.RGBAAt(want.Rect.Min.X+x, want.Rect.Min.Y+y)
			b := got.RGBAAt(got.Rect.Min.X+x, got.Rect.Min.Y+y)
			apart := func(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
			if max(apart(a.R, b.R), apart(a.G, b.G), apart(a.B, b.B)) > 2 {
				n++
			}
		}
	}
	return n
}
