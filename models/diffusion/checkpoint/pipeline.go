package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"saccade/weights"
)

// The names of parts, as model_index.json has them.
const (
	UNet         = "unet"
	VAE          = "vae"
	TextEncoder  = "text_encoder"
	TextEncoder2 = "text_encoder_2" // SDXL's
	Scheduler    = "scheduler"
	Tokenizer    = "tokenizer"
	Tokenizer2   = "tokenizer_2" // SDXL's
)

// Options say how a pipeline is opened.
type Options struct {
	// Tokenizer is a folder or hub id whose tokenizer takes the place of the
	// pipeline's: that of a pipeline, or of a CLIP alone for all its encoders.
	Tokenizer string

	// VAE is where the autoencoder comes from in place of the pipeline's own, which
	// need not be there: a folder or hub id of diffusers' AutoencoderKL or
	// AutoencoderTiny, one of a pipeline, or a single file with the names of the first
	// publication, of an autoencoder alone or of a pipeline.
	VAE string

	// PredictionType takes the place of what a single file's network is taken
	// for, such as epsilon for Stable Diffusion 2's of 512×512 pixels: it can't
	// be told from the tensors. Folders say it themselves.
	PredictionType string

	// Parts are those that will be asked for; nil: all. The others of a folder are
	// not fetched and need not be there, nor need its pipeline be a supported one.
	Parts []string
}

// Pipeline is an open checkpoint of a diffusion pipeline. Its methods can be
// called from several goroutines at once.
type Pipeline struct {
	Name  string // what was opened, for messages
	Class string // of model_index.json, such as StableDiffusionPipeline
	Index []byte // model_index.json

	// ForceZeros says that SDXL's empty negative prompt is embedded as zeros
	// (force_zeros_for_empty_prompt).
	ForceZeros bool
	// Aesthetics says that SDXL's refiner is told a score in place of the wanted
	// size (requires_aesthetics_score).
	Aesthetics bool

	Motion *Motion // what makes it a pipeline of videos, or nil

	layout    layout
	tokenizer layout         // in place of the pipeline's own, or nil
	vae       layout         // in place of the pipeline's own, or nil
	closers   []func() error // of what all parts are in, and of what is merged
	loras     []LoRA
	resolve   func(src string, wanted ...string) (string, error) // as [weights.Resolve]; nil of embedded ones

	mu    sync.Mutex
	parts map[string]*Part
}

// Motion is a motion adapter beside a pipeline.
type Motion struct {
	Name   string
	Source weights.Source
	Config []byte       // config.json, or nil
	Close  func() error // or nil
}

// Part is one part of a pipeline.
type Part struct {
	Name   string
	Class  string         // as the library names it, such as UNet2DConditionModel
	Source weights.Source // tensors by the library's names; nil of schedulers and tokenizers
	Config []byte         // config.json or scheduler_config.json; nil of tokenizers
	FS     fs.FS          // the part's files; nil where it has no folder

	close func() error // unmaps the tensors, or nil
}

// layout is where a pipeline's parts are.
type layout interface {
	// classes are the parts that are there, and their classes.
	classes() map[string]string
	open(name string) (*Part, error)
	// openCLIP says that a tokenizer is for an encoder of OpenCLIP, as far as that
	// is known.
	openCLIP(tokenizer string) bool
}

// Open opens a pipeline: a folder with model_index.json, the id of one on the
// hub, whose files are fetched as far as they are not in the cache, or a single
// file. hub may be nil for one as the environment says. ctx is for what is fetched
// later too, the tokenizer of a single file and LoRAs.
func Open(ctx context.Context, src string, hub *weights.Hub, o Options) (*Pipeline, error) {
	if hub == nil {
		hub = weights.HubFromEnv()
	}
	p, err := open(ctx, src, hub, o)
	if err != nil {
		return nil, fmt.Errorf("open pipeline %s: %w", src, err)
	}
	if o.Tokenizer != "" {
		if p.tokenizer, err = openTokenizer(ctx, o.Tokenizer, hub); err != nil {
			return nil, errors.Join(fmt.Errorf("open tokenizer %s: %w", o.Tokenizer, err), p.Close())
		}
	}
	if o.VAE != "" {
		if p.vae, err = openVAE(ctx, o.VAE, hub, p.scale()); err != nil {
			return nil, errors.Join(fmt.Errorf("open autoencoder %s: %w", o.VAE, err), p.Close())
		}
	}
	p.resolve = func(src string, wanted ...string) (string, error) { return weights.Resolve(ctx, src, hub, wanted...) }
	return p, nil
}

func open(ctx context.Context, src string, hub *weights.Hub, o Options) (*Pipeline, error) {
	path, err := weights.Resolve(ctx, src, hub, indexName)
	if err != nil {
		return nil, noIndex(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return openSingle(ctx, path, src, hub, o)
	}
	if o.PredictionType != "" {
		return nil, fmt.Errorf("a prediction type (%s) is for single files; a folder's scheduler_config.json says its own", o.PredictionType)
	}
	p, err := openFolder(path, src, o.Parts, o.VAE != "")
	if err != nil || path == src {
		return p, err
	}
	// The index is asked for again, so that all files are of one commit.
	if path, err = weights.Resolve(ctx, src, hub, append([]string{indexName}, p.wanted(o.wanted(p))...)...); err != nil {
		return nil, err
	}
	return openFolder(path, src, o.Parts, o.VAE != "")
}

// wanted are the parts to fetch, nil: all.
func (o Options) wanted(p *Pipeline) []string {
	if o.VAE == "" {
		return o.Parts
	}
	parts := o.Parts
	if parts == nil {
		parts = p.Parts()
	}
	return slices.DeleteFunc(slices.Clone(parts), func(name string) bool { return name == VAE })
}

func openFolder(path, name string, parts []string, withVAE bool) (*Pipeline, error) {
	return openIndex(folder{fsys: os.DirFS(path), path: path}, name, parts, withVAE)
}

// Whole says whether src is a whole pipeline as [Open] takes it, and not a part
// alone: a folder or a model of the hub with model_index.json, or a file that has
// tensors of a pipeline in a single file. What can't be read is none.
func Whole(ctx context.Context, src string, hub *weights.Hub) bool {
	if hub == nil {
		hub = weights.HubFromEnv()
	}
	path, err := weights.Resolve(ctx, src, hub, indexName+"?")
	if err != nil {
		return false
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		_, err := os.Stat(filepath.Join(path, indexName))
		return err == nil
	}
	c, err := weights.Open(path)
	if err != nil {
		return false
	}
	defer c.Close()
	prefixes := append(towerPrefixes(), unetPrefix, vaePrefix)
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return hasPart(c, prefix) })
}

// ClassOf is the class that the index of src names, a folder or a model of the hub. What has no
// index, or can't be read, is of none.
func ClassOf(ctx context.Context, src string, hub *weights.Hub) string {
	path, err := weights.Resolve(ctx, src, hub, indexName+"?")
	if err != nil {
		return ""
	}
	p, err := openFolder(path, src, []string{}, false)
	if err != nil {
		return ""
	}
	return p.Class
}

// OpenFS opens the pipeline whose folder fsys is, such as an embedded one. Its
// tensors are read into memory. name stands for it in messages.
func OpenFS(fsys fs.FS, name string) (*Pipeline, error) {
	p, err := openIndex(folder{fsys: fsys}, name, nil, false)
	if err != nil {
		return nil, fmt.Errorf("open pipeline %s: %w", name, err)
	}
	return p, nil
}

// Parts are the names of the parts, sorted.
func (p *Pipeline) Parts() []string {
	var names []string
	for name := range p.layout.classes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Has says whether the pipeline has a part.
func (p *Pipeline) Has(name string) bool { return p.layout.classes()[name] != "" }

// Part opens a part, or gives it again.
func (p *Pipeline) Part(name string) (*Part, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if part := p.parts[name]; part != nil {
		return part, nil
	}
	if !p.Has(name) {
		return nil, fmt.Errorf("pipeline %s (%s) has no part %s; it has %s", p.Name, p.Class, name, strings.Join(p.Parts(), ", "))
	}
	from, foreign := p.layout, p.tokenizer != nil && isTokenizer(name)
	switch {
	case foreign:
		from = p.tokenizer
	case p.vae != nil && name == VAE:
		from = p.vae
	}
	part, err := from.open(name)
	if err != nil {
		return nil, fmt.Errorf("pipeline %s: %s: %w", p.Name, name, err)
	}
	part.Name, part.Class = name, p.layout.classes()[name]
	if p.vae != nil && name == VAE {
		part.Class = p.vae.classes()[name]
	}
	if foreign && p.layout.openCLIP(name) {
		part.FS = padded{part.FS, openCLIPPad}
	}
	if p.parts == nil {
		p.parts = map[string]*Part{}
	}
	p.parts[name] = part
	return part, nil
}

// Close unmaps the tensors of all parts, which must not be read afterwards.
func (p *Pipeline) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, part := range p.parts {
		if part.close != nil {
			errs = append(errs, part.close())
		}
	}
	for _, c := range p.closers {
		errs = append(errs, c())
	}
	if p.Motion != nil && p.Motion.Close != nil {
		errs = append(errs, p.Motion.Close())
		p.Motion.Close = nil
	}
	p.parts, p.closers = nil, nil
	return errors.Join(errs...)
}

func isTokenizer(name string) bool { return name == Tokenizer || name == Tokenizer2 }
