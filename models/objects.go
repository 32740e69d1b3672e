package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/models/nn"
	"saccade/picture"
)

// Object is something that was found in an image.
type Object struct {
	Label string     `json:"label"`
	Score float64    `json:"score"`
	Box   [4]float64 `json:"box"` // x0, y0, x1, y1 in pixels of the image as it is seen
	// Track is the number that the object has in all frames of a video, 0 of one that is not
	// followed: see package track.
	Track int `json:"track,omitempty"`

	Class int `json:"-"`
}

// ErrNoObjects is wrapped when objects are asked for of a network that finds none.
var ErrNoObjects = errors.New("the network finds no objects")

// Finds is what more there is to know of a model that finds objects, or nil.
func (m *Model) Finds() *nn.Objects {
	if m.images == nil {
		return nil
	}
	return m.images.Image.Objects
}

// Objects are those of one image's outputs whose scores exceed a threshold, the best
// first. The image is of w×h pixels; texts are what was asked for, of a model that finds
// what texts name.
func (m *Model) Objects(outputs map[string]Array, w, h int, threshold float64, texts ...string) ([]Object, error) {
	how := m.Finds()
	if how == nil {
		return nil, fmt.Errorf("%s from %s: %w", m.Name, m.Source, ErrNoObjects)
	}
	logits, boxes := outputs["logits"], outputs["pred_boxes"]
	if len(logits.Shape) != 3 || len(boxes.Shape) != 3 || logits.Shape[1] != boxes.Shape[1] {
		return nil, fmt.Errorf("%s: found logits %v and boxes %v of an image, expected [1 Q classes] and [1 Q 4]", m.Name, logits.Shape, boxes.Shape)
	}
	pairs := pairsOf(logits, *how)
	if how.Square {
		w, h = max(w, h), max(w, h)
	}
	label := m.Label
	if len(texts) > 0 {
		if len(texts) != logits.Shape[2] {
			return nil, fmt.Errorf("%s: found logits of %d texts, expected %d", m.Name, logits.Shape[2], len(texts))
		}
		label = func(i int) string { return texts[i] }
	}
	objects := []Object{}
	for _, p := range pairs {
		if p.score > threshold {
			objects = append(objects, Object{Label: label(p.class), Score: p.score, Class: p.class, Box: corners(boxes.Data[4*p.query:], float64(w), float64(h))})
		}
	}
	return objects, nil
}

// pair is a query with one of its classes.
type pair struct {
	query, class int
	score        float64
}

// pairsOf are the pairs of logits [1, Q, classes] that may be objects, best first.
func pairsOf(logits Array, how nn.Objects) []pair {
	var all []pair
	classes := logits.Shape[2]
	for q := range logits.Shape[1] {
		scores := scoresOf(logits.Data[q*classes:][:classes], how.Scores)
		if how.Scores == nn.Softmax {
			scores = scores[:classes-1]
		}
		if how.Best > 0 {
			for c, s := range scores {
				all = append(all, pair{q, c, s})
			}
			continue
		}
		best := slices.Index(scores, slices.Max(scores))
		all = append(all, pair{q, best, scores[best]})
	}
	slices.SortStableFunc(all, func(a, b pair) int { return cmp.Compare(b.score, a.score) })
	if how.Best > 0 {
		all = all[:min(how.Best, len(all))]
	}
	return all
}

// corners are those of a box of centre, width and height in parts of w and h.
func corners(box []float32, w, h float64) [4]float64 {
	x, y, across, down := float64(box[0])*w, float64(box[1])*h, float64(box[2])*w/2, float64(box[3])*h/2
	return [4]float64{x - across, y - down, x + across, y + down}
}

// Detect finds the objects of each image whose scores exceed a threshold: those that texts
// name, of a model that reads texts.
func (m *Model) Detect(ctx context.Context, images []*picture.Image, threshold float64, texts ...string) ([][]Object, error) {
	out := make([][]Object, 0, len(images))
	err := m.EachNamed(ctx, len(images), 0, texts, func(i int) (*picture.Image, error) { return images[i], nil }, func(r Result) error {
		if r.Err != nil {
			return fmt.Errorf("picture %d: %w", r.Index, r.Err)
		}
		found, err := m.Objects(r.Outputs, images[r.Index].W, images[r.Index].H, threshold, texts...)
		out = append(out, found)
		return err
	})
	return out, err
}

// EachNamed is [Model.Each] of a model that finds what texts name in each picture; without
// texts it is Each itself.
func (m *Model) EachNamed(ctx context.Context, n, batch int, texts []string, open func(i int) (*picture.Image, error), report func(Result) error) error {
	how := batching{size: batch}
	if len(texts) > 0 {
		if m.Finds() == nil || m.images.Input(nn.InputIDs) == nil {
			return fmt.Errorf("%s from %s finds nothing that texts name", m.Name, m.Source)
		}
		one, err := m.masked(m.images.Input(nn.InputIDs), texts)
		if err != nil {
			return err
		}
		how.about = func(n int) map[string]Array {
			all := map[string]Array{}
			for name, a := range one {
				all[name] = Array{Shape: []int{n * a.Shape[0], a.Shape[1]}, Data: slices.Repeat(a.Data, n)}
			}
			return all
		}
	}
	return m.each(ctx, n, how, m.loader(open), report)
}
