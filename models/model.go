package models

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"saccade/gpu"
	"saccade/models/clap"
	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/tokenizer"
)

// Model is a loaded network, or a pipeline of several.
type Model struct {
	Name      string // as it was asked for
	Source    string // folder, file, hub id or the embedded zoo
	Precision gpu.DType
	Labels    []string // by class, or nil
	Notes     []string // on how the checkpoint was read, a line each
	Processor *picture.Processor
	// Pipeline is the steps of a family that is one, such as *diffusion.Pipeline. The
	// methods of Model but Close are for the other families, whose is nil.
	Pipeline nn.Pipeline

	LoadTime    time.Duration // of Load as a whole
	CompileTime time.Duration // from recording to ready: compilation, with the upload beside it

	dev        *gpu.Device
	described  *nn.Description // nil of a pipeline
	module     *nn.Module
	images     *nn.Network         // that sees images, or nil
	texts      *nn.Network         // that reads texts, or nil
	pairing    *nn.Pairing         // of a dual encoder, or nil
	writer     *generate.Generator // of texts, or nil
	hearing    *hearing            // of a model that hears, or nil
	sounds     *nn.Sounds          // how inputs are made of sounds, or nil
	matches    bool                // the network of images reads texts too
	segments   bool                // it gives masks of what points and boxes mean,
	decoder    *nn.Network         // which this network makes of maps
	checkpoint tensors
	adapters   []adapter // that are merged
	// config and preprocessor are the files of those names, nil where there is none.
	config, preprocessor []byte
	tokenize             func() (*tokenizer.Tokenizer, error)
	talks                func() (*talk, error)                                                                  // of a model that is talked to
	tiled                func(ctx context.Context, m *nn.Module, in map[string]Array) (map[string]Array, error) // or nil
	outputs              []string                                                                               // that Load was asked for beside the usual ones

	example map[string]Array // inputs of the first program
	one     gpu.Memory       // of that
	classes int
	scores  nn.Scores
}

// Close frees all memory. No call may be under way.
func (m *Model) Close() {
	if m.Pipeline != nil {
		m.Pipeline.Close()
		return
	}
	if m.writer != nil {
		m.writer.Close()
	}
	m.module.Drop()
	m.checkpoint.Close()
}

// Description is what the checkpoint says of the module, and the device is what it runs on:
// what a training takes. It is nil of a pipeline.
func (m *Model) Description() (*nn.Description, *gpu.Device) { return m.described, m.dev }

// Rest takes the weights from the device until the next use. No call may be under way.
func (m *Model) Rest() {
	if m.module != nil {
		m.module.Drop()
	}
}

// ask takes the names of outputs that are wanted beside the usual ones.
func (m *Model) ask(names []string) error {
	for _, name := range names {
		switch name {
		case Features, Embedding, Explanation:
			if name == Explanation && m.spectrogram() != nil {
				if err := m.ask([]string{Attentions}); err != nil {
					return err
				}
				continue
			}
			has := m.images != nil && m.images.Image.Features != ""
			if name == Embedding && m.pairing != nil || name == Explanation && !has {
				continue
			}
			if !has {
				return fmt.Errorf("features of %s: %w", m.Name, ErrNoFeatures)
			}
			name = m.images.Image.Features
		case HeadInput:
			if m.images == nil || m.images.Image.HeadInputs == nil {
				return fmt.Errorf("%s: %w", m.Name, ErrNoHead)
			}
			if err := m.ask(m.images.Image.HeadInputs); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains(m.outputs, name) {
			m.outputs = append(m.outputs, name)
		}
	}
	return nil
}

// wants are outputs by name, or without names those that Load was asked for beside
// the usual ones.
func (m *Model) wants(only []string) gpu.Wants {
	if len(only) > 0 {
		return gpu.Wants{Names: only, Only: true}
	}
	return gpu.Wants{Names: m.outputs}
}

// Forward runs the networks whose inputs are there, in PyTorch's layout and by its
// names, and gives their outputs: those of the names, or without names the usual
// ones and what Load was asked for. Of a dual encoder with both inputs
// [Model.PairLogits] are among the usual ones.
func (m *Model) Forward(ctx context.Context, in map[string]Array, outputs ...string) (map[string]Array, error) {
	if m.tiled != nil && len(outputs) == 0 {
		return m.tiled(ctx, m.module, in)
	}
	out, err := m.module.Forward(ctx, in, m.wants(outputs))
	if err != nil {
		return nil, err
	}
	if name, logits, ok := m.PairLogits(out); ok && len(outputs) == 0 {
		out[name] = logits
	}
	return out, nil
}

// PairLogits are the logits of all pairs whose embeddings are among a dual encoder's
// outputs, which are made on the host, with their name: logits_per_image [images, texts], or
// logits_per_audio [sounds, texts].
func (m *Model) PairLogits(out map[string]Array) (name string, logits Array, ok bool) {
	texts := out["text_embeds"]
	for of, name := range map[string]string{"image_embeds": "logits_per_image", clap.AudioEmbeds: "logits_per_audio"} {
		if m.pairing != nil && texts.Data != nil && out[of].Data != nil {
			return name, m.LogitsPerImage(out[of], texts), true
		}
	}
	return "", Array{}, false
}

// Takes are the inputs of the networks by name, in the order in which they are
// declared.
func (m *Model) Takes() ([]nn.Input, error) {
	l, err := m.module.Layers()
	if err != nil {
		return nil, err
	}
	var all []nn.Input
	for _, n := range l.Networks {
		for _, in := range n.Inputs {
			if in.From == nil {
				all = append(all, in)
			}
		}
	}
	return all, nil
}

// Outputs are the names of all outputs and intermediates that Forward can give of
// inputs: see [gpu.Recorder.Output] and Tap.
func (m *Model) Outputs(in map[string]Array) ([]string, error) {
	names, _, err := m.module.Outputs(in, m.wants(nil))
	return names, err
}

// Plan is the memory of a forward pass, of several networks that of the largest,
// without the weights.
func (m *Model) Plan(in map[string]Array) (gpu.Memory, error) {
	return m.module.Plan(in, m.wants(nil))
}

// Profile times each dispatch of a forward pass.
func (m *Model) Profile(ctx context.Context, in map[string]Array) ([]gpu.Timing, error) {
	return m.module.Profile(ctx, in, m.wants(nil))
}

// Verify recomputes every operation of a forward pass on the CPU from the GPU's
// own inputs; see [gpu.Program.Verify].
// Of a model that writes, the program of a token is verified behind texts of several
// lengths too.
func (m *Model) Verify(ctx context.Context, in map[string]Array, stopAtFirst bool) ([]gpu.OpCheck, error) {
	checks, err := m.module.Verify(ctx, in, m.wants(nil), stopAtFirst)
	wrong := func(c gpu.OpCheck) bool { return c.Err != nil }
	if err != nil || m.writer == nil || stopAtFirst && slices.ContainsFunc(checks, wrong) {
		return checks, err
	}
	about, begin, err := m.begin(in)
	if err != nil {
		return nil, err
	}
	n := len(begin[0])
	last := min(n+12, m.writer.Decoder.Context-1)
	more, err := m.writer.Verify(ctx, generate.Request{In: about, Begin: begin}, []int{n + 1, (n + last) / 2, last}, stopAtFirst)
	return append(checks, more...), err
}

// Noise is inputs of seeded random numbers where none are at hand: n images of
// normal noise, of the size that the model's preprocessing gives, n texts of random
// tokens up to the context, and what else the networks take.
func (m *Model) Noise(n int, seed uint64) (map[string]Array, error) {
	l, err := m.module.Layers()
	if err != nil {
		return nil, err
	}
	in := map[string]Array{}
	networks := l.Networks
	if m.segments { // of which the others take what the first gives
		networks = networks[:1]
	}
	for _, net := range networks {
		sizes := map[string]int{}
		if x, ok := m.example[nn.PixelValues]; ok && net == m.images {
			sizes["H"], sizes["W"] = x.Shape[2], x.Shape[3]
		}
		example, err := net.Example(n, sizes, seed)
		if err != nil {
			return nil, err
		}
		maps.Copy(in, example)
	}
	return in, nil
}

// Memory is what the model and its programs take on the device.
func (m *Model) Memory() (weightBytes int64, programs gpu.Memory) {
	return m.module.Bytes(), m.module.Memory()
}

// Classes is the number of classes, 0 for a network without a classifier.
func (m *Model) Classes() int { return m.classes }

// Errors of a network that is not there.
var (
	ErrNoText   = errors.New("the model reads no texts")
	ErrNoImages = errors.New("the model takes no images but raw tensors; give them with -input")
)

// WriteCompile is what the first program of a model that writes or gives masks took to
// compile, with the upload of the weights beside it, as Load makes none; 0 of other models.
func (m *Model) WriteCompile() time.Duration {
	if m.writer == nil && !m.segments {
		return 0
	}
	return m.module.CompileTime
}

// SeesImages says that the model takes images.
func (m *Model) SeesImages() bool { return m.images != nil || m.Converses() }

// ReadsTexts says that the model takes texts.
func (m *Model) ReadsTexts() bool { return m.texts != nil }

// Dual says that the model pairs images with texts.
func (m *Model) Dual() bool { return m.pairing != nil }

// imageShape checks the shape of images, [N, C, H, W].
func (m *Model) imageShape(pixels Array) ([4]int, error) {
	if m.images == nil {
		return [4]int{}, fmt.Errorf("%s: %w", m.Name, ErrNoImages)
	}
	f, err := m.images.Prepare(nn.Images(pixels))
	if err != nil {
		return [4]int{}, err
	}
	return [4]int(f.Shape(nn.PixelValues)), nil
}

// channels is that of the images.
func (m *Model) channels() int { return m.images.Input(nn.PixelValues).Dims[1].Size }

// Preprocess turns an image into the network's input, [C H W].
func (m *Model) Preprocess(img *picture.Image) (pixels []float32, h, w int, err error) {
	if m.images == nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", m.Name, ErrNoImages)
	}
	pixels, h, w, err = m.Processor.Apply(img)
	if err != nil {
		return nil, 0, 0, err
	}
	if c := m.channels(); c == 1 { // a network of grey images: luma as Pillow's convert("L")
		grey := make([]float32, h*w)
		for i := range grey {
			grey[i] = 0.299*pixels[i] + 0.587*pixels[h*w+i] + 0.114*pixels[2*h*w+i]
		}
		pixels = grey
	} else if c != 3 {
		return nil, 0, 0, fmt.Errorf("the network takes %d channels, images have 3; give -input", c)
	}
	return pixels, h, w, nil
}
