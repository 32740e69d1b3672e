// Package coco says how well boxes were found, as pycocotools does for the COCO data set:
// annotations.json in its format, and the average precision over it.
package coco

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Annotations are the boxes that are in pictures.
type Annotations struct {
	Images      []Image      `json:"images"`
	Categories  []Category   `json:"categories"`
	Annotations []Annotation `json:"annotations"`
}

// Image is a picture.
type Image struct {
	ID     int    `json:"id"`
	File   string `json:"file_name"`
	Width  int    `json:"width"` // or 0
	Height int    `json:"height"`
}

// Category is what a box is around.
type Category struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Annotation is a box.
type Annotation struct {
	Image    int `json:"image_id"`
	Category int `json:"category_id"`
	Box      Box `json:"bbox"`
	Crowd    int `json:"iscrowd"` // 1: around a crowd, of which any number may be found
}

// Box is x, y, width and height.
type Box [4]float64

// UnmarshalJSON reads a list of four numbers.
func (b *Box) UnmarshalJSON(text []byte) error {
	var v []float64
	if err := json.Unmarshal(text, &v); err != nil || len(v) != len(b) {
		return fmt.Errorf("bbox is %.40s; expected x, y, width and height", text)
	}
	copy(b[:], v)
	return nil
}

// Read reads and checks a file of annotations.
func Read(path string) (*Annotations, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var a Annotations
	if err := json.Unmarshal(data, &a); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			err = fmt.Errorf("%s is a JSON %s", cmp.Or(wrong.Field, "the document"), wrong.Value)
		}
		return nil, fmt.Errorf("%s: expected annotations as COCO has them: %w", path, err)
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &a, nil
}

func (a *Annotations) check() error {
	images, categories := map[int]bool{}, map[int]bool{}
	for _, m := range a.Images {
		if images[m.ID] {
			return fmt.Errorf("images: the id %d is there twice", m.ID)
		}
		if !filepath.IsLocal(m.File) {
			return fmt.Errorf("images: the file_name %q of image %d is none within the folder", m.File, m.ID)
		}
		images[m.ID] = true
	}
	for _, c := range a.Categories {
		if categories[c.ID] {
			return fmt.Errorf("categories: the id %d is there twice", c.ID)
		}
		categories[c.ID] = true
	}
	for i, b := range a.Annotations {
		switch {
		case !images[b.Image]:
			return fmt.Errorf("annotations: entry %d has image_id %d, which no image has", i, b.Image)
		case !categories[b.Category]:
			return fmt.Errorf("annotations: entry %d has category_id %d, which no category has", i, b.Category)
		case !(b.Box[2] >= 0) || !(b.Box[3] >= 0) || b.Box == Box{}: // that of an entry without one
			return fmt.Errorf("annotations: entry %d has bbox %v; expected x, y, width and height", i, b.Box)
		}
	}
	if len(a.Images) == 0 || len(a.Annotations) == 0 {
		return errors.New("there are no images or no annotations; expected some of both")
	}
	return nil
}

// Found is a box that was found.
type Found struct {
	Image, Category int
	Box             [4]float64 // x, y, width, height
	Score           float64
}

// Precision is the average precision: the mean over IoUs from .5 to .95, that of .5 and
// that of .75, each of all categories that have boxes.
type Precision struct{ AP, AP50, AP75 float64 }

const (
	most   = 100 // boxes of a picture and category
	levels = 101 // of recall at which precision is looked at
)

// thresholds are the IoUs from which on a box is found, numpy's linspace(.5, .95, 10).
func thresholds() (t [10]float64) {
	for i := range t {
		t[i] = float64(i)*(0.95-0.5)/9 + 0.5
	}
	t[9] = 0.95
	return t
}

// verdict is what a found box is at a threshold.
type verdict uint8

const (
	wrong verdict = iota
	right
	ignored // of a crowd
)

// judged is a found box with its verdict at every threshold.
type judged struct {
	score float64
	at    [10]verdict
}

// Score compares boxes with those of annotations, as pycocotools' COCOeval does with
// iouType "bbox", all areas and at most 100 boxes.
func (a *Annotations) Score(found []Found) Precision {
	type key struct{ image, category int }
	truth, boxes := map[key][]Annotation{}, map[key][]Found{}
	for _, b := range a.Annotations {
		k := key{b.Image, b.Category}
		truth[k] = append(truth[k], b)
	}
	for _, f := range found {
		k := key{f.Image, f.Category}
		boxes[k] = append(boxes[k], f)
	}
	images := make([]int, len(a.Images))
	for i, m := range a.Images {
		images[i] = m.ID
	}
	slices.Sort(images)
	sums, categories := [10]float64{}, 0
	for _, c := range a.Categories {
		var all []judged
		positives := 0
		for _, id := range images {
			k := key{id, c.ID}
			all = append(all, judge(truth[k], boxes[k])...)
			for _, b := range truth[k] {
				if b.Crowd == 0 {
					positives++
				}
			}
		}
		if positives == 0 {
			continue
		}
		categories++
		slices.SortStableFunc(all, func(a, b judged) int { return descending(a.score, b.score) })
		for t := range sums {
			sums[t] += average(all, t, positives)
		}
	}
	n := float64(max(categories, 1))
	p := Precision{AP50: sums[0] / n, AP75: sums[5] / n}
	for _, s := range sums {
		p.AP += s / n / float64(len(sums))
	}
	return p
}

// descending compares for an order from the largest on.
func descending(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// judge gives each found box of a picture and category, the best first, its verdicts.
func judge(truth []Annotation, found []Found) []judged {
	truth, found = slices.Clone(truth), slices.Clone(found)
	slices.SortStableFunc(truth, func(a, b Annotation) int { return a.Crowd - b.Crowd })
	slices.SortStableFunc(found, func(a, b Found) int { return descending(a.Score, b.Score) })
	found = found[:min(len(found), most)]
	out := make([]judged, len(found))
	for t, threshold := range thresholds() {
		taken := make([]bool, len(truth))
		for d, f := range found {
			out[d].score = f.Score
			best, iou := -1, min(threshold, 1-1e-10)
			for g, b := range truth {
				if taken[g] && b.Crowd == 0 {
					continue
				}
				if best >= 0 && truth[best].Crowd == 0 && b.Crowd != 0 {
					break // no crowd takes what is another box
				}
				if v := overlap(f.Box, b); v >= iou {
					best, iou = g, v
				}
			}
			if best < 0 {
				continue
			}
			taken[best] = true
			out[d].at[t] = right
			if truth[best].Crowd != 0 {
				out[d].at[t] = ignored
			}
		}
	}
	return out
}

// overlap is the IoU of a found box and one that is there; of a crowd, the part of the
// found one.
func overlap(f [4]float64, b Annotation) float64 {
	g := b.Box
	w := min(f[0]+f[2], g[0]+g[2]) - max(f[0], g[0])
	h := min(f[1]+f[3], g[1]+g[3]) - max(f[1], g[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	union := f[2] * f[3]
	if b.Crowd == 0 {
		union += g[2]*g[3] - w*h
	}
	return w * h / union
}

// average is the precision at a threshold, on average over levels of recall: at each the
// best that any larger recall has.
func average(all []judged, t, positives int) float64 {
	var recall, precision []float64
	hits, misses := 0.0, 0.0
	for _, j := range all {
		switch j.at[t] {
		case right:
			hits++
		case wrong:
			misses++
		}
		recall = append(recall, hits/float64(positives))
		precision = append(precision, hits/(hits+misses+math.Nextafter(1, 2)-1))
	}
	for i := len(precision) - 2; i >= 0; i-- {
		precision[i] = max(precision[i], precision[i+1])
	}
	sum, at := 0.0, 0
	for level := range levels {
		for at < len(recall) && recall[at] < float64(level)*(1.0/(levels-1)) {
			at++
		}
		if at < len(recall) {
			sum += precision[at]
		}
	}
	return sum / levels
}
