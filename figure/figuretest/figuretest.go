// Package figuretest compares pictures with stored references in tests.
package figuretest

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"

	"saccade/picture"
)

// update writes references that are missing; it never replaces one, and the test
// that wants it fails.
var update = flag.Bool("update", false, "write the reference pictures that are missing")

// Tolerance is what a picture may differ from its reference by.
type Tolerance struct {
	Sample int     // the largest difference of a sample, of 255
	Mean   float64 // over all samples
	Why    string
}

// Drawn is for pictures of given values: sums in another order and fused
// multiply-adds move a rounded sample by one or two steps, coverage along the edge
// of a letter by a few more; a letter or a heat map that moves by one pixel changes
// hundreds of samples by 50 and more.
var Drawn = Tolerance{Sample: 8, Mean: 0.05, Why: "rounding"}

// Computed is for pictures of what a network computed in f32: adapters add in
// different orders. Seen between lavapipe, SwiftShader and OpenGL: 1 and 2e-5.
var Computed = Tolerance{Sample: 8, Mean: 0.01, Why: "orders of summation"}

// Test is the part of testing.TB that Require needs.
type Test interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require ends the test unless a picture is that at path. Then the picture, the
// reference and their difference are written to a new folder, which it names.
func Require(t Test, path string, got *picture.Image, tol Tolerance) {
	t.Helper()
	want, err := picture.Open(path, picture.DecodeOptions{})
	switch {
	case errors.Is(err, fs.ErrNotExist) && *update:
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), picture.WritePNG(path, got)); err != nil {
			t.Fatalf("%v", err)
		}
		t.Fatalf("%s was missing and is written; look at it", path)
	case err != nil:
		t.Fatalf("%v", err)
	}
	same := got.W == want.W && got.H == want.H
	if same {
		most, mean := Apart(got, want)
		t.Logf("%s: largest difference %d of %d, mean %.3g of %.3g (%s)", path, most, tol.Sample, mean, tol.Mean, tol.Why)
		if most <= tol.Sample && mean <= tol.Mean {
			return
		}
	}
	dir, err := os.MkdirTemp("", "saccade-figure-")
	if err == nil {
		err = errors.Join(picture.WritePNG(filepath.Join(dir, "got.png"), got), picture.WritePNG(filepath.Join(dir, "want.png"), want))
	}
	if err == nil && same {
		err = picture.WritePNG(filepath.Join(dir, "diff.png"), difference(got, want))
	}
	if err != nil {
		t.Fatalf("%s: the picture differs, and can't be written: %v", path, err)
	}
	t.Fatalf("the picture differs from %s: found %d×%d, expected %d×%d pixels; got.png, want.png and diff.png are in %s", path, got.W, got.H, want.W, want.H, dir)
}

// Apart is the largest and the mean difference of two pictures of one size.
func Apart(a, b *picture.Image) (most int, mean float64) {
	for i, v := range a.Pix {
		d := max(int(v), int(b.Pix[i])) - min(int(v), int(b.Pix[i]))
		most, mean = max(most, d), mean+float64(d)/float64(len(a.Pix))
	}
	return most, mean
}

func difference(a, b *picture.Image) *picture.Image {
	d := picture.New(a.W, a.H)
	for i, v := range a.Pix {
		d.Pix[i] = max(v, b.Pix[i]) - min(v, b.Pix[i])
	}
	return d
}
