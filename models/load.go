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
	"strings"
	"sync"
	"time"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/ops"
	"saccade/picture"
	"saccade/tokenizer"
	"saccade/weights"
)

// Options say how a model is loaded.
type Options struct {
	Precision  gpu.DType // of weights and activations: gpu.F16, the default, or gpu.F32
	Attentions bool      // compute the attention probabilities too
	LastLayer  bool      // of the attention probabilities those of the last layer alone
	Features   bool      // give the features that a classifier's head takes too; see Model.Features
	Embeddings bool      // give what Model.Embedding takes, which a classifier has to be asked for
	Explain    bool      // give what the methods of Model.Methods take, as far as the network has it
	Hub        *weights.Hub
	Override   picture.Override // of the preprocessing
	Labels     []string         // in place of the checkpoint's

	taps bool // make the intermediates outputs too
}

// ErrNoEmbedded is wrapped when a family has no weights inside the program.
var ErrNoEmbedded = errors.New("no embedded weights")

// ErrNoAttention is wrapped when the attention probabilities of a network
// without attention are asked for.
var ErrNoAttention = errors.New("the network has no attention layers")

// Load opens a model by the name of its family or architecture. src is a
// folder, a file or a hub id; "" means the family's embedded weights.
func Load(ctx context.Context, dev *gpu.Device, name, src string, o Options) (*Model, error) {
	began := time.Now()
	f, err := familyOf(name)
	if err != nil {
		return nil, err
	}
	if f.Pipeline {
		return nil, fmt.Errorf("%s is a pipeline of several networks, which package diffusion opens", name)
	}
	if o.Attentions && !f.attention {
		return nil, fmt.Errorf("attention probabilities of %s: %w; ask for none", name, ErrNoAttention)
	}
	files, err := find(ctx, f, name, src, o.Hub)
	if err != nil {
		return nil, err
	}
	m, err := newModel(dev, f, name, files, files.checkpoint, o)
	if err != nil {
		files.checkpoint.Close()
		return nil, fmt.Errorf("loading %s from %s: %w", name, files.name, err)
	}
	m.checkpoint = files.checkpoint
	m.LoadTime = time.Since(began)
	return m, nil
}

// files are the parts of a checkpoint.
type files struct {
	name         string // for messages
	file         string // the checkpoint's base name, "" if there is none of its own
	checkpoint   tensors
	fsys         fs.FS  // of the configurations, or nil
	config       []byte // nil if there is none
	preprocessor []byte
}

// tensors are a checkpoint's, until it is closed.
type tensors interface {
	weights.Source
	io.Closer
}

// find opens the embedded weights, a file, a folder or a hub repository.
func find(ctx context.Context, f Family, name, src string, hub *weights.Hub) (*files, error) {
	if src == "" {
		if f.embedded == nil || name != f.Name {
			return nil, fmt.Errorf("model %s: %w; give -weights, %s", name, ErrNoEmbedded, f.Weights)
		}
		return fromFS(f.embedded, "zoo/"+f.Name)
	}
	if hub == nil {
		hub = weights.HubFromEnv()
	}
	if f.part && checkpoint.Whole(ctx, src, hub) {
		return f.ofPipeline(ctx, src, hub)
	}
	path, err := weights.Resolve(ctx, src, hub, f.files()...)
	if err != nil {
		return nil, err
	}
	c, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	found := &files{name: src, file: filepath.Base(c.Path()), checkpoint: c}
	folder := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		folder = filepath.Dir(path)
	}
	return found.read(os.DirFS(folder))
}

// ofPipeline opens the part of a whole diffusion pipeline that the family is.
func (f Family) ofPipeline(ctx context.Context, src string, hub *weights.Hub) (*files, error) {
	p, err := checkpoint.Open(ctx, src, hub, checkpoint.Options{Parts: []string{f.Name}})
	if err != nil {
		return nil, err
	}
	part, err := p.Part(f.Name)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &files{name: src, checkpoint: ofPipeline{part.Source, p}, config: part.Config}, nil
}

// ofPipeline is a part's tensors and the pipeline that holds them.
type ofPipeline struct {
	weights.Source
	io.Closer
}

func fromFS(fsys fs.FS, name string) (*files, error) {
	c, err := weights.OpenFS(fsys, "model.safetensors")
	if err != nil {
		return nil, err
	}
	return (&files{name: name, checkpoint: c}).read(fsys)
}

// read takes the configurations beside the checkpoint, which it closes on an error.
func (f *files) read(fsys fs.FS) (*files, error) {
	f.fsys = fsys
	var err error
	if f.config, err = optional(fsys, "config.json"); err == nil {
		f.preprocessor, err = optional(fsys, "preprocessor_config.json")
	}
	if err != nil {
		f.checkpoint.Close()
		return nil, err
	}
	return f, nil
}

// tokenizer reads the checkpoint's tokenizer.
func (f *files) tokenizer() (*tokenizer.Tokenizer, error) {
	if f.fsys == nil {
		return nil, fmt.Errorf("%s is no folder with a tokenizer", f.name)
	}
	t, err := tokenizer.Open(f.fsys)
	if err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", f.name, err)
	}
	return t, nil
}

// optional reads a file, nil if it is not there.
func optional(fsys fs.FS, name string) ([]byte, error) {
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// newModel makes the network of a checkpoint and brings it to the device.
func newModel(dev *gpu.Device, f Family, name string, in *files, src weights.Source, o Options) (*Model, error) {
	o.Attentions = o.Attentions || o.Explain && f.attention
	m := &Model{Name: name, Source: in.name, Precision: o.Precision, Labels: o.Labels, dev: dev, attentions: o.Attentions, taps: o.taps, mu: &sync.Mutex{},
		b: ops.NewBuilder(dev, o.Precision)}
	m.pictures = programs[shape]{mu: m.mu, prepare: m.b.Prepare, record: m.record}
	m.texts = programs[textShape]{mu: m.mu, prepare: m.b.Prepare, record: m.recordText}
	m.parts = programs[partShape]{mu: m.mu, prepare: m.b.Prepare, record: m.recordPart}
	m.tokenize = sync.OnceValues(in.tokenizer)
	if err := m.open(f, in, src, o); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// open starts the driver's compilation, and uploads the weights meanwhile.
func (m *Model) open(f Family, in *files, src weights.Source, o Options) error {
	got, err := f.open(m.b, src, in.config, m.Name)
	if err != nil {
		return err
	}
	m.net, m.text, m.pairing, m.part = got.net, got.text, got.pairing, got.part
	if _, ok := m.net.(featured); o.Explain && ok {
		o.Features = true
	}
	if n, ok := m.net.(attending); o.LastLayer && ok {
		n.ShowLastAttention()
	}
	if o.Features || o.Embeddings && m.pairing == nil {
		if err := m.showFeatures(); err != nil {
			return err
		}
	}
	if m.Labels == nil {
		m.Labels = got.labels
	}
	if err := m.b.Bind(got.bound(), got.src); err != nil {
		return err
	}
	name := m.Name
	if got.architecture != "" {
		name = got.architecture
	}
	switch {
	case m.part != nil:
		return m.uploadPart()
	case m.net == nil:
		return m.uploadText()
	}
	c, h, w := m.net.Input()
	if m.Processor, err = processorFor(in, got.processor, name, h, w); err != nil {
		return err
	}
	if err := m.Processor.Override(o.Override); err != nil {
		return err
	}
	return m.upload(c)
}

// upload warms the pipelines of a batch of one picture while weights are packed.
func (m *Model) upload(channels int) error {
	h, w, ok := m.Processor.FixedSize()
	if !ok {
		_, h, w = m.net.Input()
	}
	began := time.Now()
	r := m.record(shape{1, channels, h, w})
	p, err := m.b.Program(r)
	if err != nil {
		return err
	}
	m.dev.Wait()
	m.CompileTime = time.Since(began)
	m.keepFirst(shape{1, channels, h, w}, p)
	if m.Labels != nil && m.classes > 0 && len(m.Labels) != m.classes {
		return fmt.Errorf("there are %d labels and the network has %d classes", len(m.Labels), m.classes)
	}
	return nil
}

// keepFirst keeps the program of a batch of one, and what it tells of others.
func (m *Model) keepFirst(s shape, p *gpu.Program) {
	m.pictures.keep(s, p)
	m.first, m.firstMemory = s, p.Memory()
	if logits := p.OutputShape("logits"); len(logits) == 2 {
		m.classes = logits[1]
	}
}

// processorFor is the preprocessing that the checkpoint states, or else the
// family's own, or else the reference's for a network of that name, whose own
// pictures are of h×w pixels.
func processorFor(in *files, own *picture.Processor, name string, h, w int) (*picture.Processor, error) {
	var head struct {
		ModelType  string          `json:"model_type"`
		Pretrained json.RawMessage `json:"pretrained_cfg"`
	}
	if in.config != nil {
		if err := json.Unmarshal(in.config, &head); err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
	}
	switch {
	case in.preprocessor != nil:
		return picture.ParsePreprocessor(in.preprocessor, head.ModelType)
	case head.Pretrained != nil:
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
