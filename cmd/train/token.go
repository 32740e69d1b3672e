package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"saccade/models"
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
func (a *app) trainToken(ctx context.Context, p *diffusion.Pipeline, found []captioned, raw map[string]models.Array) error {
	var from *drawn
	var d painted
	var err error
	if raw != nil {
		d, err = a.storedBatches(ctx, p, raw)
	} else if from, err = a.encode(ctx, p, found); err == nil {
		d = from
	}
	if err != nil {
		return err
	}
	v, err := p.Invert(a.token)
	if err != nil {
		return err
	}
	if from != nil {
		if d, err = a.tell(from, v); err != nil {
			return err
		}
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

// told are pictures with prompts that name the token.
type told struct {
	*drawn
	ids [][][]float32 // of each picture what may be said of it
}

// tell finds what is said of each picture: its caption, or the templates.
func (a *app) tell(d *drawn, v *diffusion.Inverter) (*told, error) {
	t := &told{drawn: d}
	for _, text := range d.texts {
		texts := []string{text}
		if text == "" {
			texts = nil
			for _, template := range templates {
				texts = append(texts, fmt.Sprintf(template, a.token))
			}
		}
		var all [][]float32
		for _, text := range texts {
			ids, err := v.IDs(text)
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
