package masks

import (
	"fmt"
	"image"
	"runtime"
	"sync"
	"sync/atomic"
)

// Rules are those by which the authors of Segment Anything choose among the masks of a
// grid of points (SamAutomaticMaskGenerator, without crops of the picture: so their rule
// about boxes at the edge of a crop never applies). A threshold of 0 or less is not applied.
type Rules struct {
	PointsPerSide   int     // of the grid
	PointsPerBatch  int     // that the network is to be given at once
	IoU             float32 // what the network takes a mask's IoU for must be above
	Stability       float32 // see [Stability]; must be as much
	StabilityOffset float32
	Threshold       float32 // of the logits of a mask
	Overlap         float64 // of boxes: the mask thought better removes others above
}

// Defaults are SAM's. SAM 2's have another IoU: see [saccade/models.Model.MaskRules].
func Defaults() Rules {
	return Rules{PointsPerSide: 32, PointsPerBatch: 64, IoU: 0.88, Stability: 0.95, StabilityOffset: 1, Overlap: 0.7}
}

// Grid is n·n points, row by row, each in the middle of its part of a picture: x and y from
// 0 to 1.
func Grid(n int) [][2]float64 {
	points := make([][2]float64, 0, n*n)
	for y := range n {
		for x := range n {
			points = append(points, [2]float64{(float64(x) + 0.5) / float64(n), (float64(y) + 0.5) / float64(n)})
		}
	}
	return points
}

// Found is a mask of something in a picture.
type Found struct {
	Mask      RLE
	Box       image.Rectangle // its ends exclusive
	IoU       float32         // what the network takes it for
	Stability float32
	Point     [2]float64 // that it was found by, as it was given
}

// Everything collects the masks of a picture batch by batch.
type Everything struct {
	rules  Rules
	resize *Resizer
	found  []Found
}

// NewEverything begins a picture. The resizer makes masks of its size.
func NewEverything(rules Rules, resize *Resizer) *Everything {
	return &Everything{rules: rules, resize: resize}
}

// Add takes what the network says of points: logits [points, masks, small height, small
// width] and what it takes their IoU for [points, masks].
func (e *Everything) Add(points [][2]float64, logits, ious []float32) error {
	small := e.resize.Small.Height * e.resize.Small.Width
	if len(points) == 0 || len(ious)%len(points) != 0 || len(logits) != len(ious)*small {
		return fmt.Errorf("masks of %d points: %d logits and %d values of IoU; expected as many masks for each, of %d logits", len(points), len(logits), len(ious), small)
	}
	each, good := len(ious)/len(points), make([]*Found, len(ious))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(ious)) {
		workers.Go(func() {
			large := make([]float32, e.resize.Picture.Height*e.resize.Picture.Width)
			for i := int(next.Add(1)) - 1; i < len(ious); i = int(next.Add(1)) - 1 {
				if e.rules.IoU > 0 && !(ious[i] > e.rules.IoU) {
					continue
				}
				if f, ok := e.mask(logits[i*small:(i+1)*small], large); ok {
					f.IoU, f.Point = ious[i], points[i/each]
					good[i] = &f
				}
			}
		})
	}
	workers.Wait()
	for _, f := range good {
		if f != nil {
			e.found = append(e.found, *f)
		}
	}
	return nil
}

// mask is what small logits are at the picture's size, if that is stable; large is room for
// that.
func (e *Everything) mask(small, large []float32) (Found, bool) {
	e.resize.Resize(large, small)
	stable := Stability(large, e.rules.Threshold, e.rules.StabilityOffset)
	if e.rules.Stability > 0 && !(stable >= e.rules.Stability) {
		return Found{}, false
	}
	m := Above(large, e.resize.Picture.Height, e.resize.Picture.Width, e.rules.Threshold)
	return Found{Mask: Encode(m), Box: m.Box(), Stability: stable}, true
}

// Masks is what remains of all that was added when masks remove those whose boxes they
// overlap, in the order of the network's IoU, the best first.
func (e *Everything) Masks() []Found {
	boxes, scores := make([]Box, len(e.found)), make([]float32, len(e.found))
	for i, f := range e.found {
		boxes[i], scores[i] = inclusive(f.Box), f.IoU
	}
	var kept []Found
	for _, i := range NMS(boxes, scores, e.rules.Overlap) {
		kept = append(kept, e.found[i])
	}
	return kept
}

// inclusive is a box as the authors have it, whose ends are its last pixels; all zero if it
// is empty.
func inclusive(r image.Rectangle) Box {
	if r.Empty() {
		return Box{}
	}
	return Box{float32(r.Min.X), float32(r.Min.Y), float32(r.Max.X - 1), float32(r.Max.Y - 1)}
}
