package nn

import (
	"saccade/gpu"
	"saccade/ops"
	"strings"
)

// Network is one way through a module's layers: named inputs to named outputs.
type Network struct {
	Name   string // among a module's; "" of the only one
	Inputs []Input
	// Usual are the sizes by name that it was made for, such as H and W of its
	// images: what examples have.
	Usual map[string]int
	// Check refuses sizes that do not go together; nil: all do.
	Check func(sizes map[string]int) error
	// Complete puts into an example for items what does not come of the inputs one by one;
	// nil: nothing.
	Complete func(in map[string]Array, items int, seed uint64)
	// Record records the network on its inputs, which it finds by name; of an
	// optional one that was not given there is none. What it gives and what can be
	// looked at it names by the recorder's Output and Tap.
	Record func(r *gpu.Recorder, in map[string]*gpu.Tensor)
	// Finish brings what a program gave for inputs to the reference's outputs, such as
	// those masks of all that were asked for; nil: they are.
	Finish func(in, out map[string]Array)

	// Image is set in a network that sees images, Text in one that reads texts.
	Image *Image
	Text  *Text
}

// Image is what more there is to know of a network that sees images.
type Image struct {
	// Features is the output that its features are taken from: last_hidden_state
	// [N, T, D] of tokens, or a map [N, C, H, W]; "": it has none.
	Features string
	// Patch is the height and width of a patch, pixels, of which Prefix tokens stand
	// before the first; zero in a network without patches.
	Patch  [2]int
	Prefix int
	// PoolsPatches says that the head takes the mean of the patches although there
	// are tokens before them.
	PoolsPatches bool
	// Masks is of a network that gives masks of what is asked for, or nil.
	Masks *Masks
	// MeanHead is a classifier's layer over the mean of its features, or nil.
	MeanHead *ops.Linear
	// HeadInputs are the intermediates [N, D] that a classifier's last linear layer takes
	// one after the other; nil: there is none, or it is over something else.
	HeadInputs []string
	// Metric says that a network tells depths in metres, else by numbers that are larger for
	// what is nearer.
	Metric bool
	// Objects is set in a network that finds objects.
	Objects *Objects
}

// Objects is what more there is to know of a network that finds objects in images. Its
// outputs are logits [N, Q, classes] and pred_boxes [N, Q, 4]: the centre's x and y, the
// width and the height in parts of the image's.
type Objects struct {
	// Scores are of the logits: Softmax, where the last class is that there is nothing, or
	// Sigmoid.
	Scores Scores
	// Best is how many pairs of a query and a class are kept; 0: of each query its best.
	Best int
	// Square says that boxes are in parts of the image filled up to a square at its bottom
	// and right.
	Square bool
	// Threshold is the score from which on objects are told unless a user says another.
	Threshold float64
}

// Masks is what its authors do with the masks that a network gives.
type Masks struct {
	// AtOnce enlarges them to a picture's size in one step, not by way of the size of the
	// network's input.
	AtOnce bool
	// Least is the score that those of everything in a picture must be above.
	Least float32
}

// Text is what more there is to know of a network that reads texts.
type Text struct {
	// Output is the name of a text's embedding; "" where there is none of its own.
	Output string
	// Fixed says that texts are padded up to the largest length, on which their
	// embeddings depend; else to any length.
	Fixed bool
	// Masked says that a mask tells the padding, which else nothing depends on.
	Masked bool
	// Most is how many tokens of a text are read; 0: as many as the input takes.
	Most int
	// Lower says that texts are written in small letters first.
	Lower   bool
	Prompts Prompts
}

// Prompts are what is put before texts: before those to look for, before those among
// which is looked, and before any others.
type Prompts struct{ Query, Document, Any string }

// OfImages are the layers of a module whose one network takes images [N, channels, H, W]
// of at least the least height and width, and usually of another.
func OfImages(parameters any, channels int, usual, least [2]int, image Image, forward func(r *gpu.Recorder, pixels *gpu.Tensor)) *Layers {
	return &Layers{Parameters: parameters, Networks: []*Network{ImageNetwork("", channels, usual, least, image, forward)}}
}

// ImageNetwork is such a network among others, by its name.
func ImageNetwork(name string, channels int, usual, least [2]int, image Image, forward func(r *gpu.Recorder, pixels *gpu.Tensor)) *Network {
	return &Network{
		Name:   name,
		Inputs: []Input{Pixels(channels, least)},
		Usual:  map[string]int{"H": usual[0], "W": usual[1]},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { forward(r, in[PixelValues]) },
		Image:  &image,
	}
}

// Pixels is the input for images, [N, channels, H, W] of at least the least sizes.
func Pixels(channels int, least [2]int) Input {
	return Input{Name: PixelValues, Dims: Dims("N", channels, Dim{Name: "H", Least: least[0]}, Dim{Name: "W", Least: least[1]})}
}

// Input finds an input, nil if the network has none of that name.
func (n *Network) Input(name string) *Input {
	for i := range n.Inputs {
		if n.Inputs[i].Name == name {
			return &n.Inputs[i]
		}
	}
	return nil
}

// has says that all inputs that the network needs are given.
func (n *Network) has(in map[string]Array) bool {
	for _, d := range n.Inputs {
		if _, ok := in[d.Name]; !ok && !d.Optional && d.From == nil {
			return false
		}
	}
	return true
}

// record records the network for inputs and outputs.
func (n *Network) record(dev *gpu.Device, precision gpu.DType, f Feed, w gpu.Wants) *gpu.Recorder {
	r := dev.Record(precision)
	r.Want(w)
	n.Record(r, f.Declare(r))
	return r
}

// Record records a network for an example, for what the operations tell.
func Record(dev *gpu.Device, precision gpu.DType, n *Network, in map[string]Array) ([]gpu.Op, error) {
	f, err := n.Prepare(in)
	if err != nil {
		return nil, err
	}
	r := n.record(dev, precision, f, gpu.Wants{})
	return r.Ops(), r.Err()
}

// Layers are what a checkpoint's parameters are bound to, with the networks that
// they make.
type Layers struct {
	Parameters any // a pointer to a struct with `w` tags
	Networks   []*Network
	Pairing    *Pairing // of a dual encoder, or nil
	Decoder    *Decoder // that writes texts, or nil: its Forced is among the networks

	// Projections are the linear maps that adapters may be put beside, and Head the classifier
	// that may be trained as a whole: of its inputs one after the other a layer for each, of
	// which the first has the bias. Nil: there is none.
	Projections []Projection
	Head        []Projection
	// Context has n tokens behind the first of each of some texts, given as ids, be trained, and
	// gives a network that classifies the features of images by them; nil: it has no texts.
	Context func(texts [][]uint32, n int) (*Network, ops.Trained, error)
	// Tokens has the embeddings of n token ids be trained, from one on; nil: it reads no texts,
	// or others than CLIP's.
	Tokens func(first, n int) (ops.Trained, error)
	// Prompts are learned tokens among an image's, or nil.
	Prompts *ops.Parameter
	// Classes are those of a classifier, whose output is logits [N, Classes]; 0: it is none.
	Classes int
	// Estimate is the output [N, C, H, W] of a network that is trained to estimate something,
	// such as noise, by the squared error; "" of a classifier.
	Estimate string
}

// Pairing compares the embeddings of images and texts.
type Pairing struct {
	// Match is the logit of a pair by its cosine. The weights must be loaded.
	Match  func(cosine float64) float64
	Scores Scores // of an image's logits: Softmax among the texts, or Sigmoid
}

// Make makes the layers that a configuration describes.
type Make func(b *ops.Builder) (*Layers, error)

// Network finds one by name, nil if there is none.
func (l *Layers) Network(name string) *Network {
	for _, n := range l.Networks {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// takes names the inputs of all networks.
func (l *Layers) takes() string {
	var ways []string
	for _, n := range l.Networks {
		var names []string
		for _, d := range n.Inputs {
			if d.From == nil {
				names = append(names, d.Name)
			}
		}
		ways = append(ways, strings.Join(names, ", "))
	}
	return strings.Join(ways, "; or ")
}
