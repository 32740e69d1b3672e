package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"saccade/gpu"
	pipeline "saccade/models/diffusion/checkpoint"
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/tokenizer"
	"saccade/weights"
)

// Options say how a model is loaded.
type Options = nn.Options

// Array is a dense tensor of float32 in PyTorch's layout.
type Array = nn.Array

// The outputs that [Options.Outputs] takes beside the names that a network's class
// has for them.
const (
	Attentions    = "attentions"     // the attention probabilities of every layer, attentions.i
	LastAttention = "last_attention" // those of the last layer alone
	Features      = "features"       // what a classifier's head takes: see [Model.Features]
	Embedding     = "embedding"      // what [Model.Embedding] takes
	Explanation   = "explanation"    // features, where the network has some
)

// ErrNoTokenizer is wrapped when a checkpoint that is no folder is asked for texts.
var ErrNoTokenizer = errors.New("it is no folder with a tokenizer")

// ErrNoAttention is wrapped when attention probabilities are asked for of a network that
// gives none.
var ErrNoAttention = errors.New("the network gives no attention probabilities")

// Load opens a model by the name of its family or architecture. src is a
// folder, a file or a hub id; "" means the family's among Options.Embedded.
func Load(ctx context.Context, dev *gpu.Device, name, src string, o Options) (*Model, error) {
	began := time.Now()
	attends := func(n string) bool { return n == Attentions || n == LastAttention }
	if f, err := FindFamily(name); err == nil && !f.Attention && slices.ContainsFunc(o.Outputs, attends) {
		return nil, fmt.Errorf("%s: %w; ask for none", name, ErrNoAttention)
	}
	f, err := findSource(name, src, o)
	if err != nil {
		return nil, err
	}
	if o.Hub == nil {
		o.Hub = weights.HubFromEnv()
	}
	var m *Model
	err = weights.Guard(func() (err error) { // the file may shrink while it is read
		m, err = load(ctx, dev, f, name, src, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.LoadTime = time.Since(began)
	return m, nil
}

func load(ctx context.Context, dev *gpu.Device, f nn.Family, name, src string, o Options) (*Model, error) {
	if f.Open != nil {
		p, err := f.Open(ctx, dev, src, o)
		if err != nil {
			return nil, err
		}
		return &Model{Name: name, Source: p.Source(), Precision: o.Precision, Pipeline: p, dev: dev}, nil
	}
	c, err := open(ctx, f, name, src, o)
	if err != nil {
		return nil, err
	}
	return c.Load(dev, o)
}

// New makes a model of a checkpoint whose tensors and config.json are at hand, and
// which the caller closes after the model. source names it in messages.
func New(dev *gpu.Device, family string, in nn.Checkpoint, source string, o Options) (*Model, error) {
	f, err := FindFamily(family)
	if err != nil {
		return nil, err
	}
	return newModel(dev, f, in.Name, &files{name: source, config: in.Config, tensors: unclosed{in.Tensors}, fsys: in.Files}, o)
}

// unclosed is a checkpoint that somebody else closes.
type unclosed struct{ weights.Source }

// Close implements io.Closer.
func (unclosed) Close() error { return nil }

// files are the parts of a checkpoint.
type files struct {
	name         string // for messages
	file         string // the checkpoint's base name, "" if there is none of its own
	tensors      tensors
	fsys         fs.FS  // of the configurations, or nil
	config       []byte // nil if there is none
	preprocessor []byte
	adapters     []adapter
	labels       []string // beside a checkpoint without config.json
	prefix       string   // that was taken off the names, once that is known
}

// tensors are a checkpoint's, until it is closed.
type tensors interface {
	weights.Source
	io.Closer
}

// find opens the embedded weights, a file, a folder or a hub repository.
func find(ctx context.Context, f nn.Family, src string, o Options) (*files, error) {
	if src == "" {
		return embedded(f, o.Embedded)
	}
	if f.Part && pipeline.Whole(ctx, src, o.Hub) {
		return ofPipeline(ctx, f.Name, src, o.Hub)
	}
	path, err := weights.Resolve(ctx, src, o.Hub, filesOf(f)...)
	if err != nil {
		return nil, err
	}
	c, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	found := &files{name: src, file: filepath.Base(c.Path()), tensors: c}
	folder := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		folder = filepath.Dir(path)
	}
	return found.read(os.DirFS(folder))
}

// filesOf are what to fetch of a hub repository; nil means a network's of images.
func filesOf(f nn.Family) []string {
	if !f.Texts {
		return nil
	}
	return append(slices.Concat(weights.ModelFiles, f.Files), "generation_config.json?", "chat_template.json?", "chat_template.jinja?", "spiece.model?", "sentencepiece.bpe.model?", "tokenizer.json?", "tokenizer_config.json?", "vocab.json?", "merges.txt?", "vocab.txt?")
}

// embedded opens the weights that come with the program.
func embedded(f nn.Family, all fs.FS) (*files, error) {
	fsys, err := fs.Sub(all, f.Embedded)
	if err != nil {
		return nil, err
	}
	name, err := weights.FindFS(fsys)
	if err != nil {
		return nil, err
	}
	c, err := weights.OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	return (&files{name: "zoo/" + f.Embedded, tensors: c}).read(fsys)
}

// ofPipeline opens a part of a whole diffusion pipeline.
func ofPipeline(ctx context.Context, name, src string, hub *weights.Hub) (*files, error) {
	p, err := pipeline.Open(ctx, src, hub, pipeline.Options{Parts: []string{name}})
	if err != nil {
		return nil, err
	}
	part, err := p.Part(name)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &files{name: src, tensors: partOf{part.Source, p}, config: part.Config}, nil
}

// partOf is a part's tensors and the pipeline that holds them.
type partOf struct {
	weights.Source
	io.Closer
}

// read takes the configurations beside the checkpoint, which it closes on an error.
func (f *files) read(fsys fs.FS) (*files, error) {
	f.fsys = fsys
	var err error
	if f.config, err = optional(fsys, "config.json"); err == nil {
		f.preprocessor, err = optional(fsys, "preprocessor_config.json")
	}
	if err == nil && f.config == nil {
		err = f.readLabels(fsys)
	}
	if err != nil {
		return nil, errors.Join(err, f.tensors.Close())
	}
	return f, nil
}

// readLabels takes the labels beside a checkpoint that has no configuration.
func (f *files) readLabels(fsys fs.FS) error {
	data, err := optional(fsys, LabelsFile)
	if err == nil && data != nil {
		f.labels, err = ParseLabels(data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", LabelsFile, err)
	}
	return nil
}

// tokenizer reads the checkpoint's tokenizer.
func (f *files) tokenizer() (*tokenizer.Tokenizer, error) {
	if f.fsys == nil {
		return nil, fmt.Errorf("%s: %w", f.name, ErrNoTokenizer)
	}
	t, err := tokenizer.Open(f.fsys)
	if err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", f.name, err)
	}
	return t, nil
}

// optional reads a file, nil if it is not there.
func optional(fsys fs.FS, name string) ([]byte, error) {
	data, err := weights.ReadFile(fsys, name, weights.ConfigLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// describe reads a checkpoint, under the names of published files.
func describe(f nn.Family, name string, in *files) (*nn.Description, error) {
	src, _, config, err := in.named(f, name)
	if err != nil {
		return nil, err
	}
	d, err := f.Describe(nn.Checkpoint{Name: name, Tensors: weights.Level(src), Config: config, Files: in.fsys})
	if err != nil {
		return nil, err
	}
	if in.prefix != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("all names of its tensors begin with %s, which was taken off", in.prefix))
	}
	if d.Labels == nil {
		d.Labels = in.labels
	}
	return d, nil
}

// named shows a checkpoint under the names of published files, with its adapters merged and
// its configuration, whose model_type is told too: what training code put before all names
// is taken off, and transformers 5's names in memory are brought to those of files.
func (f *files) named(of nn.Family, name string) (src weights.Source, modelType string, config []byte, err error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if f.config != nil { // what is wrong with it the family says
		_ = json.Unmarshal(f.config, &head)
	}
	src, f.prefix = weights.Unwrap(f.tensors, func(src weights.Source) bool {
		_, err := of.Describe(nn.Checkpoint{Name: name, Tensors: weights.SavedNames(src, head.ModelType), Config: f.config, Files: f.fsys})
		var unknown *checkpoint.UnknownError
		return !errors.As(err, &unknown)
	})
	if err := checkLayers(f.config, src.Names()); err != nil {
		return nil, "", nil, err
	}
	src, config, err = f.adapted(weights.SavedNames(src, head.ModelType), head.ModelType)
	return src, head.ModelType, config, err
}

// newModel describes the module of a checkpoint and brings it to the device: the
// driver compiles the first program of its first network while weights are uploaded.
func newModel(dev *gpu.Device, f nn.Family, name string, in *files, o Options) (*Model, error) {
	d, err := describe(f, name, in)
	if err != nil {
		return nil, err
	}
	m := &Model{Name: name, Source: in.name, Precision: o.Precision, Labels: o.Labels, dev: dev, checkpoint: in.tensors, adapters: in.adapters, config: in.config, preprocessor: in.preprocessor,
		module: nn.NewModule(dev, name, o.Precision, d)}
	m.described = d
	m.tokenize = sync.OnceValues(in.tokenizer)
	if m.Labels == nil {
		m.Labels = d.Labels
	}
	m.scores, m.Notes, m.sounds = d.Scores, d.Notes, d.Sounds
	if o.Tiled || d.Tiles {
		if d.Tiled == nil {
			return nil, errors.New("it is no autoencoder, which alone works in tiles")
		}
		m.tiled = d.Tiled
	}
	if err := m.open(f, in, d, o); err != nil {
		m.module.Drop()
		return nil, err
	}
	return m, nil
}

// open makes the layers and brings them to the device.
func (m *Model) open(f nn.Family, in *files, d *nn.Description, o Options) error {
	l, err := m.module.Layers()
	if err != nil {
		return err
	}
	m.pairing = l.Pairing
	if l.Decoder != nil {
		if m.writer, err = in.writer(m.module, l.Decoder); err != nil {
			return err
		}
		m.talks = sync.OnceValues(func() (*talk, error) { return in.talk(l.Decoder.Conversation, o.Override) })
	}
	if f.Hears {
		if m.hearing, err = in.hearing(m.writer); err != nil {
			return err
		}
	}
	for _, n := range l.Networks {
		if n.Image != nil {
			m.images = n
		}
		if n.Text != nil {
			m.texts = n
		}
		m.matches = m.matches || n.Image != nil && n.Text != nil
	}
	if f.Segments {
		m.segments, m.decoder = true, l.Network("decoder")
	}
	if err := m.ask(o.Outputs); err != nil {
		return err
	}
	first, sizes := l.Networks[0], map[string]int{}
	if m.images != nil {
		name, usual := m.Name, m.images.Usual
		if d.Architecture != "" {
			name = d.Architecture
		}
		if m.Processor, err = processorFor(in, d.Processor, name, usual["H"], usual["W"]); err != nil {
			return err
		}
		if err := m.Processor.Override(o.Override); err != nil {
			return err
		}
		if h, w, ok := m.Processor.FixedSize(); ok {
			sizes["H"], sizes["W"] = h, w
		}
	}
	example, err := first.Example(1, sizes, 1)
	if err != nil {
		return err
	}
	if m.writer != nil || m.matches || m.segments { // whose programs depend on what is asked
		m.example = example
		return nil
	}
	return m.ready(example)
}

// ready brings the module to the device with the program of an example, and keeps
// what that tells.
func (m *Model) ready(example map[string]Array) error {
	if err := m.module.Ready(example, m.wants(nil)); err != nil {
		return err
	}
	m.CompileTime = m.module.CompileTime
	var err error
	var shapes map[string][]int
	if _, shapes, err = m.module.Outputs(example, m.wants(nil)); err != nil {
		return err
	}
	m.example = example
	if m.images == nil && m.sounds == nil {
		return nil
	}
	if m.one, err = m.module.Plan(example, m.wants(nil)); err != nil {
		return err
	}
	if logits := shapes["logits"]; len(logits) == 2 {
		m.classes = logits[1]
	}
	if named := m.named(shapes["logits"]); m.Labels != nil && named > 0 && len(m.Labels) != named {
		return fmt.Errorf("there are %d labels and the network has %d classes", len(m.Labels), named)
	}
	return nil
}

// named is how many classes labels are of, by the shape of the logits: of an image, of queries
// [N, Q, classes], where the last may be that there is nothing, or of pixels [N, classes, h, w].
// It is 0 where it is not known.
func (m *Model) named(logits []int) int {
	switch how := m.Finds(); {
	case len(logits) == 2:
		return logits[1]
	case len(logits) == 3 && how != nil && how.Scores == nn.Softmax:
		return logits[2] - 1
	case len(logits) == 3 && how != nil:
		return logits[2]
	case len(logits) == 4 && m.images != nil:
		return logits[1]
	}
	return 0
}

// processorFor is the preprocessing that the checkpoint states, first in an
// image_processor of processor_config.json as transformers has it, or else the
// family's own, or else the reference's for a network of that name, whose own
// pictures are of h×w pixels.
func processorFor(in *files, own *picture.Processor, name string, h, w int) (*picture.Processor, error) {
	var head struct {
		ModelType  string          `json:"model_type"`
		Pretrained json.RawMessage `json:"pretrained_cfg"`
		InputSize  json.RawMessage `json:"input_size"` // timm's of before 2023
	}
	if in.config != nil {
		if err := checkpoint.Decode("config.json", in.config, &head); err != nil {
			return nil, err
		}
	}
	if in.fsys != nil {
		nested, err := optional(in.fsys, "processor_config.json")
		if err != nil {
			return nil, err
		}
		if nested != nil {
			if p, err := picture.ParseProcessor(nested, head.ModelType); p != nil || err != nil {
				return p, err
			}
		}
	}
	switch {
	case in.preprocessor != nil:
		return picture.ParsePreprocessor(in.preprocessor, head.ModelType)
	case head.Pretrained != nil || head.InputSize != nil:
		return picture.ParseTimm(in.config)
	case own != nil:
		return own, nil
	case head.ModelType != "":
		return sized(head.ModelType, h, w)
	}
	return publishedProcessor(name, in.file, h, w), nil
}

// sized is the processor that transformers has for a kind of model, for the
// network's own picture size: the library's fixed one would not go through it.
func sized(modelType string, h, w int) (*picture.Processor, error) {
	p, err := picture.DefaultProcessor(modelType)
	if err != nil {
		return nil, err
	}
	if fixedH, fixedW, ok := p.FixedSize(); ok && (fixedH != h || fixedW != w) {
		err = p.Override(picture.Override{Size: fmt.Sprintf("%dx%d", h, w)})
	}
	return p, err
}

// ParsePrecision reads f16 or f32.
func ParsePrecision(s string) (gpu.DType, error) {
	switch strings.ToLower(s) {
	case "f16":
		return gpu.F16, nil
	case "f32":
		return gpu.F32, nil
	}
	return 0, fmt.Errorf("precision %q is neither f16 nor f32", s)
}
