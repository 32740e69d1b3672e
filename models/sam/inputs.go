package sam

import (
	"fmt"

	"saccade/models/nn"
)

// The names under which SamModel takes prompts, for each image several sets of them.
const (
	inputPoints = "input_points" // [N, sets, points, 2]: x and y in pixels of the network's input
	inputLabels = "input_labels" // [N, sets, points]: 1 inside, 0 outside, −10 padding
	inputBoxes  = "input_boxes"  // [N, sets, 4]: x0, y0, x1, y1
	multimask   = "multimask_output"
	embeddings  = "image_embeddings" // [N, D, h, w]
)

// Inputs that are made of them: see [prompts].
const (
	pointsInput = "prompt_points"
	kindsInput  = "prompt_kinds"
	placesInput = "prompt_places"
)

// noPlace is the place of a point that has none.
const noPlace = nn.Unshown

// promptInputs are those of prompts, about images of so many pixels a side.
func promptInputs(side int) []nn.Input {
	host := func(map[string]nn.Array) (nn.Array, error) { return nn.Array{}, nil } // not the device's
	made := func(of func(p *points) nn.Array) func(in map[string]nn.Array) (nn.Array, error) {
		return func(in map[string]nn.Array) (nn.Array, error) {
			p, err := readPrompts(in, side)
			if err != nil || p.tokens == 0 {
				return nn.Array{}, err
			}
			return of(p), nil
		}
	}
	return []nn.Input{
		{Name: inputPoints, Dims: nn.Dims("N", "sets", nn.Dim{Name: "points", Most: 1 << 12}, 2), Optional: true, Convert: host},
		{Name: inputLabels, Dims: nn.Dims("N", "sets", "points"), Optional: true, Convert: host},
		{Name: inputBoxes, Dims: nn.Dims("N", "sets", 4), Optional: true, Convert: host},
		{Name: multimask, Dims: nn.Dims("one"), Kind: nn.PerItem, Optional: true, Convert: host},
		{Name: pointsInput, From: made(func(p *points) nn.Array { return nn.Array{Shape: []int{p.sets, p.tokens, 2}, Data: p.at} })},
		{Name: kindsInput, Kind: nn.IDs, Below: kinds, From: made(func(p *points) nn.Array { return nn.Array{Shape: []int{p.sets, p.tokens}, Data: p.kinds} })},
		{Name: placesInput, Kind: nn.IDs, From: made(func(p *points) nn.Array { return nn.Array{Shape: []int{p.sets, p.tokens}, Data: p.places} })},
	}
}

// points are prompts as tokens, sets of them.
type points struct {
	sets, tokens      int
	at, kinds, places []float32
}

// readPrompts makes tokens of the inputs of prompts, whose shapes were found to be right:
// the points, one that is none where there is no box, else the corners of the box.
func readPrompts(in map[string]nn.Array, side int) (*points, error) {
	if _, ok := in[nn.PixelValues]; ok {
		if _, ok := in[embeddings]; ok {
			return nil, fmt.Errorf("there are %s beside %s; expected one of them", embeddings, nn.PixelValues)
		}
	}
	given, labels, boxes := in[inputPoints], in[inputLabels], in[inputBoxes]
	if labels.Data != nil && given.Data == nil {
		return nil, fmt.Errorf("there are %s without %s", inputLabels, inputPoints)
	}
	if m, ok := in[multimask]; ok && m.Data[0] != 0 && m.Data[0] != 1 {
		return nil, fmt.Errorf("%s is %g; expected 0 or 1", multimask, m.Data[0])
	}
	p := &points{}
	each := 0 // points of a set
	if given.Data != nil {
		p.sets, each = given.Shape[0]*given.Shape[1], given.Shape[2]
		p.tokens = each
		if boxes.Data == nil {
			p.tokens++
		}
	}
	if boxes.Data != nil {
		p.sets = boxes.Shape[0] * boxes.Shape[1]
		p.tokens += 2
	}
	for set := range p.sets {
		for i := set * each; i < (set+1)*each; i++ {
			kind := inside
			if labels.Data != nil {
				var err error
				if kind, err = kindOf(labels.Data[i]); err != nil {
					return nil, err
				}
			}
			p.add(given.Data[2*i], given.Data[2*i+1], side, kind)
		}
		if boxes.Data == nil {
			p.add(0, 0, side, noPoint)
			continue
		}
		box := boxes.Data[4*set:]
		p.add(box[0], box[1], side, topLeft)
		p.add(box[2], box[3], side, bottomRight)
	}
	return p, nil
}

// kindOf is the kind of a point with a label.
func kindOf(label float32) (int, error) {
	switch label {
	case 0:
		return outside, nil
	case 1:
		return inside, nil
	case -1:
		return noPoint, nil
	case -10:
		return padding, nil
	}
	return 0, fmt.Errorf("%s has a %g; expected 1 of a point inside, 0 of one outside, -1 of none and -10 of padding", inputLabels, label)
}

// add appends the point in the middle of a pixel.
func (p *points) add(x, y float32, side, kind int) {
	place := float32(noPlace)
	if kind != noPoint && kind != padding {
		place = float32(len(p.kinds))
	}
	p.at = append(p.at, (x+0.5)/float32(side), (y+0.5)/float32(side))
	p.kinds, p.places = append(p.kinds, float32(kind)), append(p.places, place)
}

// finish gives the masks and scores that were asked for of all: with multimask_output, as
// without the input, all but the first, which is for prompts that mean one thing, else that
// alone. They are [N, sets, masks, …].
func finish(in, out map[string]nn.Array) {
	first, end := 1, 0
	if m, ok := in[multimask]; ok && m.Data[0] == 0 {
		first, end = 0, 1
	}
	n := 1
	for _, name := range []string{nn.PixelValues, embeddings} {
		if x, ok := in[name]; ok {
			n = x.Shape[0]
		}
	}
	for _, name := range []string{"pred_masks", "iou_scores"} {
		x, ok := out[name]
		if !ok {
			continue
		}
		rows, all := x.Shape[0], x.Shape[1]
		last := end
		if last == 0 {
			last = all
		}
		each := len(x.Data) / (rows * all)
		y := nn.Array{Shape: append([]int{n, rows / n, last - first}, x.Shape[2:]...)}
		for row := range rows {
			y.Data = append(y.Data, x.Data[(row*all+first)*each:(row*all+last)*each]...)
		}
		out[name] = y
	}
}
