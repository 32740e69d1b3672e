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
	text, err := Shader()
	require.NoError(t, err)
	c, err := d.NewCanvas(text)
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

// keep writes a picture for people to look at, into the folder SCREENSHOTS if it is set.
func keep(t *testing.T, m image.Image) {
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		write(t, filepath.Join(dir, strings.ReplaceAll(strings.ReplaceAll(t.Name(), "/", "_"), " ", "_")+".png"), m)
	}
}

// requireSame compares pictures. Rounding may differ by a step or two of 255
// between drivers; where a pixel lies on the edge of two of a picture either may
// be taken: no more than one in 500 pixels may differ by more.
func requireSame(t *testing.T, want, got image.Image) {
	t.Helper()
	require.Equal(t, want.Bounds().Size(), got.Bounds().Size())
	differ, size := 0, want.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y).RGBA()
			r1, g1, b1, _ := got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y).RGBA()
			most := 0
			for _, d := range []int{int(r) - int(r1), int(g) - int(g1), int(b) - int(b1)} {
				most = max(most, d, -d)
			}
			if most > 2*257 {
				differ++
			}
		}
	}
	t.Logf("%d of %d pixels differ", differ, size.X*size.Y)
	if differ*500 > size.X*size.Y {
		dir := t.Name()
		for name, m := range map[string]image.Image{"want": want, "got": got} {
			path := filepath.Join(os.TempDir(), "saccade_viewer", filepath.Base(dir)+"_"+name+".png")
			write(t, path, m)
			t.Log(path)
		}
		t.Fatalf("%d pixels differ", differ)
	}
}
