package nn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"saccade/gpu"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// Family is a kind of model that -model names.
type Family struct {
	Name    string
	About   string // what it is
	Weights string // what -weights it takes
	// Architectures are names that imply sizes which checkpoints do not tell.
	Architectures []string
	// Embedded is the folder of its weights among those inside the program, or "", and
	// Answers that of weights that answer questions.
	Embedded, Answers string
	// Attention says that the networks can give attention probabilities.
	Attention bool
	// Texts says that the networks read texts, so that a checkpoint has a tokenizer.
	Texts bool
	// Sentences says that the networks make one vector of each text, and see no images.
	Sentences bool
	// Files are more files that a checkpoint of a hub may have.
	Files []string
	// Reads says that it finds and reads lines of text in images, by two networks.
	Reads bool
	// Anomalies says that it tells what is unlike what is normal, by networks of others.
	Anomalies bool
	// Writes says that checkpoints of the family write texts.
	Writes bool
	// Converses says that checkpoints of the family answer turns.
	Converses bool
	// Segments says that the networks give masks of what points and boxes mean.
	Segments bool
	// Hears says that those texts are what is said in sounds.
	Hears bool
	// Sounds says that the networks' inputs are made of sounds, as others' of images.
	Sounds bool
	// Task is what the outputs are for, "" for classes, features, embeddings and texts.
	Task Task
	// Part says that it is the part of that name of diffusion pipelines, whose
	// checkpoints it finds its own in.
	Part bool

	// Describe reads a checkpoint.
	Describe func(c Checkpoint) (*Description, error)
	// Standard is one of the architectures without weights; nil: none has sizes.
	Standard func(name string) (Make, error)
	// Timed are parts of networks that Standard knows beside the Architectures.
	Timed []string
	// Open opens a pipeline, which finds its files itself; nil of a module.
	Open func(ctx context.Context, dev *gpu.Device, src string, o Options) (Pipeline, error)
}

// Task is what outputs are for.
type Task string

// The tasks.
const (
	FindObjects Task = "objects"  // boxes around things of known classes
	FindDepth   Task = "depth"    // predicted_depth [N, H, W]
	FindClasses Task = "classes"  // logits [N, classes, h, w]
	CutOut      Task = "cutout"   // logits [N, 1, H, W] of what is no background
	Enlarge     Task = "enlarge"  // image [N, C, H, W], larger, 0 to 1
	Generate    Task = "generate" // image [N, C, H, W] of noise, −1 to 1
)

// ErrNoEmbedded is wrapped when a family has no weights inside the program.
var ErrNoEmbedded = errors.New("no embedded weights")

// Checkpoint is what a user gave.
type Checkpoint struct {
	Name    string // of the family or architecture, as it was asked for
	Tensors weights.Source
	Config  []byte // config.json, or nil
	Files   fs.FS  // of the folder that holds them, or nil
}

// Description is what a checkpoint says of its module.
type Description struct {
	Tensors weights.Source // under the layers' own names
	Make    Make
	Labels  []string // of the classes, or nil
	Scores  Scores   // of its logits
	Notes   []string // what a user should know of how it was read, a line each
	// Architecture is the published one that the checkpoint turned out to be of,
	// whose preprocessing it takes; "" is what the user called it.
	Architecture string
	// Processor is what a checkpoint that states no preprocessing gets, or nil: the
	// published architecture's.
	Processor *picture.Processor
	// Sounds is how the inputs are made of sounds, or nil.
	Sounds *Sounds
	// Tiled runs the module in tiles, which bounds its memory; nil: it can't.
	Tiled func(ctx context.Context, m *Module, in map[string]Array) (map[string]Array, error)
	// Tiles says that it does so unasked, of images that are large.
	Tiles bool
}

// Sounds is how a network's inputs are made of sounds.
type Sounds struct {
	Rate  int    // samples a second
	About string // all of it in words, by which embeddings are told from others
	// Features are the inputs by name, a batch of one, of a sound's samples.
	Features func(samples []float32) (map[string]Array, error)
	// Spectrogram is what the network cuts into patches, or nil.
	Spectrogram *Spectrogram
}

// Spectrogram is an input [N, frames, bins] that a network cuts into square patches.
type Spectrogram struct {
	Input        string
	Frames, Bins int
	Patch        int    // a side
	Stride       [2]int // from patch to patch along bins and along frames
	Prefix       int    // tokens before the patches, whose mean is classified
}

// Grid is the patches along bins and along frames; those of the lowest bins come first.
func (s *Spectrogram) Grid() (rows, columns int) {
	return (s.Bins-s.Patch)/s.Stride[0] + 1, (s.Frames-s.Patch)/s.Stride[1] + 1
}

// Upright turns values [frames, bins] into [bins, frames], the highest bin first.
func (s *Spectrogram) Upright(values []float32) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[(s.Bins-1-i%s.Bins)*s.Frames+i/s.Bins] = v
	}
	return out
}

// Turned is the way back from [Spectrogram.Upright].
func (s *Spectrogram) Turned(upright []float32) []float32 {
	out := make([]float32, len(upright))
	for i := range out {
		out[i] = upright[(s.Bins-1-i%s.Bins)*s.Frames+i/s.Bins]
	}
	return out
}

// Scores is what logits of classes are shown as.
type Scores int

// The scores.
const (
	Softmax Scores = iota // one of the classes is meant
	Sigmoid               // each class is a probability of its own
	Plain                 // the logits are values: regression
)

// Pipeline is several modules and the steps between them on the host.
type Pipeline interface {
	// Source is the folder, file, hub id or embedded folder that it was opened from.
	Source() string
	// Modules are its parts in the order of their use.
	Modules() []*Module
	// Close frees all memory.
	Close()
}

// Options say how a model is loaded. The zero value is what most need.
type Options struct {
	Precision gpu.DType // of weights and activations: gpu.F16, the default, or gpu.F32
	// Outputs are names of outputs that are wanted beside the usual ones, as
	// "attentions" is: see [gpu.Wants].
	Outputs []string
	// Embedded are trained weights that come with a program, a folder each: see
	// package zoo. Without them, Load needs a source.
	Embedded fs.FS
	// Answers asks for those of the embedded weights that answer questions.
	Answers  bool
	Hub      *weights.Hub
	Override picture.Override // of the preprocessing
	Labels   []string         // in place of the checkpoint's
	LoRA     []LoRA           // merged into the weights, in order

	// What follows is read by diffusion pipelines.

	Tokenizer string // folder or hub id of a tokenizer, for single files
	// PredictionType is what the network of a single file predicts, "" for its kind's.
	PredictionType string
	// VAE is where the autoencoder comes from, "" for the pipeline's own: a folder, a
	// file or a hub id.
	VAE string
	// Embeddings are textual inversions, files, folders or hub ids, whose tokens prompts
	// may name.
	Embeddings []string
	// Motion is a motion adapter, which makes a pipeline one of videos: a folder, a file or a
	// hub id; "": none.
	Motion string
	// LowMemory keeps one part at a time on the device.
	LowMemory bool
	// Tiled has the autoencoder work in tiles, which bounds its memory whatever the
	// image's size; where that is needed it is done anyway.
	Tiled bool
}

// LoRA is a file of low-rank weights and its scale.
type LoRA struct {
	File  string
	Scale float64
}

// StandardOf is [Family.Standard] of a table of published sizes.
func StandardOf[C interface {
	Layers(b *ops.Builder) (*Layers, error)
}](table func(name string) (c C, ok bool)) func(name string) (Make, error) {
	return func(name string) (Make, error) {
		c, ok := table(name)
		if !ok {
			return nil, fmt.Errorf("the sizes of %s are not known", name)
		}
		return c.Layers, nil
	}
}
