package nn

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/ops"
)

// Decoder is what more there is to know of layers that write a text, a token after the
// other.
type Decoder struct {
	Vocab   int // ids of tokens
	Context int // the most tokens of a text
	// Begin is what a text goes on from, of the ids that were given for it (nil: none). A
	// nil Begin has Start stand first, or what the checkpoint's generation_config.json
	// names, unless the ids begin with it.
	Begin func(ids []uint32) []uint32
	// Start are tokens that begin a text and are none of its words.
	Start []uint32
	// End are tokens that end a text, Pad fills what is behind one: the checkpoint's
	// generation_config.json may name others unless OwnEnd.
	End    []uint32
	Pad    uint32
	OwnEnd bool
	// Words is the input for a user's words, such as a question; "": texts begin with them.
	Words string
	// IDs and Mask are the names of the inputs that teacher-forced passes take the text
	// by.
	IDs, Mask string
	// Inputs are those of what a text is about, such as pixel_values; Image is what more
	// there is to know of them if there are images among them.
	Inputs []Input
	Usual  map[string]int // their sizes by name
	Check  func(sizes map[string]int) error
	Image  *Image
	// Complete is Network.Complete of examples with a text; nil: nothing.
	Complete func(in map[string]Array, items int, seed uint64)
	// Looks begins the names of the attention probabilities to an image's patches, one of
	// each layer behind a dot, [N, heads, tokens, S]; "": there are none. LooksOf is the
	// input whose tokens they are of, "": the text's own.
	Looks, LooksOf string
	// Remember records what is read once of the inputs and gives what every step needs
	// of it, such as the keys and values of cross-attentions.
	Remember func(r *gpu.Recorder, in map[string]*gpu.Tensor) []*gpu.Tensor
	// Shown says which row of the first of Memory each token of texts shows, [R, T]; one of
	// [Unshown] shows none, as those do that are written. In are the inputs. Nil: no token
	// shows any.
	Shown func(in map[string]Array, texts [][]uint32) ([]uint32, error)
	// Conversation is of a decoder that is talked to, or nil.
	Conversation *Conversation
	// Caches are the widths of the keys and values of self-attentions.
	Caches Caches
	// Positions are the embedding's numbers of tokens that stand behind so many others of
	// their text; nil: how many stand before each.
	Positions func(ids []uint32, before int) []uint32
	// States records tokens and gives their states before the head, [R, T, D]; Logits is
	// the head: f32 [R, T, Vocab].
	States func(r *gpu.Recorder, s Step) *gpu.Tensor
	Logits func(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
}

// Caches are the sizes of what the self-attentions of a decoder keep of a token: in each
// layer keys and values of so many heads.
type Caches struct{ Layers, Heads, Width int }

// Step is what a recording of tokens sees.
type Step struct {
	IDs       *gpu.Tensor // u32 [R, T]
	Positions *gpu.Tensor // u32 [R, T]
	Shown     *gpu.Tensor // u32 [R, T], or nil: see [Decoder.Shown]
	Memory    []*gpu.Tensor
	// Cache holds the tokens before; nil: there are none, and of the tokens Lengths [R]
	// are no padding (nil: all).
	Cache   *ops.Cache
	Lengths *gpu.Tensor
}

// Unshown is of a token that shows no row of memory: whole numbers of arrays end below it.
const Unshown = 1<<24 - 1

// positions and shown are the names of inputs that Forced makes.
const (
	positions = "position_ids"
	shown     = "shown"
)

// Place are the numbers of the positions of the tokens of texts behind so many of each.
func (d *Decoder) Place(texts [][]uint32, before int) []uint32 {
	var all []uint32
	for _, ids := range texts {
		all = append(all, d.place(ids[before:], before)...)
	}
	return all
}

func (d *Decoder) place(ids []uint32, before int) []uint32 {
	if d.Positions != nil {
		return d.Positions(ids, before)
	}
	all := make([]uint32, len(ids))
	for i := range all {
		all[i] = uint32(before + i)
	}
	return all
}

// Counted makes positions of the ids of that name, [N, T]: the number of each in its row.
func Counted(ids string) func(in map[string]Array) (Array, error) {
	d := Decoder{}
	return d.counted(ids)
}

// counted makes positions of ids that were found to be some.
func (d *Decoder) counted(name string) func(in map[string]Array) (Array, error) {
	return func(in map[string]Array) (Array, error) {
		a := Array{Shape: in[name].Shape}
		for row := range slices.Chunk(in[name].Data, a.Shape[1]) {
			ids := make([]uint32, len(row))
			for i, v := range row {
				ids[i] = uint32(v)
			}
			for _, p := range d.place(ids, 0) {
				a.Data = append(a.Data, float32(p))
			}
		}
		return a, nil
	}
}

// shown makes the input of which rows of memory the tokens of a text show.
func (d *Decoder) shown(in map[string]Array) (Array, error) {
	rows, err := TokenIDs(in[d.IDs], d.Vocab)
	if err != nil {
		return Array{}, err
	}
	which, err := d.Shown(in, rows)
	if err != nil {
		return Array{}, err
	}
	a := Array{Shape: in[d.IDs].Shape}
	for _, row := range which {
		a.Data = append(a.Data, float32(row))
	}
	return a, nil
}

// About is the network that reads what a text is about: its outputs are memory.0,
// memory.1 and so on.
func (d *Decoder) About() *Network {
	return &Network{Name: "memory", Inputs: d.Inputs, Usual: d.Usual, Check: d.Check, Image: d.Image, Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
		for i, x := range d.Remember(r, in) {
			r.Output(fmt.Sprintf("memory.%d", i), x)
		}
	}}
}

// Forced is the network of a text that is given, teacher-forced: its output is logits
// [N, T, Vocab].
func (d *Decoder) Forced() *Network {
	tokens := Dim{Name: "T", Most: d.Context}
	if d.IDs != InputIDs {
		tokens.Name = "T of " + d.IDs
	}
	inputs := append(append([]Input{}, d.Inputs...),
		Input{Name: d.IDs, Dims: Dims("N", tokens), Kind: IDs, Below: d.Vocab},
		Input{Name: d.Mask, Dims: Dims("N", tokens), Kind: Lengths, Optional: true},
		Input{Name: positions, Dims: Dims("N", tokens), Kind: IDs, From: d.counted(d.IDs)})
	if d.Shown != nil {
		inputs = append(inputs, Input{Name: shown, Dims: Dims("N", tokens), Kind: IDs, From: d.shown})
	}
	usual := map[string]int{tokens.Name: min(16, d.Context)}
	for name, n := range d.Usual {
		usual[name] = n
	}
	return &Network{Name: "text", Inputs: inputs, Usual: usual, Check: d.Check, Image: d.Image, Complete: d.Complete, Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
		s := Step{IDs: in[d.IDs], Positions: in[positions], Shown: in[shown], Memory: d.Remember(r, in), Lengths: in[d.Mask]}
		r.Output("logits", d.Logits(r, d.States(r, s)))
	}}
}
