package diffusion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"saccade/models/nn"
	"saccade/models/vae"
	"saccade/weights"
)

// Tiny is a small autoencoder beside a pipeline's own, for previews.
type Tiny struct {
	*nn.Module
	file *weights.Checkpoint
}

// OpenTiny opens a folder or hub id of diffusers' AutoencoderTiny, whose latents are
// to be the pipeline's.
func (p *Pipeline) OpenTiny(ctx context.Context, src string, hub *weights.Hub) (*Tiny, error) {
	path, err := weights.Resolve(ctx, src, hub)
	if err != nil {
		return nil, err
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := p.openTiny(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the small autoencoder %s: %w", src, err), file.Close())
	}
	return t, nil
}

func (p *Pipeline) openTiny(file *weights.Checkpoint) (*Tiny, error) {
	config, err := os.ReadFile(filepath.Join(filepath.Dir(file.Path()), "config.json"))
	if err != nil {
		return nil, err
	}
	d, err := vae.DescribeEither(file, config)
	if err != nil {
		return nil, err
	}
	if p.vae == nil || d.Latent != p.vae.Latent || d.Reduction != p.vae.Reduction || d.Channels != p.vae.Channels {
		return nil, fmt.Errorf("it is for latents of %d channels, a %dth of the picture's side; the pipeline's are others", d.Latent, d.Reduction)
	}
	return &Tiny{nn.NewModule(p.dev, "tiny", p.Precision, &d.Description), file}, nil
}

// Close frees the memory. No previewer of it may be open.
func (t *Tiny) Close() {
	t.Drop()
	t.file.Close()
}
