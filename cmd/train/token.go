package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/models/diffusion"
	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/weights"
)

// templates are what is said of pictures without captions.
var templates = []string{"a photo of a %s", "a picture of a %s", "a drawing of a %s", "a close-up of a %s", "one %s", "the %s"}

// tokenFile is diffusers' name of a textual inversion in a folder.
const tokenFile = "learned_embeds.safetensors"

// trainToken trains the embedding of a token of a pipeline's text tower (textual inversion).
func (a *app) trainToken(ctx context.Context, p *diffusion.Pipeline, d painted) error {
	v, err := p.Invert(a.token)
	if err != nil {
		return err
	}
	if d, err = a.tell(d, v.IDs); err != nil {
		return err
	}
	o := a.learning()
	o.Token = &learn.Token{Name: a.token, ID: v.ID, Begin: v.Begin}
	l, err := learn.Of(a.dev, a.model, v.Description, o)
	if err != nil {
		return err
	}
	defer l.Close()
	return a.paint(ctx, l, d, p.Source(), a.writeToken)
}

// readsIDs says that the text tower is trained, so that prompts stay tokens.
func (o *options) readsIDs() bool { return o.token != "" || o.textEncoder }

// trainReader trains adapters of a pipeline's text tower and of its UNet together.
func (a *app) trainReader(ctx context.Context, p *diffusion.Pipeline, d painted) error {
	reader, err := p.Reader()
	if err != nil {
		return err
	}
	d, err = a.tell(d, func(text string) ([]float32, error) {
		ids, truncated, err := reader.IDs(text)
		if truncated != "" {
			a.note("the caption %q is longer than the model reads; its end is left out", text)
		}
		return ids, err
	})
	if err != nil {
		return err
	}
	l, err := learn.Of(a.dev, a.model, reader.Description, a.learning())
	if err != nil {
		return err
	}
	defer l.Close()
	for _, part := range []string{"unet", "text_encoder"} {
		if !slices.ContainsFunc(l.Adapted(), func(module string) bool { return strings.HasPrefix(module, part+".") }) {
			return fmt.Errorf("the targets %s match no layer of the %s; with -train-text-encoder they are of both, such as to_q,to_v,q_proj,v_proj", strings.Join(a.targets, ","), part)
		}
	}
	return a.paint(ctx, l, d, p.Source(), a.writePainter)
}

// told are pictures with prompts as the text tower reads them.
type told struct {
	*drawn
	ids [][][]float32 // of each picture what may be said of it
}

// tell finds what is said of each picture: its caption, or of a token that is trained the templates.
// Batches that a file holds have their tokens.
func (a *app) tell(d painted, read func(text string) ([]float32, error)) (painted, error) {
	from, ok := d.(*drawn)
	if !ok {
		return d, nil
	}
	t := &told{drawn: from}
	for _, text := range from.texts {
		texts := []string{text}
		if text == "" && a.token != "" {
			texts = nil
			for _, template := range templates {
				texts = append(texts, fmt.Sprintf(template, a.token))
			}
		}
		var all [][]float32
		for _, text := range texts {
			ids, err := read(text)
			if err != nil {
				return nil, fmt.Errorf("data %s: %w", a.dataPath, err)
			}
			all = append(all, ids)
		}
		t.ids = append(t.ids, all)
	}
	return t, nil
}

// Batch implements [fit.Batches]: what is said of a picture without a caption is drawn anew each
// time.
func (t *told) Batch(_ context.Context, micro int) (learn.Batch, error) {
	chosen, rng, b := t.noised(micro)
	ids := nn.Array{}
	for _, i := range chosen {
		ids.Data = append(ids.Data, t.ids[i][rng.IntN(len(t.ids[i]))]...)
	}
	ids.Shape = []int{len(chosen), len(ids.Data) / len(chosen)}
	b.Inputs[nn.InputIDs] = ids
	return b, nil
}

// writeToken writes a textual inversion as diffusers does, into a file or a folder.
func (a *app) writeToken(out string, values map[string]nn.Array) error {
	tensors, err := tensorsOf("", values)
	if err != nil {
		return err
	}
	if !strings.EqualFold(filepath.Ext(out), ".safetensors") {
		if err := os.MkdirAll(out, 0o777); err != nil {
			return err
		}
		out = filepath.Join(out, tokenFile)
	}
	return weights.Write(out, tensors, map[string]string{"format": "pt"})
}
