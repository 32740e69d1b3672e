package diffusion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"saccade/models/diffusion/checkpoint"
	blocks "saccade/models/internal/diffusion"
	"saccade/models/motion"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/weights"
)

// Video is the pipelines that draw videos of a prompt: those of images with a motion adapter, and
// those whose UNet is of videos.
var Video = nn.Family{
	Name:    ofVideos,
	About:   "videos of a prompt: ModelScope's text-to-video; AnimateDiff, Stable Diffusion 1 with -motion SOURCE",
	Weights: "a folder or hub id of diffusers (TextToVideoSDPipeline); or what -model sd takes of Stable Diffusion 1, with -motion, the motion adapter",
	Open:    opener(ofVideos),
}

// motionConfig is that of the UNet's motion modules.
type motionConfig = blocks.MotionConfig

// DefaultFrames is how many frames diffusers' pipelines draw.
const DefaultFrames = 16

// openMotion adds the motion adapter of the options to a pipeline's files.
func openMotion(ctx context.Context, files *checkpoint.Pipeline, o nn.Options) error {
	if o.Motion == "" {
		return nil
	}
	path, err := weights.Resolve(ctx, o.Motion, o.Hub, "config.json")
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
	files.Motion = &checkpoint.Motion{Name: o.Motion, Source: file, Config: config, Close: file.Close}
	return nil
}

// addMotion puts the tensors of the motion adapter, if there is one, among the UNet's, before
// LoRAs of both are merged, and gives the configuration of its modules.
func (p *Pipeline) addMotion() error {
	m := p.files.Motion
	if m == nil {
		return nil
	}
	part, err := p.files.Part(checkpoint.UNet)
	if err != nil {
		return err
	}
	c, err := unet.Parse(part.Config)
	if err != nil {
		return fmt.Errorf("unet: %w", err)
	}
	switch {
	case c.Frames > 0:
		return fmt.Errorf("loading the motion adapter %s: the pipeline is a %s, which draws videos by its own UNet and takes none; leave it out", m.Name, p.Class)
	case c.Added > 0:
		return fmt.Errorf("loading the motion adapter %s: the pipeline is an SDXL; expected Stable Diffusion 1", m.Name)
	}
	c, src, err := motion.Describe(m.Source, m.Config, c)
	if err != nil {
		return fmt.Errorf("loading the motion adapter %s: %w", m.Name, err)
	}
	var added []*weights.Tensor
	for _, name := range src.Names() {
		t, ok := src.Tensor(name)
		if !ok {
			return fmt.Errorf("loading the motion adapter %s: tensor %s can't be read", m.Name, name)
		}
		added = append(added, t)
	}
	part.Source = weights.With(part.Source, added...)
	p.motion = c.Motion
	return nil
}

// Moves says that the pipeline draws videos, of at most so many frames at once.
func (p *Pipeline) Moves() (most int, ok bool) {
	switch {
	case p.config.Frames > 0:
		return mostFrames, true
	case p.motion == nil:
		return 0, false
	}
	return p.motion.Most, true
}

// mostFrames bounds those of a UNet of videos, which knows no positions. Published ones were
// trained on 16 to 24.
const mostFrames = 1000

// checkFrames refuses frames that the pipeline does not draw, and makes the frames of a video the
// items of a request.
func (p *Pipeline) checkFrames(q *Request) error {
	_, moves := p.Moves()
	switch {
	case !moves && q.Frames == 0 && q.Context == 0 && q.Stride == 0:
		return nil
	case !moves:
		return requestErrorf("%d frames of a %s without a motion adapter", q.Frames, p.Class)
	case q.Frames < 1:
		return requestErrorf("%d frames; expected at least 1", q.Frames)
	case q.Items != 1 && q.Items != q.Frames:
		return requestErrorf("%d videos at once; expected one", q.Items)
	case q.Image != nil || q.Mask != nil || q.Watch || q.From > 0 || q.To < 1:
		return requestErrorf("a video takes no picture to begin with, no mask and no refiner, and its attention to words is not watched")
	}
	if err := p.checkWindows(q); err != nil {
		return err
	}
	q.Items = q.Frames
	if len(q.Seeds) == 1 {
		q.Seeds = slices.Repeat(q.Seeds, q.Frames)
	}
	return nil
}

// checkWindows refuses frames and windows of them that the pipeline does not see at once.
func (p *Pipeline) checkWindows(q *Request) error {
	most, _ := p.Moves()
	switch {
	case p.motion == nil && (q.Context != 0 || q.Stride != 0):
		return requestErrorf("windows of frames are a motion adapter's; a %s sees all frames at once", p.Class)
	case p.motion == nil && q.Frames > most:
		return requestErrorf("%d frames; expected 1 to %d", q.Frames, most)
	case q.Context == 0 && q.Frames > most:
		return requestErrorf("%d frames; the motion adapter has positions for 1 to %d, more go in windows of so many (-context-length)", q.Frames, most)
	case q.Context < 0 || q.Context > most:
		return requestErrorf("windows of %d frames; the motion adapter has positions for 1 to %d", q.Context, most)
	case q.Context > q.Frames:
		return requestErrorf("windows of %d frames for a video of %d; expected no more", q.Context, q.Frames)
	case q.Context == 0 && q.Stride != 0:
		return requestErrorf("a stride of %d without windows", q.Stride)
	case q.Context > 0 && (q.stride() < 1 || q.stride() > q.Context):
		return requestErrorf("a stride of %d frames between windows of %d; expected 1 to %d", q.stride(), q.Context, q.Context)
	}
	return nil
}

// DefaultStride is diffusers' context_stride.
const DefaultStride = 4

// stride is how far windows of frames are from each other.
func (q *Request) stride() int {
	if q.Stride == 0 {
		return min(DefaultStride, q.Context)
	}
	return q.Stride
}

// video is what the UNet is told of the frames.
func (q *Request) video() blocks.Video {
	return blocks.Video{Frames: q.Frames, Context: q.Context, Stride: q.stride()}
}

// shuffleFrames gives frames [frames, size] behind the first window of noise that of earlier ones
// in another order, as far as a stride reaches (noise_type shuffle_context of diffusers). The order
// is of the seed.
func shuffleFrames(noise []float32, q *Request, size int) {
	if q.Context == 0 {
		return
	}
	order, stride := rand.New(rand.NewPCG(q.Seeds[0], uint64(q.Context))), q.stride()
	for at := q.Context; at < q.Frames; at += stride {
		for i, k := range order.Perm(stride) {
			if to := at + i; to < q.Frames {
				copy(noise[to*size:][:size], noise[(at-q.Context+k)*size:][:size])
			}
		}
	}
}

// FramesFirst brings maps [C frames size] to [frames C size].
func FramesFirst(x []float32, channels, frames, size int) []float32 {
	out := make([]float32, 0, len(x))
	for f := range frames {
		for c := range channels {
			out = append(out, x[(c*frames+f)*size:][:size]...)
		}
	}
	return out
}
