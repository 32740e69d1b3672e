package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"saccade/picture"
)

func main() {
	bound := flag.Float64("bound", 0, "how far numbers, or on average pixels of 0 to 1, may be apart")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: near -bound X FILE FILE")
		os.Exit(2)
	}
	d, err := files(flag.Arg(0), flag.Arg(1))
	if err == nil && !(d <= *bound) {
		err = fmt.Errorf("%s and %s are apart by %.2g, at most %g is allowed", flag.Arg(0), flag.Arg(1), d, *bound)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "near:", err)
		os.Exit(1)
	}
	fmt.Printf("apart by %.2g\n", d)
}

// files are the distance of two documents, or of two pictures.
func files(a, b string) (float64, error) {
	if filepath.Ext(a) == ".json" {
		var docs [2]any
		for i, path := range []string{a, b} {
			data, err := os.ReadFile(path)
			if err != nil {
				return 0, err
			}
			if err := json.Unmarshal(data, &docs[i]); err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
		}
		return documents(docs[0], docs[1], "")
	}
	x, err := picture.Open(a, picture.DecodeOptions{})
	if err != nil {
		return 0, err
	}
	y, err := picture.Open(b, picture.DecodeOptions{})
	if err != nil {
		return 0, err
	}
	return pictures(x, y)
}

// own are the keys that differ by right: who computed, and how long that took.
var own = []string{"adapter", "ms"}

// documents are the largest difference of two numbers in the same place; all else must be equal.
func documents(a, b any, place string) (float64, error) {
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); ok {
			return math.Abs(x - y), nil
		}
	case []any:
		if y, ok := b.([]any); ok && len(x) == len(y) {
			return largest(len(x), func(i int) (float64, error) {
				return documents(x[i], y[i], fmt.Sprintf("%s[%d]", place, i))
			})
		}
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := names(x)
			if slices.Equal(keys, names(y)) {
				return largest(len(keys), func(i int) (float64, error) {
					return documents(x[keys[i]], y[keys[i]], place+"."+keys[i])
				})
			}
		}
	default:
		if a == b {
			return 0, nil
		}
	}
	return 0, fmt.Errorf("%s is %v here and %v there", place, a, b)
}

// names are the sorted keys of a document but its own.
func names(m map[string]any) []string {
	keys := []string{}
	for k := range m {
		if !slices.Contains(own, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// largest is that of n distances.
func largest(n int, distance func(int) (float64, error)) (float64, error) {
	most := 0.0
	for i := range n {
		d, err := distance(i)
		if err != nil {
			return 0, err
		}
		most = max(most, d)
	}
	return most, nil
}

// pictures are the mean difference of two pictures' values, which run from 0 to 1.
func pictures(x, y *picture.Image) (float64, error) {
	if x.W != y.W || x.H != y.H {
		return 0, fmt.Errorf("one picture has %d×%d pixels, the other %d×%d", x.W, x.H, y.W, y.H)
	}
	if len(x.Pix) == 0 {
		return 0, errors.New("the pictures have no pixels")
	}
	sum := 0.0
	for i, v := range x.Pix {
		sum += math.Abs(float64(v) - float64(y.Pix[i]))
	}
	return sum / float64(len(x.Pix)) / math.MaxUint8, nil
}
