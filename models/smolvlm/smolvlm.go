package smolvlm

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/llama"
	"saccade/models/nn"
	"saccade/models/vit"
	"saccade/ops"
)

// Config is what a model's size depends on.
type Config struct {
	Vision     vit.Config
	Text       llama.Config
	Scale      int    // this many patches in a column, and in a row, become one token
	ImageToken uint32 // the id in place of which a token of an image stands
	// KeepsEmpty says that of images that are all padding the first is none (SmolVLM).
	KeepsEmpty bool
	End        []uint32 // ids that end a text, where generation_config.json names none
	Pad        uint32
}

// Model is a SmolVLM.
type Model struct {
	Config

	Vision    *vit.Model   `w:"vision"`
	Projector ops.Linear   `w:"projector"`
	Text      *llama.Model `w:"text"`

	b        *ops.Builder
	shuffles map[[2]int]*gpu.Tensor // by images and patches in a column
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, shuffles: map[[2]int]*gpu.Tensor{}}
	var err error
	if m.Vision, err = vit.New(b, c.Vision); err != nil {
		return nil, err
	}
	if m.Text, err = llama.New(b, c.Text); err != nil {
		return nil, err
	}
	blocks := c.Scale * c.Scale
	m.Projector = b.Linear(blocks*c.Vision.Width, c.Text.Width, false, ops.Grouped{In: blocks})
	return m, nil
}

// see is the tokens of images [I, C, H, H], in order: [I·S, D].
func (m *Model) see(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.Vision.Encode(r, pixels) // [I P V]
	side := pixels.Shape[2] / m.Config.Vision.Patch[0]
	x = ops.Flatten(r, ops.Rows(r, x, m.shuffle(pixels.Shape[0], side))) // [I·S s²·V]
	x = m.Projector.Forward(r, x)
	r.Output("image_hidden_states", x)
	return x
}

// shuffle says which patches of images become one token, [I·S, s, s]: the tokens row by
// row, and in each its patches (pixel_shuffle).
func (m *Model) shuffle(images, side int) *gpu.Tensor {
	key := [2]int{images, side}
	if t, ok := m.shuffles[key]; ok {
		return t
	}
	var index []uint32
	s := m.Scale
	for at := range images * (side / s) * (side / s) {
		image, y, x := at/(side/s)/(side/s), at/(side/s)%(side/s), at%(side/s)
		for patch := range s * s {
			index = append(index, uint32((image*side+y*s+patch/s)*side+x*s+patch%s))
		}
	}
	t := m.b.Index("shuffle", index, len(index)/s/s, s, s)
	m.shuffles[key] = t
	return t
}

// embed is the embeddings of a step's tokens, with those of images where they stand.
func (m *Model) embed(r *gpu.Recorder, s nn.Step) *gpu.Tensor {
	x := m.Text.Embed(r, s.IDs)
	if s.Shown != nil && len(s.Memory) > 0 {
		x = ops.RowsOver(r, x, s.Memory[0], s.Shown)
	}
	r.Tap("text.embeddings", x)
	return x
}

// check refuses what no network can be made of.
func (c Config) check() error {
	grid := c.Vision.Image[0] / max(1, c.Vision.Patch[0])
	switch {
	case c.Scale < 1 || c.Scale > 64:
		return fmt.Errorf("config.json: scale_factor is %d; expected 1 to 64", c.Scale)
	case int(c.ImageToken) >= c.Text.Vocab:
		return fmt.Errorf("config.json: image_token_id is %d; the vocabulary has %d tokens", c.ImageToken, c.Text.Vocab)
	case c.Vision.Channels != 3:
		return fmt.Errorf("config.json: vision_config: num_channels is %d; 3 is supported", c.Vision.Channels)
	case grid%c.Scale != 0:
		return fmt.Errorf("config.json: images of %d patches a side can't be joined by a scale_factor of %d; expected a divisor", grid, c.Scale)
	}
	return nil
}
