package main

import (
	"context"
	"fmt"
	"time"

	"saccade/models"
	"saccade/models/upscale"
	"saccade/picture"
	"saccade/zoo"
)

// openEnlarger loads the network that enlarges what is drawn.
func (w *painter) openEnlarger(ctx context.Context) (close func(), err error) {
	if !w.upscale.Given {
		return func() {}, nil
	}
	if w.enlarger, err = w.loadModel(ctx, upscale.Family.Name, w.upscale.Value, models.Options{Precision: w.precision, Hub: w.hub, Embedded: zoo.All()}); err != nil {
		return nil, fmt.Errorf("-upscale: %w", err)
	}
	return w.enlarger.Close, nil
}

// enlarge makes pictures larger where that is asked for.
func (w *painter) enlarge(ctx context.Context, images []*picture.Image) ([]*picture.Image, error) {
	if w.enlarger == nil {
		return images, nil
	}
	began := time.Now()
	out := make([]*picture.Image, len(images))
	for i, img := range images {
		var err error
		if out[i], err = w.enlarger.Enlarge(ctx, img); err != nil {
			return nil, fmt.Errorf("enlarging the picture: %w", err)
		}
	}
	w.doc.Upscale = &enlargedJSON{w.enlarger.Source, out[0].W, out[0].H, nil}
	w.after += time.Since(began)
	return out, nil
}
