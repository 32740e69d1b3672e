package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"saccade/picture"
)

// Segments are the classes of an image's pixels.
type Segments struct {
	W, H    int
	Classes []uint16 // row by row
	Shares  []Share  // those that are there, the largest first
}

// Share is how much of an image belongs to a class.
type Share struct {
	Label string  `json:"label"`
	Share float64 `json:"share"` // of the pixels

	Class int `json:"-"`
}

// ErrNoSegments is wrapped when classes of pixels are asked for of a network that tells
// none.
var ErrNoSegments = errors.New("the network tells no classes of pixels")

// PixelClasses are those of one image's outputs, at the image's size of w×h pixels: the class
// of the largest logit, resized bilinearly, as transformers'
// post_process_semantic_segmentation has it.
func (m *Model) PixelClasses(outputs map[string]Array, w, h int) (Segments, error) {
	a := outputs["logits"]
	if len(a.Shape) != 4 || a.Shape[0] != 1 || a.Shape[1] > math.MaxUint16 {
		return Segments{}, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoSegments)
	}
	s := Segments{W: w, H: h, Classes: make([]uint16, w*h)}
	classes := a.Shape[1]
	eachResized(a, w, h, func(y, x int, values []float32) {
		best := 0
		for c := 1; c < classes; c++ {
			if values[c] > values[best] {
				best = c
			}
		}
		s.Classes[y*w+x] = uint16(best)
	})
	counts := make([]int, classes)
	for _, c := range s.Classes {
		counts[c]++
	}
	for c, n := range counts {
		if n > 0 {
			s.Shares = append(s.Shares, Share{Label: m.Label(c), Share: float64(n) / float64(w*h), Class: c})
		}
	}
	slices.SortStableFunc(s.Shares, func(a, b Share) int { return cmp.Compare(b.Share, a.Share) })
	return s, nil
}

// eachResized calls f, from several goroutines, with the values of each pixel of maps
// [1, C, h, w] that are resized bilinearly to another size.
func eachResized(a Array, w, h int, f func(y, x int, values []float32)) {
	channels, from := a.Shape[1], [2]int{a.Shape[2], a.Shape[3]}
	plane := from[0] * from[1]
	rows := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			line, values := make([]float32, from[1]*channels), make([]float32, channels)
			for y := range rows {
				top, bottom, down := around(y, from[0], h)
				for x := range from[1] {
					for c := range channels {
						p := a.Data[c*plane:]
						line[x*channels+c] = p[top*from[1]+x]*(1-down) + p[bottom*from[1]+x]*down
					}
				}
				for x := range w {
					left, right, across := around(x, from[1], w)
					l, r := line[left*channels:][:channels], line[right*channels:][:channels]
					for c := range values {
						values[c] = l[c]*(1-across) + r[c]*across
					}
					f(y, x, values)
				}
			}
		})
	}
	for y := range h {
		rows <- y
	}
	close(rows)
	wg.Wait()
}

// around is the samples at the place of sample i of `to`, among `from`, and the
// second one's part.
func around(i, from, to int) (first, second int, part float32) {
	at := max((float64(i)+0.5)*float64(from)/float64(to)-0.5, 0)
	first = min(int(at), from-1)
	return first, min(first+1, from-1), float32(at - float64(first))
}

// PixelClassesOf are the classes of the pixels of images.
func (m *Model) PixelClassesOf(ctx context.Context, images []*picture.Image) ([]Segments, error) {
	out := make([]Segments, 0, len(images))
	err := m.Each(ctx, len(images), 0, func(i int) (*picture.Image, error) { return images[i], nil }, func(r Result) error {
		if r.Err != nil {
			return fmt.Errorf("picture %d: %w", r.Index, r.Err)
		}
		s, err := m.PixelClasses(r.Outputs, images[r.Index].W, images[r.Index].H)
		out = append(out, s)
		return err
	})
	return out, err
}

// Cutout is how much of each pixel of an image is no background, 0 to 1, row by row, of one
// image's outputs at the image's size of w×h pixels: the logistic function of the logits,
// resized bilinearly and stretched to the whole range.
func (m *Model) Cutout(outputs map[string]Array, w, h int) ([]float32, error) {
	a := outputs["logits"]
	if len(a.Shape) != 4 || a.Shape[0] != 1 || a.Shape[1] != 1 {
		return nil, fmt.Errorf("%s from %s: the network cuts nothing out", m.Name, m.Source)
	}
	parts := Array{Shape: a.Shape, Data: make([]float32, len(a.Data))}
	for i, v := range a.Data {
		parts.Data[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
	alpha := make([]float32, w*h)
	eachResized(parts, w, h, func(y, x int, values []float32) { alpha[y*w+x] = values[0] })
	low, high := slices.Min(alpha), slices.Max(alpha)
	for i, v := range alpha {
		if alpha[i] = 0; high > low {
			alpha[i] = (v - low) / (high - low)
		}
	}
	return alpha, nil
}
