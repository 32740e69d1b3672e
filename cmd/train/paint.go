package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/fit"
	"saccade/models/learn"
	"saccade/models/lora"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/picture"
	"saccade/weights"
	"saccade/zoo"
)

// paints says that a model is a pipeline that draws a prompt.
func (o *options) paints() bool { return o.model == diffusion.Family.Name }

// checkPainting finds flags that do not go with such a pipeline.
func (o *options) checkPainting() error {
	switch {
	case (o.lora == 0) == (o.token == "") || o.head || o.tip || o.full || o.promptTokens > 0:
		return cli.Usagef("-model %s: give -lora RANK or -token NAME, one of which is trained of a pipeline", o.model)
	case o.format == formatKohya && o.out != "" && !strings.EqualFold(filepath.Ext(o.out), ".safetensors"):
		return cli.Usagef("-format kohya: the result is a file; name it, as -o FILE.safetensors")
	case o.validation != "" || o.merge || o.given["augment"]:
		return cli.Usagef("-validation, -merge and -augment are of networks that classify; leave them out with -model %s", o.model)
	}
	return nil
}

// trainPipeline trains adapters of a pipeline's UNet on pictures with captions, whose latents
// and prompts are computed once.
func (a *app) trainPipeline(ctx context.Context) (err error) {
	var found []captioned
	var raw map[string]models.Array
	if strings.EqualFold(filepath.Ext(a.dataPath), ".safetensors") {
		if raw, err = cli.ReadArrays(a.dataPath); err != nil {
			return fmt.Errorf("data %s: %w", a.dataPath, err)
		}
	} else if found, err = a.findCaptions(a.dataPath, a.token != ""); err != nil {
		return err
	}
	if a.dev, err = a.choice.Open(a.getenv, a.stderr); err != nil {
		return err
	}
	o := models.Options{Precision: a.precision, Hub: weights.HubFromEnv(), Embedded: zoo.All()}
	m, err := models.Load(ctx, a.dev, a.model, a.weights, o)
	if err != nil {
		return err
	}
	defer m.Close()
	p, ok := m.Pipeline.(*diffusion.Pipeline)
	if !ok {
		return fmt.Errorf("%s is no pipeline of a UNet", a.model)
	}
	a.source = p.Source()
	var d painted
	if raw != nil {
		d, err = a.storedBatches(ctx, p, raw)
	} else {
		d, err = a.encode(ctx, p, found)
	}
	if err != nil {
		return err
	}
	switch {
	case a.token != "":
		return a.trainToken(ctx, p, d)
	case a.textEncoder:
		return a.trainReader(ctx, p, d)
	}
	estimator, err := p.Estimator()
	if err != nil {
		return err
	}
	l, err := learn.Of(a.dev, a.model, estimator, a.learning())
	if err != nil {
		return err
	}
	defer l.Close()
	return a.paint(ctx, l, d, p.Source(), a.writePainter)
}

// paint makes the steps of a pipeline's training.
func (a *app) paint(ctx context.Context, l *learn.Learner, d painted, print string, write func(string, map[string]nn.Array) error) error {
	b, err := d.Batch(ctx, 0)
	if err != nil {
		return err
	}
	program, resident, err := l.Plan(b)
	if err != nil {
		return err
	}
	a.tellMemory(resident, program)
	if a.verify {
		return a.verifyGradients(ctx, l, d)
	}
	t := &training{app: a, l: l, from: d, perEpoch: d.perEpoch(), print: print, data: d.identity(), write: write}
	return t.run(ctx)
}

// painted are what a UNet learns from.
type painted interface {
	fit.Batches
	perEpoch() int
	identity() string
}

// drawn are latents and prompts to learn from.
type drawn struct {
	latents [][]float32
	prompts [][]float32
	texts   []string
	shape   [3]int // of latents
	tokens  int
	noising *diffusion.Noising
	order   *fit.Order
	seed    uint64
	print   string
}

func (d *drawn) perEpoch() int    { return d.order.PerEpoch() }
func (d *drawn) identity() string { return d.print }

// encode computes the latents of the pictures and the states of their captions. Pictures that
// can't be read are named and left out.
func (a *app) encode(ctx context.Context, p *diffusion.Pipeline, found []captioned) (*drawn, error) {
	noising, err := p.Noising()
	if err != nil {
		return nil, err
	}
	h, w := p.Size()
	d := &drawn{noising: noising, seed: a.seed}
	how := picture.ImageNet(min(h, w), min(h, w), picture.Bilinear)
	how.Mean, how.Std = picture.HalfMean, picture.HalfStd
	hash, began := sha256.New(), time.Now()
	for i, c := range found {
		a.rated("latents", i, len(found), time.Since(began))
		img, err := picture.Open(c.path, picture.DecodeOptions{})
		if err != nil {
			a.bad(c.path, err)
			continue
		}
		pixels, ph, pw, err := how.Apply(img)
		if err != nil {
			a.bad(c.path, err)
			continue
		}
		latents, err := p.EncodePicture(ctx, pixels, ph, pw)
		if err != nil {
			return nil, fmt.Errorf("picture %s: %w", c.path, err)
		}
		if !a.readsIDs() {
			if err := a.readCaption(ctx, p, d, c); err != nil {
				return nil, err
			}
		}
		r := p.Reduction()
		d.shape = [3]int{len(latents) / (ph / r * (pw / r)), ph / r, pw / r}
		d.latents, d.texts = append(d.latents, latents), append(d.texts, c.text)
		fmt.Fprint(hash, c.path, c.text, latents)
	}
	a.bar.Clear()
	if len(d.latents) == 0 {
		return nil, fmt.Errorf("data %s: none of its %s could be read", a.dataPath, cli.Count(len(found), "picture"))
	}
	d.print = hex.EncodeToString(hash.Sum(nil)[:8])
	d.order = &fit.Order{N: len(d.latents), Size: min(a.batch, len(d.latents)), Seed: a.seed}
	return d, nil
}

// readCaption computes the states of a picture's caption.
func (a *app) readCaption(ctx context.Context, p *diffusion.Pipeline, d *drawn, c captioned) error {
	embeds, err := p.Encode(ctx, []string{c.text}, diffusion.Reading{})
	if err != nil {
		return fmt.Errorf("caption of %s: %w", c.path, err)
	}
	if embeds.Truncated[0] != "" {
		a.note("the caption of %s is longer than the model reads; its end is left out", c.path)
	}
	if d.tokens != 0 && embeds.Tokens != d.tokens {
		return fmt.Errorf("caption of %s: it comes to %d tokens and others to %d; shorten it", c.path, embeds.Tokens, d.tokens)
	}
	d.tokens, d.prompts = embeds.Tokens, append(d.prompts, embeds.Hidden)
	return nil
}

// Batch implements [fit.Batches]: pictures with noise at random times, which follow from the
// seed and the micro-step.
func (d *drawn) Batch(_ context.Context, micro int) (learn.Batch, error) {
	chosen, _, b := d.noised(micro)
	prompts := nn.Array{}
	for _, i := range chosen {
		prompts.Data = append(prompts.Data, d.prompts[i]...)
	}
	prompts.Shape = []int{len(chosen), d.tokens, len(prompts.Data) / (len(chosen) * d.tokens)}
	b.Inputs[unet.Context] = prompts
	return b, nil
}

// noised is a batch without its prompts, with the examples that it is of and what draws the rest.
func (d *drawn) noised(micro int) ([]int, *rand.Rand, learn.Batch) {
	chosen, _ := d.order.Batch(micro)
	rng := rand.New(rand.NewPCG(d.seed, 1<<40|uint64(micro)))
	n, size := len(chosen), d.shape[0]*d.shape[1]*d.shape[2]
	shape := []int{n, d.shape[0], d.shape[1], d.shape[2]}
	sample, target := nn.Array{Shape: shape, Data: make([]float32, n*size)}, nn.Array{Shape: shape, Data: make([]float32, n*size)}
	times := nn.Array{Shape: []int{n}}
	noise := make([]float32, size)
	for k, i := range chosen {
		for j := range noise {
			noise[j] = float32(rng.NormFloat64())
		}
		t := rng.IntN(d.noising.Steps())
		d.noising.Noised(sample.Data[k*size:(k+1)*size], target.Data[k*size:(k+1)*size], d.latents[i], noise, t)
		times.Data = append(times.Data, float32(t))
	}
	return chosen, rng, learn.Batch{Inputs: map[string]nn.Array{unet.Sample: sample, unet.Timestep: times}, Target: target}
}

// painterFile is diffusers' name of adapters in a folder.
const painterFile = "pytorch_lora_weights.safetensors"

// The formats of a pipeline's adapters.
const (
	formatDiffusers = "diffusers"
	formatKohya     = "kohya"
)

// writePainter writes adapters of a pipeline, into a file or, as diffusers does, a folder.
func (a *app) writePainter(out string, values map[string]nn.Array) error {
	renamed := map[string]nn.Array{}
	for name, v := range values {
		if name = strings.TrimPrefix(name, "base_model.model."); !a.textEncoder {
			name = "unet." + name
		}
		renamed[name] = v
	}
	tensors, err := tensorsOf("", renamed)
	if err != nil {
		return err
	}
	if !strings.EqualFold(filepath.Ext(out), ".safetensors") {
		if err := os.MkdirAll(out, 0o777); err != nil {
			return err
		}
		out = filepath.Join(out, painterFile)
	}
	c := lora.Config{Rank: a.lora, Alpha: a.alpha, RSLoRA: a.rslora}
	if a.format == formatKohya {
		return lora.WriteKohya(out, c, tensors)
	}
	return lora.WriteDiffusers(out, c, tensors)
}
