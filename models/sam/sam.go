package sam

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Config is what a network's size depends on.
type Config struct {
	Vision *VisionConfig  // the image encoder of SAM, or nil
	Tiny   *TinyViTConfig // of MobileSAM, or nil
	Second *SecondConfig  // of SAM 2 and what else differs in it, or nil

	Points  int // Fourier features of the prompt encoder, half its width
	Decoder DecoderConfig
}

// encoder is the image encoder of a configuration, one of three.
type encoder interface {
	check() error
	image() int    // pixels a side of the pictures, 0: any that the map's are a 16th of
	channels() int // of the pictures
	side() int     // of the map, tokens, 0: as that of the pictures
	out() int      // channels of the map
}

func (c Config) encoder() encoder {
	switch {
	case c.Tiny != nil:
		return c.Tiny
	case c.Second != nil:
		return c.Second
	}
	return c.Vision
}

// Model is a SAM.
type Model struct {
	Config

	Vision  *ViT     `w:"vision"` // or nil
	Tiny    *TinyViT `w:"tiny"`   // or nil
	Second  *Second  `w:"second"` // or nil
	Prompt  Prompt   `w:"prompt"`
	Decoder Decoder  `w:"decoder"`

	b       *ops.Builder
	grids   map[[2]int]*ops.Table // by the size of a map: see places
	none    *ops.Table            // see noMask
	indexes map[expansion]*gpu.Tensor
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, Prompt: newPrompt(b, c.Points, c.Decoder.Width), Decoder: newDecoder(b, c.Decoder),
		b: b, grids: map[[2]int]*ops.Table{}, indexes: map[expansion]*gpu.Tensor{}}
	switch {
	case c.Tiny != nil:
		m.Tiny = newTinyViT(b, *c.Tiny)
	case c.Second != nil:
		m.Second = newSecond(b, *c.Second)
	default:
		m.Vision = newViT(b, *c.Vision)
	}
	return m, nil
}

// check refuses what no network can be made of.
func (c Config) check() error {
	e := c.encoder()
	if err := e.check(); err != nil {
		return err
	}
	if err := c.Decoder.check(); err != nil {
		return err
	}
	switch {
	case e.out() != c.Decoder.Width:
		return fmt.Errorf("the image encoder gives %d channels and the mask decoder takes %d; expected as many", e.out(), c.Decoder.Width)
	case 2*c.Points != c.Decoder.Width:
		return fmt.Errorf("points have %d Fourier features, which make %d channels of the %d that the mask decoder takes", c.Points, 2*c.Points, c.Decoder.Width)
	}
	return nil
}

// Encode records the image encoder on images [N, C, H, W] and returns its map [N, h, w, D],
// before which stand SAM 2's finer ones, [N, 4h, 4w, D/8] and [N, 2h, 2w, D/4]. Its outputs
// are image_embeddings [N, D, h, w], of SAM 2 image_embeddings.0 to .2.
func (m *Model) Encode(r *gpu.Recorder, pixels *gpu.Tensor) (maps []*gpu.Tensor) {
	switch {
	case m.Tiny != nil:
		maps = []*gpu.Tensor{m.Tiny.forward(r, pixels)}
	case m.Second != nil:
		maps = m.Second.forward(r, pixels)
	default:
		maps = []*gpu.Tensor{m.Vision.forward(r, pixels)}
	}
	for i, name := range m.embeddings() {
		r.OutputNCHW(name, maps[i])
	}
	return maps
}

// embeddings are the names of the maps.
func (c Config) embeddings() []string {
	if c.Second == nil {
		return []string{embeddings}
	}
	return []string{embeddings + ".0", embeddings + ".1", embeddings + ".2"}
}

// Decode records the masks that prompts ask for of maps as [Model.Encode] gives them: a
// number of sets of prompts for each map, R in all. Its outputs are the logits of all masks,
// pred_masks [R, masks, 4h, 4w], what the network takes their quality for, iou_scores
// [R, masks], and SAM 2's object_score_logits [R, 1], of there being something.
func (m *Model) Decode(r *gpu.Recorder, maps []*gpu.Tensor, p *prompts) {
	last := len(maps) - 1
	x := maps[last]
	rows := x.Shape[0]
	var sparse *gpu.Tensor
	if p != nil {
		sparse = m.Prompt.forward(r, p) // [R T D]
		r.Tap("prompt", sparse)
		rows = sparse.Shape[0]
	}
	places := m.places(x.Shape[1], x.Shape[2])
	x = ops.AddTable(r, x, m.noMask())
	masks, scores, object := m.Decoder.forward(r, rows, sparse, x, maps[:last], places, m.expand)
	r.OutputNCHW("pred_masks", masks)
	r.Output("iou_scores", scores)
	if object != nil {
		r.Output("object_score_logits", object)
	}
}

// places are the Fourier features of each place of a map, [h·w, D].
func (m *Model) places(h, w int) *ops.Table {
	size := [2]int{h, w}
	if t, ok := m.grids[size]; ok {
		return t
	}
	t := m.b.Table("positions", h*w, m.Decoder.Width)
	m.grids[size] = t
	m.b.Later(func() error {
		var values []float32
		for i := range h * w {
			for _, v := range m.Prompt.Fourier.At((float64(i%w)+0.5)/float64(w), (float64(i/w)+0.5)/float64(h)) {
				values = append(values, float32(v))
			}
		}
		return t.Upload(values)
	})
	return t
}

// noMask is what is added to each place of a map where no mask is a prompt, [1, D].
func (m *Model) noMask() *ops.Table {
	if m.none == nil {
		m.none = m.b.Table("no_mask", 1, m.Decoder.Width)
		m.b.Later(func() error { return m.none.Upload(m.Prompt.NoMask.Values) })
	}
	return m.none
}

// expansion is how many rows there are to be of each item of so many tokens.
type expansion struct{ items, rows, h, w int }

// expand repeats the items of x [N, h, w, C] for the prompts of each: [rows, h, w, C].
func (m *Model) expand(r *gpu.Recorder, x *gpu.Tensor, rows int) *gpu.Tensor {
	if rows == x.Shape[0] {
		return x
	}
	e := expansion{x.Shape[0], rows, x.Shape[1], x.Shape[2]}
	index, ok := m.indexes[e]
	if !ok {
		tokens := e.h * e.w
		values := make([]uint32, rows*tokens)
		for i := range values {
			values[i] = uint32(i/tokens/(rows/e.items)*tokens + i%tokens)
		}
		index = m.b.Index("expansion", values, rows, e.h, e.w)
		m.indexes[e] = index
	}
	return ops.Rows(r, x, index)
}
