package models

import (
	"fmt"
	"io/fs"
	"slices"

	"saccade/gpu"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// Network is an architecture with its layers, made for a checkpoint.
type Network interface {
	// Forward records the forward pass on pictures [N, C, H, W], naming its
	// outputs; attentions asks for the probabilities of every layer too, and is
	// false where the family has none.
	Forward(r *gpu.Recorder, pixels *gpu.Tensor, attentions bool)
	// Input is the channels, height and width of the pictures it was trained on.
	Input() (c, h, w int)
	// Smallest is the least height and width of a picture that goes through.
	Smallest() (h, w int)
}

// Family is a kind of model that -model names.
type Family struct {
	Name    string
	About   string // what it is
	Weights string // what -weights it takes
	// Pipeline says that it is made of several networks: package diffusion opens it, not Load.
	Pipeline bool

	// part says that it is the part of that name of diffusion pipelines.
	part bool
	// architectures are names that imply sizes which checkpoints do not tell.
	architectures []string
	// attention says that the networks have attention layers, whose
	// probabilities can be asked for.
	attention bool
	// texts says that the networks take texts, so that a checkpoint has a tokenizer.
	texts bool
	// embedded is the folder of trained weights inside the program, or nil.
	embedded fs.FS
	// open makes the network for a checkpoint; config is its config.json or
	// nil, name what the user called the model.
	open func(b *ops.Builder, src weights.Source, config []byte, name string) (opened, error)
	// standard makes one of the architectures without weights, for timing; its
	// src is nil.
	standard func(b *ops.Builder, name string) (opened, error)
}

// opened is a network with its checkpoint's tensors under its own names: one for
// pictures, one for texts, or both with what pairs them.
type opened struct {
	net     Network
	text    TextNetwork
	pairing Pairing
	part    PartNetwork // a part of a diffusion model, which is neither
	// layers is what holds the parameters; nil where net does.
	layers any
	src    weights.Source
	labels []string
	// architecture is the published one that the checkpoint turned out to be of,
	// whose preprocessing it takes; "" is what the user called it.
	architecture string
	// processor is what a checkpoint that states no preprocessing gets, or nil:
	// transformers' for the kind of model, or the published architecture's.
	processor *picture.Processor
}

// network is what an architecture's New returns, as opened.
func network[N Network](n N, err error) (opened, error) {
	if err != nil {
		return opened{}, err
	}
	return opened{net: n}, nil
}

// bound is what holds the parameters.
func (o opened) bound() any {
	if o.layers != nil {
		return o.layers
	}
	return o.net
}

// families in the order in which they are listed.
var families = []Family{vitFamily, resnetFamily, vggFamily, alexnetFamily, efficientnetFamily, dinoFamily, dinov2Family, clipFamily, siglipFamily, textEncoderFamily,
	sdFamily, ddpmFamily, unetFamily, vaeFamily}

// Families lists what can be loaded.
func Families() []Family { return slices.Clone(families) }

// files are what to fetch of a hub repository; nil means a picture network's.
func (f Family) files() []string {
	if !f.texts {
		return nil
	}
	return append(slices.Clone(weights.ModelFiles), "spiece.model?", "tokenizer.json?", "tokenizer_config.json?", "vocab.json?", "merges.txt?")
}

// Embedded says whether the family works without -weights.
func (f Family) Embedded() bool { return f.embedded != nil }

// Architectures are the names under which the family's standard sizes are known.
func (f Family) Architectures() []string { return slices.Clone(f.architectures) }

// Names are all names of models, families first. One that is the name of both
// is there once.
func Names() []string {
	var names, architectures []string
	for _, f := range families {
		names = append(names, f.Name)
		for _, a := range f.architectures {
			if a != f.Name {
				architectures = append(architectures, a)
			}
		}
	}
	return append(names, architectures...)
}

// familyOf finds a model by its name.
func familyOf(name string) (Family, error) {
	for _, f := range families {
		if f.Name == name || slices.Contains(f.architectures, name) {
			return f, nil
		}
	}
	return Family{}, &UnknownModelError{Name: name, Nearest: Nearest(name, Names())}
}

// UnknownModelError is a name that no model has.
type UnknownModelError struct{ Name, Nearest string }

func (e *UnknownModelError) Error() string {
	return fmt.Sprintf("model %q is unknown; the nearest is %q (-list-models lists all)", e.Name, e.Nearest)
}

// Nearest is the one of names with the least edit distance from name, for
// messages about unknown names.
func Nearest(name string, names []string) string {
	best, least := "", 1<<30
	for _, n := range names {
		if d := editDistance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
