package ppocr

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/picture"
)

// Process is what is done to images before a network, as preprocessor_config.json says or,
// without it, the classes' defaults.
type Process struct {
	Mean, Std [3]float64 // of R, G, B
	BGR       bool       // the network takes the colours the other way round

	// Of a detector: the image's greater (max, resize_long) or lesser (min) side comes to
	// Limit, if that is how it is beyond it, and none to more than Most.
	Limit, Most int
	Kind        string

	// Of a recogniser.
	Height, Width, MaxWidth int  // pixels; narrower lines are padded up to Width
	Plain                   bool // between pixels alone, without antialias
	Characters              []string
}

// header is preprocessor_config.json.
type processHeader struct {
	Kind       string          `json:"image_processor_type"`
	Resize     *bool           `json:"do_resize"`
	Rescale    *bool           `json:"do_rescale"`
	Factor     *float64        `json:"rescale_factor"`
	Normalize  *bool           `json:"do_normalize"`
	Pads       *bool           `json:"do_pad"`
	Crops      *bool           `json:"do_center_crop"`
	Mean       []float64       `json:"image_mean"`
	Std        []float64       `json:"image_std"`
	Resample   *int            `json:"resample"`
	Limit      *int            `json:"limit_side_len"`
	LimitType  string          `json:"limit_type"`
	Most       json.RawMessage `json:"max_side_limit"`
	Size       *rectangle      `json:"size"`
	PadSize    *rectangle      `json:"pad_size"`
	MaxWidth   *int            `json:"max_image_width"`
	Characters []string        `json:"character_list"`
}

type rectangle struct {
	Height int `json:"height"`
	Width  int `json:"width"`
}

const preprocessor = "preprocessor_config.json"

// parseProcess reads what both kinds have.
func parseProcess(text []byte, p *Process, kinds ...string) (h processHeader, err error) {
	if text != nil {
		if err := checkpoint.Decode(preprocessor, text, &h); err != nil {
			return h, err
		}
	}
	if h.Kind != "" && !slices.Contains(kinds, h.Kind) && !slices.Contains(kinds, h.Kind+"Fast") {
		return h, fmt.Errorf("%s: image_processor_type is %q; %s is expected", preprocessor, h.Kind, kinds[0])
	}
	for key, on := range map[string]*bool{"do_resize": h.Resize, "do_rescale": h.Rescale, "do_normalize": h.Normalize} {
		if on != nil && !*on {
			return h, fmt.Errorf("%s: %s is false; true is supported alone", preprocessor, key)
		}
	}
	switch {
	case h.Crops != nil && *h.Crops:
		return h, fmt.Errorf("%s: do_center_crop is true; false is supported alone", preprocessor)
	case h.Factor != nil && math.Abs(*h.Factor*255-1) > 1e-6:
		return h, fmt.Errorf("%s: rescale_factor is %g; 1/255 is supported alone", preprocessor, *h.Factor)
	case h.Resample != nil && *h.Resample != 2:
		return h, fmt.Errorf("%s: resample is %d; 2, bilinear, is supported alone", preprocessor, *h.Resample)
	}
	for i, list := range [][]float64{h.Mean, h.Std} {
		if list == nil {
			continue
		}
		if len(list) != 3 || i == 1 && (list[0] == 0 || list[1] == 0 || list[2] == 0) {
			return h, fmt.Errorf("%s: image_mean or image_std is %v; three numbers are expected", preprocessor, list)
		}
		if i == 0 {
			p.Mean = [3]float64(list)
		} else {
			p.Std = [3]float64(list)
		}
	}
	return h, nil
}

// DetectorProcess is that of a detector. The mean and the deviation of the class are listed
// blue first, and taken for red first, before the colours are turned round.
func DetectorProcess(text []byte) (Process, error) {
	p := Process{Mean: [3]float64{0.406, 0.456, 0.485}, Std: [3]float64{0.225, 0.224, 0.229}, BGR: true, Limit: 960, Kind: "max", Most: 4000}
	h, err := parseProcess(text, &p, "PPOCRV5ServerDetImageProcessor", "PPOCRV5MobileDetImageProcessor")
	if err != nil {
		return p, err
	}
	if h.Limit != nil {
		p.Limit = *h.Limit
	}
	if h.LimitType != "" {
		p.Kind = h.LimitType
	}
	if len(h.Most) > 0 {
		p.Most = 1 << 30
		if err := json.Unmarshal(h.Most, &p.Most); err != nil {
			return p, fmt.Errorf("%s: max_side_limit is %s; a number is expected", preprocessor, checkpoint.Shown(h.Most))
		}
	}
	if p.Limit < side || p.Most < side || !slices.Contains([]string{"max", "min", "resize_long"}, p.Kind) {
		return p, fmt.Errorf("%s: limit_side_len is %d, limit_type %q and max_side_limit %d; sizes of at least %d, and max, min or resize_long are expected", preprocessor, p.Limit, p.Kind, p.Most, side)
	}
	return p, nil
}

// RecogniserProcess is that of a recogniser of a model_type, with so many classes.
func RecogniserProcess(text []byte, v6 bool, classes int) (Process, error) {
	p := Process{Mean: picture.HalfMean, Std: picture.HalfStd, Height: 48, Width: 320, MaxWidth: 3200, BGR: v6, Plain: v6}
	h, err := parseProcess(text, &p, "PPOCRV5ServerRecImageProcessor", "PPOCRV5MobileRecImageProcessor", "PPOCRV6SmallRecImageProcessor")
	if err != nil {
		return p, err
	}
	if h.Kind != "" { // which says more than the network's kind
		p.BGR = h.Kind == "PPOCRV6SmallRecImageProcessor"
		p.Plain = p.BGR
	}
	if h.Size != nil {
		p.Height, p.Width = h.Size.Height, h.Size.Width
	}
	if h.MaxWidth != nil {
		p.MaxWidth = *h.MaxWidth
	}
	switch {
	case h.PadSize != nil && (h.PadSize.Height != p.Height || h.PadSize.Width != p.Width) || h.Pads != nil && !*h.Pads:
		return p, fmt.Errorf("%s: pad_size is another than size, or do_pad false; lines that are padded to the size are supported alone", preprocessor)
	case p.Height < 1 || p.Height > 1<<10 || p.Width < 1 || p.MaxWidth < p.Width || p.MaxWidth > 1<<16:
		return p, fmt.Errorf("%s: lines of %d×%d pixels, at most %d wide; positive sizes are expected", preprocessor, p.Width, p.Height, p.MaxWidth)
	case len(h.Characters) == 0:
		return p, fmt.Errorf("%s: there is no character_list, which tells what the recogniser's classes are", preprocessor)
	case len(h.Characters) != classes:
		return p, fmt.Errorf("%s: character_list has %d characters and the recogniser %d classes; they are not of one checkpoint", preprocessor, len(h.Characters), classes)
	}
	p.Characters = h.Characters
	return p, nil
}

// Size is the height and width that an image comes to before a detector.
func (p Process) Size(h, w int) (int, int) {
	ratio, limit := 1.0, float64(p.Limit)
	switch long, short := float64(max(h, w)), float64(min(h, w)); {
	case p.Kind == "resize_long", p.Kind == "max" && long > limit:
		ratio = limit / long
	case p.Kind == "min" && short < limit:
		ratio = limit / short
	}
	h, w = int(float64(h)*ratio), int(float64(w)*ratio)
	if long := max(h, w); long > p.Most {
		ratio = float64(p.Most) / float64(long)
		h, w = int(float64(h)*ratio), int(float64(w)*ratio)
	}
	round := func(n int) int { return max(int(math.RoundToEven(float64(n)/side))*side, side) }
	return round(h), round(w)
}

// Detect is what a detector takes of an image, [3, h, w].
func (p Process) Detect(m *picture.Image) (pixels []float32, h, w int, err error) {
	h, w = p.Size(m.H, m.W)
	if m, err = m.Resize(w, h, picture.Bilinear); err != nil {
		return nil, 0, 0, err
	}
	pixels = make([]float32, 3*h*w)
	p.put(pixels, m, w)
	return pixels, h, w, nil
}

// LineWidth is the width that a line of w×h pixels comes to, without padding.
func (p Process) LineWidth(h, w int) int {
	usual := float64(p.Width) / float64(p.Height)
	width := int(float64(p.Height) * max(float64(w)/float64(h), usual))
	if width > p.MaxWidth {
		return p.MaxWidth
	}
	return min(width, int(math.Ceil(float64(p.Height)*float64(w)/float64(h))))
}

// Line is what a recogniser takes of the image of a line, [3, Height, width], zeros beyond
// its end.
func (p Process) Line(m *picture.Image, width int) (pixels []float32, err error) {
	w := max(1, p.LineWidth(m.H, m.W))
	if p.Plain {
		m = plainResize(m, w, p.Height)
	} else if m, err = m.Resize(w, p.Height, picture.Bilinear); err != nil {
		return nil, err
	}
	pixels = make([]float32, 3*p.Height*width)
	p.put(pixels, m, width)
	return pixels, nil
}

// put normalises an image into planes of rows of a stride.
func (p Process) put(pixels []float32, m *picture.Image, stride int) {
	for c := range 3 {
		plane := c
		if p.BGR {
			plane = 2 - c
		}
		for y := range m.H {
			row := pixels[(plane*m.H+y)*stride:]
			for x := range m.W {
				row[x] = float32((float64(m.Pix[3*(y*m.W+x)+c])/255 - p.Mean[c]) / p.Std[c])
			}
		}
	}
}

// plainResize is bilinear between pixels, whatever the scale.
func plainResize(m *picture.Image, w, h int) *picture.Image {
	out := picture.New(w, h)
	place := func(i, to, from int) (int, int, float64) {
		at := max(0, (float64(i)+0.5)*float64(from)/float64(to)-0.5)
		first := min(int(at), from-1)
		return first, min(first+1, from-1), at - float64(first)
	}
	for y := range h {
		top, bottom, down := place(y, h, m.H)
		for x := range w {
			left, right, along := place(x, w, m.W)
			for c := range 3 {
				value := func(x, y int) float64 { return float64(m.Pix[3*(y*m.W+x)+c]) }
				upper := value(left, top)*(1-along) + value(right, top)*along
				lower := value(left, bottom)*(1-along) + value(right, bottom)*along
				out.Pix[3*(y*w+x)+c] = uint8(math.RoundToEven(upper*(1-down) + lower*down))
			}
		}
	}
	return out
}
