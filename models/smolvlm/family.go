package smolvlm

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Family is SmolVLM, SmolVLM2 and Idefics3.
var Family = nn.Family{
	Name:      "smolvlm",
	About:     "answers about images, in turns: SmolVLM and SmolVLM2",
	Weights:   "a folder or hub id of transformers (Idefics3ForConditionalGeneration, SmolVLMForConditionalGeneration)",
	Texts:     true,
	Writes:    true,
	Converses: true,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: named, Make: c.layers}, nil
	},
}

// layers makes the layers with their networks.
func (c Config) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	l := &nn.Layers{Parameters: m, Decoder: m.decoder()}
	l.Networks = []*nn.Network{l.Decoder.Forced()}
	return l, nil
}

// pixelMask is the name of the input that says which pixels are no padding.
const pixelMask = "pixel_attention_mask"

// inputs are those of images: tiles of pictures, as many of each item, of which those of
// zeros are padding.
func (m *Model) inputs() []nn.Input {
	least := m.Config.Vision.Patch[0] * m.Scale
	high, wide := nn.Dim{Name: "H", Least: least}, nn.Dim{Name: "W", Least: least}
	return []nn.Input{
		{Name: nn.PixelValues, Dims: nn.Dims("N", "tiles", 3, high, wide), Optional: true, Convert: m.real},
		{Name: pixelMask, Dims: nn.Dims("N", "tiles", high, wide), Optional: true, Convert: m.wholeTiles},
	}
}

// square refuses tiles that the class makes no tokens of.
func (m *Model) square(sizes map[string]int) error {
	h, w, patch := sizes["H"], sizes["W"], m.Config.Vision.Patch[0]
	if h != w || h/patch%m.Scale != 0 {
		return fmt.Errorf("%s: tiles of %d×%d pixels are %d×%d patches; expected a square whose sides are multiples of %d", nn.PixelValues, h, w, h/patch, w/patch, m.Scale)
	}
	return nil
}

func (m *Model) decoder() *nn.Decoder {
	return &nn.Decoder{
		Vocab: m.Config.Text.Vocab, Context: m.Config.Text.Context, End: m.End, Pad: m.Pad,
		IDs: nn.InputIDs, Mask: nn.AttentionMask,
		Begin:  func(ids []uint32) []uint32 { return ids },
		Inputs: m.inputs(), Check: m.square,
		Complete: m.complete,
		Usual:    map[string]int{"tiles": 1, "H": m.Config.Vision.Image[0], "W": m.Config.Vision.Image[1]},
		Remember: func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor {
			if in[nn.PixelValues] == nil {
				return nil
			}
			return []*gpu.Tensor{m.see(r, in[nn.PixelValues])}
		},
		Shown: m.shown, Conversation: m.conversation(),
		Caches: m.Config.Text.Caches(),
		States: func(r *gpu.Recorder, s nn.Step) *gpu.Tensor { return m.Text.States(r, "text.", m.embed(r, s), s) },
		Logits: m.Text.Logits,
	}
}

// imageTokens is how many tokens a tile of the usual size is.
func (m *Model) imageTokens() int {
	side := m.Config.Vision.Image[0] / m.Config.Vision.Patch[0] / m.Scale
	return side * side
}

// complete gives each text of an example a tile, whose tokens stand behind its first.
func (m *Model) complete(in map[string]nn.Array, items int, seed uint64) {
	n, image := m.imageTokens(), m.Config.Vision.Image
	length := in[nn.InputIDs].Shape[1]
	if length = max(length, n+4); length > m.Config.Text.Context {
		return
	}
	ids := nn.Array{Shape: []int{items, length}}
	other := float32((m.ImageToken + 1) % uint32(m.Config.Text.Vocab))
	for i := range items * length {
		at, id := i%length, in[nn.InputIDs].Data[i%len(in[nn.InputIDs].Data)]
		switch {
		case at >= 1 && at <= n:
			id = float32(m.ImageToken)
		case id == float32(m.ImageToken):
			id = other
		}
		ids.Data = append(ids.Data, id)
	}
	in[nn.InputIDs] = ids
	shape := []int{items, 1, 3, image[0], image[1]}
	in[nn.PixelValues] = nn.Array{Shape: shape, Data: nn.Normals(items*3*image[0]*image[1], seed)}
}

// tile is tile i of an array [N, tiles, …].
func tile(a nn.Array, i int) []float32 {
	size := len(a.Data) / (a.Shape[0] * a.Shape[1])
	return a.Data[i*size : (i+1)*size]
}

// realTiles are the numbers of the tiles that are no padding.
func (m *Model) realTiles(pixels nn.Array) []int {
	var all []int
	for i := range pixels.Shape[0] * pixels.Shape[1] {
		for _, v := range tile(pixels, i) {
			if v != 0 {
				all = append(all, i)
				break
			}
		}
	}
	if len(all) == 0 && m.KeepsEmpty {
		return []int{0}
	}
	return all
}

// real are the tiles that are no padding, [I, 3, H, W].
func (m *Model) real(in map[string]nn.Array) (nn.Array, error) {
	pixels := in[nn.PixelValues]
	tiles := m.realTiles(pixels)
	if len(tiles) == 0 {
		return nn.Array{}, fmt.Errorf("all tiles are zeros, which are padding; leave them out")
	}
	a := nn.Array{Shape: append([]int{len(tiles)}, pixels.Shape[2:]...)}
	for _, i := range tiles {
		a.Data = append(a.Data, tile(pixels, i)...)
	}
	return a, nil
}

// wholeTiles refuses a mask that hides patches of tiles that are no padding.
func (m *Model) wholeTiles(in map[string]nn.Array) (nn.Array, error) {
	mask, pixels := in[pixelMask], in[nn.PixelValues]
	if pixels.Data == nil {
		return nn.Array{}, fmt.Errorf("there is no %s that it is of", nn.PixelValues)
	}
	w, patch := mask.Shape[3], m.Config.Vision.Patch[0]
	for _, i := range m.realTiles(pixels) {
		seen := map[[2]int]bool{}
		for at, v := range tile(mask, i) {
			if v != 0 {
				seen[[2]int{at / w / patch, at % w / patch}] = true
			}
		}
		if whole := (mask.Shape[2] / patch) * (w / patch); len(seen) < whole {
			return nn.Array{}, fmt.Errorf("tile %d has patches that are hidden, %d of %d; only whole tiles can be padding", i, whole-len(seen), whole)
		}
	}
	return nn.Array{}, nil
}

// shown are the tokens of images in order, in place of the image token of texts.
func (m *Model) shown(in map[string]nn.Array, texts [][]uint32) ([]uint32, error) {
	pixels, ok := in[nn.PixelValues]
	if !ok {
		return nil, nil
	}
	side := pixels.Shape[3] / m.Config.Vision.Patch[0] / m.Scale
	tiles := len(m.realTiles(pixels))
	var which []uint32
	next := 0
	for _, text := range texts {
		for _, id := range text {
			row := uint32(nn.Unshown)
			if id == m.ImageToken {
				row = uint32(next)
				next++
			}
			which = append(which, row)
		}
	}
	if next != tiles*side*side {
		return nil, fmt.Errorf("found %d image tokens (id %d) and %d tiles of %d tokens; expected as many", next, m.ImageToken, tiles, side*side)
	}
	return which, nil
}
