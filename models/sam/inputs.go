package sam

import (
	"fmt"
	"slices"

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

// promptInputs are those of prompts.
func (c Config) promptInputs() []nn.Input {
	host := func(map[string]nn.Array) (nn.Array, error) { return nn.Array{}, nil } // not the device's
	made := func(of func(p *points) nn.Array) func(in map[string]nn.Array) (nn.Array, error) {
		return func(in map[string]nn.Array) (nn.Array, error) {
			p, err := c.readPrompts(in)
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
// the points, one that is none where there is no box, else the corners of the box. SAM 2
// has one that is none behind boxes too, and two where there is nothing else.
func (c Config) readPrompts(in map[string]nn.Array) (*points, error) {
	n, side, err := c.pictures(in)
	if err != nil {
		return nil, err
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
		if c.Second != nil {
			p.tokens++
		}
	}
	if c.Second != nil && p.sets == 0 {
		p.sets, p.tokens, each = n, 2, 1
		given.Data, labels.Data = make([]float32, 2*n), slices.Repeat([]float32{-1}, n)
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
		if c.Second != nil {
			p.add(0, 0, side, noPoint)
		}
	}
	return p, nil
}

// pictures are the number of pictures among inputs, or of maps of them, and their side in
// pixels.
func (c Config) pictures(in map[string]nn.Array) (n, side int, err error) {
	pixels, whole := in[nn.PixelValues]
	name := c.embeddings()[len(c.embeddings())-1]
	maps, decoded := in[name]
	switch side = c.encoder().image(); {
	case whole && decoded:
		return 0, 0, fmt.Errorf("there are %s beside %s; expected one of them", name, nn.PixelValues)
	case whole:
		return pixels.Shape[0], pixels.Shape[2], nil
	case side == 0:
		side = maps.Shape[2] * mapStep
	}
	return maps.Shape[0], side, nil
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
// alone, or in SAM 2 what [Config.single] says. They are [N, sets, masks, …].
func (c Config) finish(in, out map[string]nn.Array) {
	first, count := 1, c.Decoder.Masks
	one := false
	if m, ok := in[multimask]; ok && m.Data[0] == 0 {
		first, count, one = 0, 1, true
	}
	n, _, err := c.pictures(in)
	if err != nil {
		return // which reading the prompts has told
	}
	from := func(int) int { return first }
	if one && c.Second != nil {
		from = c.single(out["pred_masks"], out["iou_scores"])
	}
	for _, name := range []string{"pred_masks", "iou_scores", "object_score_logits"} {
		x, ok := out[name]
		if !ok {
			continue
		}
		rows, all, take := x.Shape[0], x.Shape[1], count
		if name == "object_score_logits" {
			from, take = func(int) int { return 0 }, 1
		}
		each := len(x.Data) / (rows * all)
		y := nn.Array{Shape: append([]int{n, rows / n, take}, x.Shape[2:]...)}
		for row := range rows {
			at := row*all + from(row)
			y.Data = append(y.Data, x.Data[at*each:(at+take)*each]...)
		}
		out[name] = y
	}
}
