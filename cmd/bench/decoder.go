package main

import (
	"context"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models"
)

// decoderKinds are the rows of a decoder.
func decoderKinds(name string) []string {
	if name == "blip_base_caption" {
		return []string{kindCaption}
	}
	return []string{kindPrefill, kindDecode}
}

// isDecoder says that a name of -models is one of an architecture that writes.
func isDecoder(name string) bool { return slices.Contains(models.StandardDecoders(), name) }

// openDecoder makes the subject of texts that are written, or of what they begin with.
func (s spec) openDecoder(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	d, err := models.NewStandardDecoder(dev, s.Name, precision, s.Batch, seed)
	if err != nil {
		return nil, s.typed(err)
	}
	x := &subject{spec: s, dev: dev, drawn: d.Drawn, close: d.Close}
	weights, plan, err := d.Memory()
	if err != nil {
		d.Close()
		return nil, s.typed(fmt.Errorf("%s: %w", s, err))
	}
	x.weights, x.activations = weights, plan.Sum()
	x.verify = func(ctx context.Context, _ bool) (verdict, error) {
		checks, err := d.Verify(ctx)
		return x.judge(checks), err
	}
	switch s.Kind {
	case kindPrefill:
		x.Shape, x.items = fmt.Sprintf("%d tokens", d.Begin), s.Batch*d.Begin
		x.run = func(ctx context.Context) error {
			_, err := d.Read(ctx)
			return err
		}
		x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return d.Profile(ctx, 0, d.Begin) }
	case kindDecode:
		x.Shape, x.items = fmt.Sprintf("%d tokens behind %d", d.Tokens, d.Begin), s.Batch*d.Tokens
		x.goOn(d)
		x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return d.Profile(ctx, d.Begin+1) }
	default:
		x.Shape, x.items = fmt.Sprintf("an image, %d tokens", d.Tokens), s.Batch*d.Tokens
		x.run = d.Write
		x.profile = func(ctx context.Context) ([]gpu.Timing, error) { return d.Profile(ctx, 0, d.Begin, d.Begin+1) }
	}
	return x, nil
}

// goOn times tokens behind what was read, which is read once.
func (s *subject) goOn(d *models.StandardDecoder) {
	var texts [][]uint32
	s.ready = func(ctx context.Context) (err error) {
		if texts == nil {
			texts, err = d.Read(ctx)
		}
		return err
	}
	s.run = func(ctx context.Context) error {
		if err := s.ready(ctx); err != nil { // of a cold start
			return err
		}
		return d.GoOn(ctx, texts)
	}
}
