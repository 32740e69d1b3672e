package picture

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Tiler cuts a picture into square tiles, each a network's input, as the processors of
// Idefics3 and SmolVLM do: the longer side is resized to Longest (or the picture to H×W),
// then both sides up to multiples of Side, of which the tiles are cut; the whole picture,
// squashed to one tile, is the last. A picture that is no larger than a tile is one.
type Tiler struct {
	Longest int  // pixels of the longer side; 0: H and W are said
	H, W    int  // both 0 too: pictures are not resized at first
	Side    int  // of a tile
	Split   bool // false: the whole picture alone
	Filter  Filter

	values Processor // rescales and normalises
}

// Tiles are those of a picture.
type Tiles struct {
	Pixels        []float32 // [tiles, 3, Side, Side], row by row, the whole picture last
	Rows, Columns int       // zero of one tile
	Side          int
}

// Count is the number of tiles.
func (t Tiles) Count() int { return t.Rows*t.Columns + 1 }

// mostTileSide is the longest side that these processors resize to.
const mostTileSide = 4096

// tilerClasses are the processors that cut tiles, by their names before
// "ImageProcessor", with the model_types that they belong to. All have the same defaults.
var tilerClasses = map[string]string{"Idefics3": "idefics3", "SmolVLM": "smolvlm"}

// tilerConfig is what such a processor's config has beside others'.
type tilerConfig struct {
	hfConfig
	Split *bool           `json:"do_image_splitting"`
	Most  json.RawMessage `json:"max_image_size"`
}

// ParseTiler reads transformers' preprocessor_config.json, or processor_config.json with
// an image_processor, of Idefics3ImageProcessor or SmolVLMImageProcessor; nil where that
// has none. file names it in errors, modelType is that of the model's config.json.
func ParseTiler(file string, data []byte, modelType string) (*Tiler, error) {
	if file == "processor_config.json" {
		var c struct {
			Nested json.RawMessage `json:"image_processor"`
		}
		if err := decode(data, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !given(c.Nested) {
			return nil, nil
		}
		data, file = c.Nested, file+": image_processor"
	}
	t, err := parseTiler(data, modelType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

func parseTiler(data []byte, modelType string) (*Tiler, error) {
	var c tilerConfig
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	name := className(&c.hfConfig, "")
	if name == "" {
		for class, of := range tilerClasses {
			if of == modelType {
				name = class
			}
		}
	}
	if tilerClasses[name] == "" {
		return nil, fmt.Errorf("image_processor_type %q (model_type %q) cuts no tiles; expected Idefics3 or SmolVLM", c.Type+c.ExtractorType, modelType)
	}
	t := &Tiler{Split: or(c.Split, true), Filter: Lanczos}
	var err error
	if given(c.Resample) {
		if t.Filter, err = parseResample(c.Resample); err != nil {
			return nil, err
		}
	}
	if err := t.sizes(&c); err != nil {
		return nil, err
	}
	t.values.Normalize = or(c.DoNormalize, true)
	if or(c.DoRescale, true) {
		if t.values.Rescale = or(c.RescaleFactor, 1.0/255); t.values.Rescale == 0 {
			return nil, errors.New("rescale_factor is 0")
		}
	}
	if t.values.Mean, err = numbers(c.Mean, HalfMean); err != nil {
		return nil, fmt.Errorf("image_mean: %w", err)
	}
	if t.values.Std, err = numbers(c.Std, HalfStd); err != nil {
		return nil, fmt.Errorf("image_std: %w", err)
	}
	return t, t.Check()
}

// sizes reads size and max_image_size.
func (t *Tiler) sizes(c *tilerConfig) error {
	size, most := map[string]*int{}, map[string]*int{}
	for key, x := range map[string]struct {
		from      json.RawMessage
		otherwise string
		to        *map[string]*int
	}{"size": {c.Size, `{"longest_edge": 1456}`, &size}, "max_image_size": {c.Most, `{"longest_edge": 364}`, &most}} {
		from := x.from
		if !given(from) {
			from = json.RawMessage(x.otherwise)
		}
		if err := json.Unmarshal(from, x.to); err != nil {
			return fmt.Errorf("%s is %s; expected an object with longest_edge", key, from)
		}
	}
	if most["longest_edge"] == nil {
		return errors.New("max_image_size: expected an object with longest_edge")
	}
	t.Side = *most["longest_edge"]
	if !or(c.DoResize, true) {
		return nil
	}
	switch longest, h, w := size["longest_edge"], size["height"], size["width"]; {
	case longest != nil && *longest != 0:
		t.Longest = *longest
	case h != nil && w != nil:
		t.H, t.W = *h, *w
	default:
		return errors.New("size: expected longest_edge, or height and width")
	}
	return nil
}

// Check reports a tiler that cannot work.
func (t *Tiler) Check() error {
	resizes := t.Longest != 0 || t.H != 0 || t.W != 0
	switch {
	case !sensible(t.Side, t.Side):
		return fmt.Errorf("max_image_size: longest_edge is %d; expected 1 to %d pixels", t.Side, DefaultMaxSide)
	case t.Longest != 0 && !sensible(t.Longest, t.Longest) || resizes && t.Longest == 0 && !sensible(t.H, t.W):
		return fmt.Errorf("size is %d, or %d×%d; expected 1 to %d pixels a side", t.Longest, t.H, t.W, DefaultMaxSide)
	case t.Filter < Nearest || t.Filter > Hamming:
		return fmt.Errorf("resample is %d; expected 0 to 5", t.Filter)
	case t.values.Normalize && slices.Contains(t.values.Std[:], 0):
		return fmt.Errorf("image_std is %v; expected no zero", t.values.Std)
	}
	return nil
}

// Override is [Processor.Override] of what a tiler has: mean and deviation.
func (t *Tiler) Override(o Override) error {
	if o.Size != "" || o.Crop != "" {
		return errors.New("size and crop do not go with a network that sees tiles of its own size")
	}
	p := t.values
	p.Resize.Mode = NoResize
	if err := p.Override(o); err != nil {
		return err
	}
	t.values = p
	return nil
}

// first is the size after the first resize of a picture of w×h pixels.
func (t *Tiler) first(w, h int) (int, int) {
	switch {
	case t.Longest > 0:
		w, h = proportional(w, h, t.Longest, true)
		if max(w, h) > mostTileSide {
			w, h = proportional(w, h, mostTileSide, false)
		}
	case t.H > 0:
		w, h = t.W, t.H
	}
	return w, h
}

// proportional is a size whose longer side is so many pixels, the other rounded down and,
// if it is to be even, then up to an even number.
func proportional(w, h, longest int, even bool) (int, int) {
	aspect := float64(w) / float64(h)
	other := func(v float64) int {
		n := int(v)
		if even && n%2 != 0 {
			n++
		}
		return max(n, 1)
	}
	if w >= h {
		return longest, other(float64(longest) / aspect)
	}
	return other(float64(longest) * aspect), longest
}

// whole is the size, in multiples of a tile's, that a picture of w×h pixels is resized to
// before it is cut.
func (t *Tiler) whole(w, h int) (int, int) {
	up := func(n int) int { return (n + t.Side - 1) / t.Side * t.Side }
	aspect := float64(w) / float64(h)
	if w >= h {
		w = up(w)
		return w, up(int(float64(w) / aspect))
	}
	h = up(h)
	return up(int(float64(h) * aspect)), h
}

// Grid is how many rows and columns of tiles a picture of w×h pixels is cut into, zero of
// one that is one tile.
func (t *Tiler) Grid(w, h int) (rows, columns int) {
	if !t.Split {
		return 0, 0
	}
	w, h = t.whole(t.first(w, h))
	if w <= t.Side && h <= t.Side {
		return 0, 0
	}
	return h / t.Side, w / t.Side
}

// Apply cuts a picture.
func (t *Tiler) Apply(m *Image) (Tiles, error) {
	w, h := t.first(m.W, m.H)
	m, err := m.Resize(w, h, t.Filter)
	if err != nil {
		return Tiles{}, err
	}
	out := Tiles{Side: t.Side}
	if t.Split {
		w, h = t.whole(w, h)
		if m, err = m.Resize(w, h, t.Filter); err != nil {
			return Tiles{}, err
		}
		if w > t.Side || h > t.Side {
			out.Rows, out.Columns = h/t.Side, w/t.Side
		}
	}
	for i := range out.Rows * out.Columns {
		x, y := i%out.Columns*t.Side, i/out.Columns*t.Side
		out.Pixels = append(out.Pixels, t.values.values(m.cut(window{x, y, x + t.Side, y + t.Side}))...)
	}
	if m, err = m.Resize(t.Side, t.Side, t.Filter); err != nil {
		return Tiles{}, err
	}
	out.Pixels = append(out.Pixels, t.values.values(m)...)
	return out, nil
}
