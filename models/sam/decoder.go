package sam

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// DecoderConfig is what the mask decoder's size depends on.
type DecoderConfig struct {
	Width, Depth int
	Heads, MLP   int
	Downsample   int // the width by that of the layers' attentions between tokens and the map
	Final        int // the same of the attention behind the layers
	Masks        int // that are given for one prompt that may mean several things
	ScoreDepth   int // layers of the head that judges masks
	ScoreWidth   int // of those between
	Act          ops.Activation
	Eps          float64 // of the layers' norms
	// Objects says that there is a token for whether there is something to mask, that scores
	// go through a sigmoid, and that finer maps are added on the way up: SAM 2.
	Objects bool
}

// Eps of norms that no configuration tells.
const (
	finalEps   = 1e-5
	upscaleEps = 1e-6
)

// hyperDepth is the layers of a perceptron that makes a mask's weights of its token.
const hyperDepth = 3

// Decoder makes masks of a map and of embedded prompts.
type Decoder struct {
	ObjectToken *ops.Parameter `w:"obj_score_token"` // [1, D], or nil
	ScoreToken  *ops.Parameter `w:"iou_token"`       // [1, D]
	MaskTokens  *ops.Parameter `w:"mask_tokens"`     // [1 + masks, D]
	Layers      []TwoWay       `w:"layers"`
	Last        Attention      `w:"final"`
	Norm        ops.LayerNorm  `w:"norm"`

	Up1    ops.ConvTranspose2d `w:"up1"`
	UpNorm ops.LayerNorm       `w:"up_norm"`
	Up2    ops.ConvTranspose2d `w:"up2"`
	Hyper  []MLP               `w:"hyper"` // a mask each: the weights of the map's channels
	Score  MLP                 `w:"score"`
	Object *MLP                `w:"object"` // or nil

	DecoderConfig
	b      *ops.Builder
	tokens map[int]*ops.Table    // the decoder's own tokens before so many of prompts
	stacks map[int][]*gpu.Tensor // by rows: see stack
}

// TwoWay is a layer in which tokens look at each other and at the map, and the map at
// the tokens.
type TwoWay struct {
	Self     Attention     `w:"self"`
	Norm1    ops.LayerNorm `w:"norm1"`
	ToImage  Attention     `w:"to_image"`
	Norm2    ops.LayerNorm `w:"norm2"`
	FC1      ops.Linear    `w:"mlp.fc1"`
	FC2      ops.Linear    `w:"mlp.fc2"`
	Norm3    ops.LayerNorm `w:"norm3"`
	ToTokens Attention     `w:"to_tokens"`
	Norm4    ops.LayerNorm `w:"norm4"`

	act ops.Activation
}

// Attention is attention in a width of its own.
type Attention struct {
	Q    ops.Linear `w:"q"`
	K    ops.Linear `w:"k"`
	V    ops.Linear `w:"v"`
	Proj ops.Linear `w:"proj"`
}

// MLP is linear layers with ReLU between them.
type MLP struct {
	Layers []ops.Linear `w:"layers"`
}

func (c DecoderConfig) check() error {
	for name, v := range map[string]int{
		"hidden_size": c.Width, "num_hidden_layers": c.Depth, "num_attention_heads": c.Heads, "mlp_dim": c.MLP, "attention_downsample_rate": c.Final, "width between tokens and map": c.Downsample,
		"num_multimask_outputs": c.Masks, "iou_head_depth": c.ScoreDepth, "iou_head_hidden_dim": c.ScoreWidth,
	} {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the mask decoder's %s is %d; expected 1 to %d", name, v, 1<<16)
		}
	}
	inner, final := c.Width/c.Downsample, c.Width/c.Final
	switch {
	case c.Width%8 != 0:
		return fmt.Errorf("the mask decoder's hidden_size is %d; expected a multiple of 8, for its map has an eighth", c.Width)
	case c.Width%c.Heads != 0 || inner == 0 || inner%c.Heads != 0 || final == 0 || final%c.Heads != 0:
		return fmt.Errorf("the mask decoder's widths of %d, %d and %d do not make its %d heads", c.Width, inner, final, c.Heads)
	case c.ScoreDepth < 2 || c.ScoreDepth > maxDepth:
		return fmt.Errorf("the mask decoder's iou_head_depth is %d; expected 2 to %d", c.ScoreDepth, maxDepth)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("the mask decoder's layer_norm_eps is %g; it must be between 0 and 1", c.Eps)
	}
	return nil
}

func newDecoder(b *ops.Builder, c DecoderConfig) Decoder {
	d := Decoder{DecoderConfig: c, b: b, tokens: map[int]*ops.Table{}, stacks: map[int][]*gpu.Tensor{},
		ScoreToken: &ops.Parameter{Shape: []int{1, c.Width}}, MaskTokens: &ops.Parameter{Shape: []int{1 + c.Masks, c.Width}},
		Last: newAttention(b, c, c.Final), Norm: b.LayerNorm(c.Width, finalEps),
		Up1: b.ConvTranspose2d(ops.Magnify(c.Width, c.Width/4, 2)), UpNorm: b.LayerNorm(c.Width/4, upscaleEps),
		Up2:   b.ConvTranspose2d(ops.Magnify(c.Width/4, c.Width/8, 2)),
		Score: newMLP(b, c.Width, c.ScoreWidth, 1+c.Masks, c.ScoreDepth),
	}
	for range c.Depth {
		d.Layers = append(d.Layers, TwoWay{
			Self: newAttention(b, c, 1), ToImage: newAttention(b, c, c.Downsample), ToTokens: newAttention(b, c, c.Downsample),
			Norm1: b.LayerNorm(c.Width, c.Eps), Norm2: b.LayerNorm(c.Width, c.Eps), Norm3: b.LayerNorm(c.Width, c.Eps), Norm4: b.LayerNorm(c.Width, c.Eps),
			FC1: b.Linear(c.Width, c.MLP, true), FC2: b.Linear(c.MLP, c.Width, true), act: c.Act,
		})
	}
	if c.Objects {
		object := newMLP(b, c.Width, c.Width, 1, hyperDepth)
		d.ObjectToken, d.Object = &ops.Parameter{Shape: []int{1, c.Width}}, &object
	}
	for range 1 + c.Masks {
		d.Hyper = append(d.Hyper, newMLP(b, c.Width, c.Width, c.Width/8, hyperDepth))
	}
	return d
}

func newAttention(b *ops.Builder, c DecoderConfig, downsample int) Attention {
	inner, heads := c.Width/downsample, ops.Grouped{Out: c.Heads}
	return Attention{
		Q: b.Linear(c.Width, inner, true, heads), K: b.Linear(c.Width, inner, true, heads), V: b.Linear(c.Width, inner, true, heads),
		Proj: b.Linear(inner, c.Width, true, ops.Grouped{In: c.Heads}),
	}
}

func newMLP(b *ops.Builder, in, hidden, out, depth int) (m MLP) {
	for i := range depth {
		to := hidden
		if i == depth-1 {
			to = out
		}
		m.Layers, in = append(m.Layers, b.Linear(in, to, true)), to
	}
	return m
}

// forward is the attention of q to k and v, projected, with what the options say.
func (a *Attention) forward(r *gpu.Recorder, q, k, v *gpu.Tensor, options ...ops.Epilogue) *gpu.Tensor {
	return a.Proj.Forward(r, ops.CrossAttention(r, a.Q.Forward(r, q), a.K.Forward(r, k), a.V.Forward(r, v), ops.Mask{}), options...)
}

// forward is the perceptron of x, with what the options say of its last layer.
func (m *MLP) forward(r *gpu.Recorder, x *gpu.Tensor, options ...ops.Epilogue) *gpu.Tensor {
	last := len(m.Layers) - 1
	for i := range last {
		x = m.Layers[i].Forward(r, x, ops.Then(ops.ReLU))
	}
	return m.Layers[last].Forward(r, x, options...)
}

// forward gives the logits of all masks [R, 4h, 4w, 1 + masks], their scores [R, 1 + masks]
// and, or nil, the logit of there being something [R, 1], for rows of prompts [R, T, D]
// (nil: none) about maps x [N, h, w, D], each of as many. fine are maps that are added on
// the way up, the finest first, or none; expand repeats maps for the prompts of each.
func (d *Decoder) forward(r *gpu.Recorder, rows int, prompts, x *gpu.Tensor, fine []*gpu.Tensor, places *ops.Table, expand expander) (masks, scores, object *gpu.Tensor) {
	first := d.all(r, rows, prompts) // [R 5+T D]
	r.Tap("tokens", first)
	q := first
	for i := range d.Layers {
		r.Enter(fmt.Sprintf("decoder.layers.%d", i))
		q, x = d.Layers[i].forward(r, q, first, x, places, i == 0, expand)
		r.Leave()
		r.Tap(fmt.Sprintf("decoder.tokens.%d", i), q)
		r.Tap(fmt.Sprintf("decoder.map.%d", i), x)
	}
	q = d.Norm.Forward(r, d.Last.forward(r, ops.Add(r, q, first, 1), ops.AddTable(r, x, places), x, ops.Residual(q)))
	score := []ops.Epilogue{ops.Floats()}
	at := d.own() - len(d.Hyper) - 1 // of the token for scores
	if d.Object != nil {
		object = d.Object.forward(r, ops.Mean(r, q, 0, 1), ops.Floats())
		score = append(score, ops.Then(ops.Sigmoid))
	}
	return ops.Products(r, d.up(r, x, rows, fine, expand), d.hyper(r, q)), d.Score.forward(r, ops.Mean(r, q, at, at+1), score...), object
}

// up enlarges the map x [R, h, w, D] four times: [R, 4h, 4w, D/8].
func (d *Decoder) up(r *gpu.Recorder, x *gpu.Tensor, rows int, fine []*gpu.Tensor, expand expander) *gpu.Tensor {
	x = d.Up1.Forward(r, x)
	if len(fine) == 0 {
		return d.Up2.Forward(r, ops.Apply(r, d.UpNorm.Forward(r, x), ops.GELU), ops.Then(ops.GELU))
	}
	x = ops.Apply(r, d.UpNorm.Forward(r, ops.Add(r, x, expand(r, fine[1], rows), 1)), ops.GELU)
	return ops.Apply(r, ops.Add(r, d.Up2.Forward(r, x), expand(r, fine[0], rows), 1), ops.GELU)
}

// own is the number of the decoder's own tokens: maybe one for whether there is something,
// one for scores, and one for each mask.
func (d *Decoder) own() int {
	n := 1 + len(d.Hyper)
	if d.Object != nil {
		n++
	}
	return n
}

// expander repeats maps [N, h, w, C] for rows of prompts.
type expander func(r *gpu.Recorder, x *gpu.Tensor, rows int) *gpu.Tensor

// all is the decoder's own tokens and those of the prompts behind them: [R, own + T, D].
func (d *Decoder) all(r *gpu.Recorder, rows int, prompts *gpu.Tensor) *gpu.Tensor {
	if prompts == nil {
		return d.table(0).Repeat(r, rows)
	}
	return ops.Tokens(r, prompts, d.table(prompts.Shape[1]))
}

// table is the decoder's tokens and zeros for so many of prompts.
func (d *Decoder) table(more int) *ops.Table {
	if t, ok := d.tokens[more]; ok {
		return t
	}
	t := d.b.Table("tokens", d.own()+more, d.Width)
	d.tokens[more] = t
	d.b.Later(func() error {
		var values []float32
		if d.ObjectToken != nil {
			values = append(values, d.ObjectToken.Values...)
		}
		values = append(append(values, d.ScoreToken.Values...), d.MaskTokens.Values...)
		return t.Upload(append(values, make([]float32, more*d.Width)...))
	})
	return t
}

// hyper are the weights that each mask gives the map's channels, of the tokens q: [R, 1 + masks, D/8].
func (d *Decoder) hyper(r *gpu.Recorder, q *gpu.Tensor) *gpu.Tensor {
	at := d.own() - len(d.Hyper)
	stacked := d.Hyper[0].forward(r, ops.Mean(r, q, at, at+1)) // [R D/8]
	for i, index := range d.stack(q.Shape[0]) {
		if i == 0 {
			stacked = ops.Rows(r, stacked, index)
			continue
		}
		stacked = ops.RowsOver(r, stacked, d.Hyper[i].forward(r, ops.Mean(r, q, at+i, at+i+1)), index)
	}
	return stacked
}

// stack are, for each mask, the indexes that put its row of rows beside those of the others.
func (d *Decoder) stack(rows int) []*gpu.Tensor {
	if all, ok := d.stacks[rows]; ok {
		return all
	}
	var all []*gpu.Tensor
	for i := range d.Hyper {
		index := make([]uint32, rows*len(d.Hyper))
		for at := range index {
			if index[at] = ops.NoRow; at%len(d.Hyper) == i {
				index[at] = uint32(at / len(d.Hyper))
			}
		}
		all = append(all, d.b.Index("stack", index, rows, len(d.Hyper)))
	}
	d.stacks[rows] = all
	return all
}

// forward is the tokens q [R, T, D] and the map x [N, h, w, D], which is [R, h, w, D] behind
// the first layer. at are the tokens that the first layer got, which say what and where
// each is, places the map's.
func (l *TwoWay) forward(r *gpu.Recorder, q, at, x *gpu.Tensor, places *ops.Table, first bool, expand expander) (tokens, image *gpu.Tensor) {
	if first {
		q = l.Norm1.Forward(r, l.Self.forward(r, q, q, q))
	} else {
		placed := ops.Add(r, q, at, 1)
		q = l.Norm1.Forward(r, l.Self.forward(r, placed, placed, q, ops.Residual(q)))
	}
	placed := ops.AddTable(r, x, places)
	q = l.Norm2.Forward(r, l.ToImage.forward(r, ops.Add(r, q, at, 1), placed, x, ops.Residual(q)))
	q = l.Norm3.Forward(r, l.FC2.Forward(r, l.FC1.Forward(r, q, ops.Then(l.act)), ops.Residual(q)))

	rows := q.Shape[0]
	a := &l.ToTokens
	look := ops.CrossAttention(r, expand(r, a.Q.Forward(r, placed), rows), a.K.Forward(r, ops.Add(r, q, at, 1)), a.V.Forward(r, q), ops.Mask{})
	return q, l.Norm4.Forward(r, a.Proj.Forward(r, look, ops.Residual(expand(r, x, rows))))
}
