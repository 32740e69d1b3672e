package models

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/masks"
	"saccade/models/nn"
	"saccade/picture"
)

// ErrNoMasks is wrapped where a model that gives no masks is asked for some.
var ErrNoMasks = errors.New("the model gives no masks of what points and boxes mean")

// MaskPrompt says what a mask is to be of: points, a box, or both.
type MaskPrompt struct {
	Points []MaskPoint
	Box    *[4]float64 // x0, y0, x1, y1 in pixels of the picture
}

// MaskPoint is a point of a picture, in its pixels, that is in a mask, or outside.
type MaskPoint struct {
	X, Y    float64
	Outside bool
}

// Mask is a mask of a picture's own size.
type Mask struct {
	masks.RLE
	Box       image.Rectangle // the smallest that holds it, ends exclusive
	Score     float64         // what the network takes its IoU with the truth for
	Stability float64         // of [Encoded.Everything]: see [masks.Stability]
	Point     [2]float64      // of [Encoded.Everything]: the point that it was found by, in pixels
}

// Segments says that the model gives masks of what points and boxes mean.
func (m *Model) Segments() bool { return m.segments }

// MaskRules are those by which the authors of the network choose among the masks of all
// that is in a picture. It is for a model that segments.
func (m *Model) MaskRules() masks.Rules {
	r := masks.Defaults()
	r.IoU = m.images.Image.Masks.Least
	return r
}

// Encoded is a picture whose maps are at hand, so that each prompt takes the decoder alone.
type Encoded struct {
	Width, Height int // of the picture

	m                     *Model
	maps                  map[string]Array
	padded, resized, size masks.Size
}

// mapNames begins the names of maps.
const mapNames = "image_embeddings"

// EncodePicture runs the image encoder on a picture.
func (m *Model) EncodePicture(ctx context.Context, img *picture.Image) (*Encoded, error) {
	if !m.segments {
		return nil, fmt.Errorf("%s: %w", m.Name, ErrNoMasks)
	}
	pixels, h, w, err := m.Preprocess(img)
	if err != nil {
		return nil, err
	}
	maps, err := m.module.Forward(ctx, nn.Images(Array{Shape: []int{1, len(pixels) / (h * w), h, w}, Data: pixels}), gpu.Wants{Names: m.mapNames(), Only: true})
	if err != nil {
		return nil, err
	}
	resizedH, resizedW := m.Processor.Resized(img.W, img.H)
	return &Encoded{Width: img.W, Height: img.H, m: m, maps: maps,
		padded: masks.Size{Height: h, Width: w}, resized: masks.Size{Height: resizedH, Width: resizedW}, size: masks.Size{Height: img.H, Width: img.W}}, nil
}

// mapNames are the decoder's inputs of maps.
func (m *Model) mapNames() (names []string) {
	for _, in := range m.decoder.Inputs {
		if strings.HasPrefix(in.Name, mapNames) {
			names = append(names, in.Name)
		}
	}
	return names
}

// Maps are the picture's maps by name, such as image_embeddings [1, D, h, w].
func (e *Encoded) Maps() map[string]Array { return e.maps }

// inputs are prompts as the network takes them: each a set. All have as many points, and
// boxes if one has.
func (e *Encoded) inputs(prompts []MaskPrompt) (map[string]Array, error) {
	in := map[string]Array{}
	for name, a := range e.maps {
		in[name] = a
	}
	n := len(prompts)
	points, labels, boxes := Array{}, Array{}, Array{}
	for i, p := range prompts {
		switch {
		case len(p.Points) != len(prompts[0].Points) || (p.Box == nil) != (prompts[0].Box == nil):
			return nil, fmt.Errorf("prompt %d has %d points and others %d, or a box and others none; expected all alike", i+1, len(p.Points), len(prompts[0].Points))
		case len(p.Points) == 0 && p.Box == nil:
			return nil, errors.New("a mask needs a point or a box")
		}
		for _, at := range p.Points {
			x, y, err := e.place(at.X, at.Y, "a point")
			if err != nil {
				return nil, err
			}
			label := float32(1)
			if at.Outside {
				label = 0
			}
			points.Data, labels.Data = append(points.Data, x, y), append(labels.Data, label)
		}
		if p.Box != nil {
			box, err := e.box(*p.Box)
			if err != nil {
				return nil, err
			}
			boxes.Data = append(boxes.Data, box[:]...)
		}
	}
	if each := len(prompts[0].Points); each > 0 {
		points.Shape, labels.Shape = []int{1, n, each, 2}, []int{1, n, each}
		in["input_points"], in["input_labels"] = points, labels
	}
	if prompts[0].Box != nil {
		boxes.Shape = []int{1, n, 4}
		in["input_boxes"] = boxes
	}
	return in, nil
}

// As is the same for a picture of another size, of which prompts and masks are then: to be
// shown smaller, say.
func (e *Encoded) As(width, height int) *Encoded {
	other := *e
	other.Width, other.Height, other.size = width, height, masks.Size{Height: height, Width: width}
	return &other
}

// place brings a point of the picture to the network's input.
func (e *Encoded) place(x, y float64, what string) (px, py float32, err error) {
	if !(x >= 0 && x <= float64(e.Width) && y >= 0 && y <= float64(e.Height)) {
		return 0, 0, fmt.Errorf("%s at %g,%g is not in the picture of %d×%d pixels (x from 0 to %d, y from 0 to %d)", what, x, y, e.Width, e.Height, e.Width, e.Height)
	}
	return float32(x * float64(e.resized.Width) / float64(e.Width)), float32(y * float64(e.resized.Height) / float64(e.Height)), nil
}

// box brings a box of the picture to the network's input.
func (e *Encoded) box(b [4]float64) (to [4]float32, err error) {
	if b[0] >= b[2] || b[1] >= b[3] {
		return to, fmt.Errorf("a box from %g,%g to %g,%g is empty; expected x0 < x1 and y0 < y1", b[0], b[1], b[2], b[3])
	}
	for i := 0; i < 4; i += 2 {
		if to[i], to[i+1], err = e.place(b[i], b[i+1], "a box's corner"); err != nil {
			return to, err
		}
	}
	return to, nil
}

// Forward runs the decoder on prompts, of as many points each: pred_masks [1, prompts,
// masks, h, w] and iou_scores [1, prompts, masks], the network's own outputs.
func (e *Encoded) Forward(ctx context.Context, prompts ...MaskPrompt) (map[string]Array, error) {
	in, err := e.inputs(prompts)
	if err != nil {
		return nil, err
	}
	return e.m.module.Forward(ctx, in, gpu.Wants{})
}

// Masks gives the masks that a prompt may mean, by their scores, the best first.
func (e *Encoded) Masks(ctx context.Context, prompt MaskPrompt) ([]Mask, error) {
	out, err := e.Forward(ctx, prompt)
	if err != nil {
		return nil, err
	}
	return e.Read(out)
}

// Read makes masks of the outputs of one prompt.
func (e *Encoded) Read(out map[string]Array) ([]Mask, error) {
	logits, scores := out["pred_masks"], out["iou_scores"]
	r, err := e.resizer(logits)
	if err != nil {
		return nil, err
	}
	large := make([]float32, e.Width*e.Height)
	small := r.Small.Height * r.Small.Width
	var all []Mask
	for i, score := range scores.Data {
		r.Resize(large, logits.Data[i*small:][:small])
		m := masks.Above(large, e.Height, e.Width, 0)
		all = append(all, Mask{RLE: masks.Encode(m), Box: m.Box(), Score: float64(score)})
	}
	slices.SortStableFunc(all, func(a, b Mask) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return all, nil
}

// resizer enlarges logits [.., h, w] to the picture.
func (e *Encoded) resizer(logits Array) (*masks.Resizer, error) {
	s, padded := logits.Shape, e.padded
	if e.m.images.Image.Masks.AtOnce {
		padded = masks.Size{}
	}
	return masks.NewResizer(masks.Size{Height: s[len(s)-2], Width: s[len(s)-1]}, padded, e.resized, e.size)
}

// Everything gives masks of all that is in the picture: those of a grid of points by which
// the authors' rules choose, in the order of their scores. report is told after each batch
// how many of the points are done.
func (e *Encoded) Everything(ctx context.Context, rules masks.Rules, report func(done, of int)) ([]Mask, error) {
	grid := masks.Grid(rules.PointsPerSide)
	batch, err := e.fits(min(rules.PointsPerBatch, len(grid)))
	if err != nil {
		return nil, err
	}
	var all *masks.Everything
	for first := 0; first < len(grid); first += batch {
		points := grid[first:min(len(grid), first+batch)]
		out, err := e.Forward(ctx, e.prompts(points)...)
		if err != nil {
			return nil, err
		}
		if all == nil {
			r, err := e.resizer(out["pred_masks"])
			if err != nil {
				return nil, err
			}
			all = masks.NewEverything(rules, r)
		}
		if err := all.Add(points, out["pred_masks"].Data, out["iou_scores"].Data); err != nil {
			return nil, err
		}
		report(first+len(points), len(grid))
	}
	var found []Mask
	for _, f := range all.Masks() {
		at := [2]float64{f.Point[0] * float64(e.Width), f.Point[1] * float64(e.Height)}
		found = append(found, Mask{RLE: f.Mask, Box: f.Box, Score: float64(f.IoU), Stability: float64(f.Stability), Point: at})
	}
	return found, nil
}

// prompts are points of a grid, each alone.
func (e *Encoded) prompts(points [][2]float64) (all []MaskPrompt) {
	for _, p := range points {
		all = append(all, MaskPrompt{Points: []MaskPoint{{X: p[0] * float64(e.Width), Y: p[1] * float64(e.Height)}}})
	}
	return all
}

// mostActivations is what a batch of points may take on the device, bytes.
const mostActivations = 1 << 30

// fits is how many points at once, at most so many, take no more than that.
func (e *Encoded) fits(batch int) (int, error) {
	for ; ; batch = (batch + 1) / 2 {
		in, err := e.inputs(e.prompts(masks.Grid(batch)[:batch]))
		if err != nil {
			return 0, err
		}
		plan, err := e.m.module.Plan(in, gpu.Wants{})
		if batch == 1 || err == nil && plan.Arena+plan.IO <= mostActivations && e.m.dev.Fits(plan.Arena+plan.IO) == nil {
			return batch, err
		}
	}
}
