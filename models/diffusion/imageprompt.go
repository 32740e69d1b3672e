package diffusion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/ipadapter"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/picture"
	"saccade/weights"
)

// imagePrompt is an IP-Adapter of a pipeline, whose attention is the UNet's.
type imagePrompt struct {
	name   string
	config ipadapter.Config
	module *nn.Module // from what the image tower gives to tokens
	close  func() error
}

// imageTower is the CLIP that sees the images of IP-Adapters.
type imageTower struct {
	config clip.VisionConfig
	module *nn.Module
	close  func() error
}

// besideAdapter is the folder of the image tower beside an adapter's file, as they are published.
const besideAdapter = "image_encoder"

// OpenIPAdapter adds an IP-Adapter to the pipeline, a file, which counts by its weight. tower is
// the image tower, a folder or hub id; "": the folder image_encoder beside the file, or the one of
// an adapter before. Requests have an image for each, in the order in which they were added.
func (p *Pipeline) OpenIPAdapter(ctx context.Context, src string, weight float64, tower string, hub *weights.Hub) error {
	if err := p.seesImages(); err != nil {
		return fmt.Errorf("loading the IP-Adapter %s: %w", src, err)
	}
	path, err := weights.Resolve(ctx, src, hub)
	if err != nil {
		return err
	}
	file, err := weights.Open(path)
	if err != nil {
		return err
	}
	if tower == "" && p.tower == nil {
		tower = filepath.Join(filepath.Dir(file.Path()), besideAdapter)
		if _, err := os.Stat(tower); err != nil {
			return errors.Join(fmt.Errorf("loading the IP-Adapter %s: there is no folder %s beside it, the image tower; name one", src, besideAdapter), file.Close())
		}
	}
	if tower != "" {
		err = p.openTower(ctx, tower, hub)
	}
	if err == nil {
		err = p.AddIPAdapter(src, file, weight)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	p.images[len(p.images)-1].close = file.Close
	return nil
}

// seesImages refuses a pipeline that takes no IP-Adapter.
func (p *Pipeline) seesImages() error {
	if !p.Prompted() || p.config.Frames > 0 {
		return fmt.Errorf("a %s takes none", p.Class)
	}
	return nil
}

func (p *Pipeline) openTower(ctx context.Context, src string, hub *weights.Hub) error {
	path, err := weights.Resolve(ctx, src, hub, "config.json")
	if err != nil {
		return err
	}
	file, err := weights.Open(path)
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(filepath.Dir(file.Path()), "config.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, file.Close())
	}
	if err := p.SetImageTower(src, file, config); err != nil {
		return errors.Join(err, file.Close())
	}
	p.tower.close = file.Close
	return nil
}

// SetImageTower sets the CLIP that sees the images of all IP-Adapters: tensors, which must stay
// open, and a config.json.
func (p *Pipeline) SetImageTower(name string, src weights.Source, config []byte) error {
	if p.tower != nil {
		return fmt.Errorf("loading the image tower %s: there is one already, and all IP-Adapters see by one", name)
	}
	c, alone, named, err := clip.Describe(src, config)
	if err == nil && (!alone || c.Sigmoid || c.Vision.Classes > 0 || c.Vision.Projection < 1) {
		err = errors.New("it is no CLIPVisionModelWithProjection, which IP-Adapters see by")
	}
	if err != nil {
		return fmt.Errorf("loading the image tower %s: %w", name, err)
	}
	p.tower = &imageTower{config: c.Vision, module: nn.NewModule(p.dev, besideAdapter, p.Precision, &nn.Description{Tensors: named, Make: c.Vision.Layers})}
	return nil
}

// AddIPAdapter is OpenIPAdapter of tensors, which must stay open, after SetImageTower.
func (p *Pipeline) AddIPAdapter(name string, src weights.Source, weight float64) error {
	fail := func(err error) error { return fmt.Errorf("loading the IP-Adapter %s: %w", name, err) }
	if err := p.seesImages(); err != nil {
		return fail(err)
	}
	c, projected, attending, err := ipadapter.Describe(src, p.config.Context)
	if err != nil {
		return fail(err)
	}
	sees := p.tower.config.Projection
	if c.Plus {
		sees = p.tower.config.Block.Width
	}
	if c.In != sees || p.tower.config.Depth < 2 {
		return fail(fmt.Errorf("it takes %d values of an image tower, and this one gives %d; give the tower that it was trained with", c.In, sees))
	}
	config, unetSource, err := p.config.WithImages(p.unetSource, attending, weight)
	if err != nil {
		return fail(err)
	}
	p.setUNet(config, unetSource)
	p.images = append(p.images, &imagePrompt{name: name, config: c, module: nn.NewModule(p.dev, "ip_adapter", p.Precision, &nn.Description{Tensors: projected, Make: c.Layers})})
	return nil
}

// ToImagePrompt is an image as the tower of the IP-Adapters takes it, [3 S S].
func (p *Pipeline) ToImagePrompt(m *picture.Image) ([]float32, error) {
	side := p.tower.config.Image[0]
	processor := &picture.Processor{Resize: picture.ResizeRule{Mode: picture.Shortest, H: side, W: side, Filter: picture.Bicubic}, Crop: picture.CropRule{H: side, W: side},
		Rescale: 1.0 / 255, Normalize: true, Mean: picture.CLIPMean, Std: picture.CLIPStd}
	pixels, _, _, err := processor.Apply(m)
	return pixels, err
}

// checkImages refuses what does not belong to the pipeline's IP-Adapters.
func (p *Pipeline) checkImages(q *Request) error {
	if len(q.ImagePrompts) != len(p.images) {
		return requestErrorf("%d images for %d IP-Adapters; expected one for each", len(q.ImagePrompts), len(p.images))
	}
	for _, x := range q.ImagePrompts {
		if size := 3 * p.tower.config.Image[0] * p.tower.config.Image[1]; len(x) != size {
			return requestErrorf("an image of %d values for an IP-Adapter; expected %d, of the image tower's size", len(x), size)
		}
	}
	return nil
}

// encodeImages makes the tokens of the request's images, behind those of nothing where there is
// guidance: of an embedding of zeros, or of the patches of a black image.
func (r *Run) encodeImages(ctx context.Context) error {
	for i, x := range r.Request.ImagePrompts {
		with, err := r.p.imageTokens(ctx, i, x)
		if err != nil {
			return err
		}
		n, size := r.Request.Items, len(with)
		all := repeat(with, n, size)
		if r.guided() {
			without, err := r.p.imageTokens(ctx, i, nil)
			if err != nil {
				return err
			}
			all = append(repeat(without, n, size), all...)
		}
		r.given[unet.Images(i)] = all
	}
	return nil
}

// imageTokens are those that IP-Adapter i makes of an image, or of nil of nothing.
func (p *Pipeline) imageTokens(ctx context.Context, i int, pixels []float32) ([]float32, error) {
	a, tower := p.images[i], p.tower
	input, seen := ipadapter.Embeds, nn.Array{Shape: []int{1, a.config.In}, Data: make([]float32, a.config.In)}
	if a.config.Plus || pixels != nil {
		side := tower.config.Image
		if pixels == nil {
			pixels = make([]float32, 3*side[0]*side[1])
		}
		name := clip.Projected
		if a.config.Plus {
			input, name = ipadapter.States, fmt.Sprintf("layer.%d", tower.config.Depth-2)
		}
		out, err := tower.module.Forward(ctx, nn.Images(nn.Array{Shape: []int{1, 3, side[0], side[1]}, Data: pixels}), gpu.Wants{Names: []string{name}, Only: true})
		if err != nil {
			return nil, err
		}
		seen = out[name]
	}
	out, err := a.module.Forward(ctx, map[string]nn.Array{input: seen}, gpu.Wants{})
	return out[ipadapter.Tokens].Data, err
}
