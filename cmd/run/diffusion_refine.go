package main

import (
	"context"
	"fmt"

	"saccade/models"
	"saccade/models/diffusion"
	"saccade/zoo"
)

// openRefiner opens the pipeline that goes on where the other ends.
func (w *painter) openRefiner(ctx context.Context) (close func(), err error) {
	if w.refinerSource == "" {
		return func() {}, nil
	}
	m, err := w.loadModel(ctx, diffusion.Family.Name, w.refinerSource, models.Options{Precision: w.precision, Hub: w.hub, Embedded: zoo.All(), Tokenizer: w.tokenizer, VAE: w.vae,
		Embeddings: w.embeddings, LowMemory: w.lowMemory, Tiled: w.tiled})
	if err != nil {
		return nil, fmt.Errorf("the refiner: %w", err)
	}
	w.refiner = m.Pipeline.(*diffusion.Pipeline) // as its family says
	return m.Close, nil
}

// refine does the rest of the steps of a run by the refiner, if there is one and no
// interrupt. The run is closed, also after an error.
func (w *painter) refine(ctx context.Context, run *diffusion.Run) (*diffusion.Run, error) {
	if w.refiner == nil || ctx.Err() != nil {
		return run, nil
	}
	next, err := w.refiner.Continue(ctx, run)
	if err != nil {
		return nil, err
	}
	if err := w.step(ctx, next); err != nil && !(w.partial && ctx.Err() != nil) {
		next.Close()
		return nil, err
	}
	return next, nil
}
