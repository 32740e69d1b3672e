package diffusion

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"

	"saccade/models/diffusion/scheduler"
)

// Request is what a run makes. [Pipeline.Defaults] fills in what a caller leaves.
type Request struct {
	Items         int // pictures at once
	Frames        int // of a video, of a pipeline with a motion adapter, which is one item; 0: pictures
	Height, Width int // pixels

	// Context is how many frames of a video the motion adapter sees at once, and Stride how far
	// each such window is from the one before (context_length and context_stride of diffusers'
	// enable_free_noise). 0: all frames, and [DefaultStride].
	Context, Stride int

	Prompts  []string // one for all items or one for each; unread with Embeds
	Embeds   *Embeds  // prompts encoded before, or nil
	Negative *string  // what not to draw; nil is the pipeline's own, an empty text for most
	Syntax   Syntax   // how the prompts and the negative one are read; "": [Plain]
	ClipSkip int      // blocks of the text towers to leave out at the end

	TimeIDs []float32 // SDXL's sizes [6] in place of the picture's: original, corner of the crop, target, each height and width; or nil

	Steps     int
	Guidance  float64 // weight of the prompt (Ho and Salimans 2022); at most 1: none
	Rescale   float64 // part of the spread that guidance adds which is taken off again (guidance_rescale), up to 1
	Scheduler string  // one of [Schedulers]; "": the checkpoint's
	Strength  float64 // with a picture: the part of the steps that remain, more than 0, at most 1

	// From and To are the part of the way from noise, 0, to the picture, 1, that is
	// gone (denoising_start and denoising_end of SDXL); a To of 0 is 1. With From
	// above 0 the Latents are those that a run to there ended with: see
	// [Pipeline.Continue].
	From, To float64

	Seeds   []uint64                                  // of each item, for what follows
	Latents []float32                                 // [items C h w] of variance 1, in place of the seeds' noise
	Noise   func(step int) (noise []float32, _ error) // [items C h w] in place of the seeds' noise, or nil

	Image []float32 // [1 or items, C, Height, Width] in [−1, 1] to begin with, or nil
	Mask  []float32 // [Height Width]: 1 where the picture is painted anew, 0 where it stays; or nil

	Controls []Control // of each of the pipeline's ControlNets

	ImagePrompts [][]float32 // what each of the pipeline's IP-Adapters sees: see [Pipeline.ToImagePrompt]

	Watch bool // sum up the attention that the map pays to each word: see [Run.WordMaps]
}

// Seeds counts n up from one, or where that is negative from a random one that people
// can type.
func Seeds(first int64, n int) []uint64 {
	if first < 0 {
		first = int64(rand.Uint32())
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(first) + uint64(i)
	}
	return out
}

// RequestError is a request that the pipeline can't do.
type RequestError struct{ reason string }

func (e *RequestError) Error() string { return e.reason }

func requestErrorf(format string, args ...any) error {
	return &RequestError{fmt.Sprintf(format, args...)}
}

// Defaults is a request of one picture with what diffusers takes by default.
func (p *Pipeline) Defaults() Request {
	h, w := p.Size()
	q := Request{Items: 1, Height: h, Width: w, Steps: p.Steps(), Guidance: p.Guidance(), Strength: 1, Seeds: []uint64{0}}
	if most, ok := p.Moves(); ok {
		q.Frames = min(DefaultFrames, most)
	}
	return q
}

// validate refuses what the pipeline can't do.
func (p *Pipeline) validate(q *Request) error {
	reduction := p.Reduction()
	if q.To == 0 {
		q.To = 1
	}
	if err := p.checkFrames(q); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]Syntax{"", Plain, A1111}, q.Syntax):
		return requestErrorf("prompt syntax %q is unknown; expected %s or %s", q.Syntax, Plain, A1111)
	case !(q.Rescale >= 0 && q.Rescale <= 1):
		return requestErrorf("guidance rescale %v is out of range; expected 0 to 1", q.Rescale)
	case !(q.From >= 0 && q.From < q.To && q.To <= 1):
		return requestErrorf("from %v to %v of the way; expected parts from 0 to 1, the first less than the second", q.From, q.To)
	case (q.From > 0 || q.To < 1) && (q.Image != nil || q.Mask != nil):
		return requestErrorf("a part of the way does not go with a picture to begin with")
	case q.From > 0 && q.Latents == nil:
		return requestErrorf("from %v of the way on without the latents of the part before", q.From)
	case q.Items < 1:
		return requestErrorf("%d pictures at once; expected at least 1", q.Items)
	case q.Height < reduction || q.Width < reduction || q.Height%reduction != 0 || q.Width%reduction != 0:
		return requestErrorf("a picture of %dx%d (width x height): both must be multiples of %d; the nearest are %s", q.Width, q.Height, reduction, nearestSizes(q.Width, q.Height, reduction))
	case q.Steps < 1:
		return requestErrorf("%d steps; expected at least 1", q.Steps)
	case !(q.Strength > 0 && q.Strength <= 1):
		return requestErrorf("strength %v is out of range; expected more than 0, at most 1", q.Strength)
	case !p.Prompted() && (len(q.Prompts) > 0 || q.Negative != nil || q.Embeds != nil || q.Syntax == A1111):
		return requestErrorf("%s takes no prompt", p.Class)
	case q.Rescale > 0 && !p.guided(q):
		return requestErrorf("a guidance rescale of %v and no guidance to rescale; give guidance above 1, of a pipeline that is asked without the prompt too", q.Rescale)
	case p.Prompted() && q.Embeds == nil && len(q.Prompts) != 1 && len(q.Prompts) != q.Items:
		return requestErrorf("%d prompts for %d pictures; expected one, or one for each", len(q.Prompts), q.Items)
	case q.TimeIDs != nil && (!p.xl() || len(q.TimeIDs) != p.sizes()):
		return requestErrorf("%d sizes of pictures (time_ids); expected %d, of SDXL alone", len(q.TimeIDs), p.sizes())
	case q.Embeds != nil && (!p.wholeChunks(q) || !whole(q.Embeds.Hidden, q.Items, q.Embeds.Tokens*p.config.Context) || !whole(q.Embeds.Pooled, q.Items, p.pooled())):
		return requestErrorf("encoded prompts of %d tokens with %d values, and %d pooled ones; expected one or %d of [%d %d] and [%d]", q.Embeds.Tokens, len(q.Embeds.Hidden), len(q.Embeds.Pooled), q.Items, p.encoders[0].length, p.config.Context, p.pooled())
	case q.Latents == nil && len(q.Seeds) != q.Items:
		return requestErrorf("%d seeds for %d pictures; expected one for each", len(q.Seeds), q.Items)
	}
	if err := p.checkControls(q); err != nil {
		return err
	}
	if err := p.checkImages(q); err != nil {
		return err
	}
	return p.checkPictures(q)
}

// wholeChunks says that encoded prompts are of as many tokens as are encoded at once,
// or in a syntax with chunks of some times as many.
func (p *Pipeline) wholeChunks(q *Request) bool {
	length := p.encoders[0].length
	return q.Embeds.Tokens == length || q.Syntax == A1111 && q.Embeds.Tokens > 0 && q.Embeds.Tokens%length == 0
}

// negative is the text of what not to draw.
func (q *Request) negative() string {
	if q.Negative == nil {
		return ""
	}
	return *q.Negative
}

// promptChunks is how many chunks of tokens the request's prompts take, which are
// padded to the longest.
func (p *Pipeline) promptChunks(q *Request) (int, error) {
	if !p.Prompted() {
		return 0, nil
	}
	var texts []string
	if q.Embeds == nil {
		texts = append(texts, q.Prompts...)
	}
	if p.guided(q) {
		texts = append(texts, q.negative())
	}
	for i, text := range texts {
		if !utf8.ValidString(text) {
			return 0, requestErrorf("the prompt %s is no UTF-8; expected a text in it", short(text))
		}
		if q.Syntax == A1111 {
			if err := checkA1111(text, p.guided(q) && i == len(texts)-1); err != nil {
				return 0, err
			}
		}
	}
	n, err := p.chunks(texts, q.Syntax)
	if err != nil || q.Embeds == nil {
		return n, err
	}
	given := q.Embeds.Tokens / p.encoders[0].length
	if n > given {
		return 0, requestErrorf("the negative prompt takes %d chunks of tokens and the encoded prompts have %d; expected no more", n, given)
	}
	return given, nil
}

// whole says that x is of one item or of n, each of size values.
func whole(x []float32, n, size int) bool { return len(x) == size || len(x) == n*size }

func (p *Pipeline) checkPictures(q *Request) error {
	channels, area := p.config.In, q.Height*q.Width
	if p.vae != nil {
		channels = p.vae.Channels
	}
	switch n := len(q.Image); {
	case n != 0 && n != channels*area && n != q.Items*channels*area:
		return requestErrorf("a picture of %d values; expected [%d %d %d]", n, channels, q.Height, q.Width)
	case q.Mask != nil && q.Image == nil:
		return requestErrorf("a mask without a picture to keep where it is black")
	case q.Mask != nil && len(q.Mask) != area:
		return requestErrorf("a mask of %d values for a picture of %dx%d (width x height); expected one for each pixel", len(q.Mask), q.Width, q.Height)
	case q.Mask == nil && p.inpaints():
		return requestErrorf("the UNet is an inpainting model's, which takes a picture and a mask beside the prompt; give both")
	}
	if size := q.Items * p.latentChannels() * area / (p.Reduction() * p.Reduction()); q.Latents != nil && len(q.Latents) != size {
		return requestErrorf("latents of %d values; expected %d, [%d %d %d %d]", len(q.Latents), size, q.Items, p.latentChannels(), q.Height/p.Reduction(), q.Width/p.Reduction())
	}
	return nil
}

// latentChannels is the channels of what a run works on.
func (p *Pipeline) latentChannels() int { return p.config.Out }

// nearestSizes are the sizes around w×h that a pipeline makes.
func nearestSizes(w, h, reduction int) string {
	around := func(v int) []int {
		lo := max(1, v/reduction) * reduction
		if v <= lo {
			return []int{lo}
		}
		return []int{lo, lo + reduction}
	}
	var sizes []string
	for _, x := range around(w) {
		for _, y := range around(h) {
			sizes = append(sizes, fmt.Sprintf("%dx%d", x, y))
		}
	}
	return strings.Join(sizes, ", ")
}

// shortName is a scheduler by a short name: a class of diffusers with keys of its
// config.
type shortName struct{ name, class, keys string }

// schedulers are the short names that people know.
var schedulers = []shortName{
	{"ddpm", "DDPMScheduler", ""},
	{"ddim", "DDIMScheduler", ""},
	{"pndm", "PNDMScheduler", ""},
	{"euler", "EulerDiscreteScheduler", ""},
	{"euler-a", "EulerAncestralDiscreteScheduler", ""},
	{"heun", "HeunDiscreteScheduler", ""},
	{"dpm++2m", "DPMSolverMultistepScheduler", `{"algorithm_type":"dpmsolver++"}`},
	{"dpm++2m-karras", "DPMSolverMultistepScheduler", `{"algorithm_type":"dpmsolver++","use_karras_sigmas":true}`},
	{"dpm++2m-sde", "DPMSolverMultistepScheduler", `{"algorithm_type":"sde-dpmsolver++"}`},
	{"dpm++2m-sde-karras", "DPMSolverMultistepScheduler", `{"algorithm_type":"sde-dpmsolver++","use_karras_sigmas":true}`},
	{"dpm++3m", "DPMSolverMultistepScheduler", `{"algorithm_type":"dpmsolver++","solver_order":3}`},
	{"dpm++3m-sde", "DPMSolverMultistepScheduler", `{"algorithm_type":"sde-dpmsolver++","solver_order":3}`},
	{"dpm++2s", "DPMSolverSinglestepScheduler", `{"algorithm_type":"dpmsolver++"}`},
	{"dpm++sde", "DPMSolverSDEScheduler", ""},
	{"dpm++sde-karras", "DPMSolverSDEScheduler", `{"use_karras_sigmas":true}`},
	{"dpm2", "KDPM2DiscreteScheduler", ""},
	{"dpm2-a", "KDPM2AncestralDiscreteScheduler", ""},
	{"lms", "LMSDiscreteScheduler", ""},
	{"deis", "DEISMultistepScheduler", ""},
	{"tcd", "TCDScheduler", ""},
	{"unipc", "UniPCMultistepScheduler", ""},
	{"lcm", "LCMScheduler", ""},
}

// spellings are other words for the short names, as plain spells them.
var spellings = map[string]string{"plms": "pndm", "eulerancestral": "eulera", "dpm": "dpmpp2m", "dpmpp": "dpmpp2m", "dpmsolverpp": "dpmpp2m", "dpmsolver": "dpmpp2m"}

// plain is a name without what people write differently: capitals, signs, the word
// scheduler.
func plain(name string) string {
	name = strings.TrimSuffix(strings.ReplaceAll(strings.ToLower(name), "++", "pp"), "scheduler")
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' {
			return -1
		}
		return r
	}, name)
}

// KnownScheduler is the name among [Schedulers] of one that is spelled otherwise.
func KnownScheduler(name string) (known string, ok bool) {
	wanted := plain(name)
	if other, ok := spellings[wanted]; ok {
		wanted = other
	}
	for _, s := range Schedulers() {
		if plain(s) == wanted {
			return s, true
		}
	}
	return "", false
}

// Schedulers are the names that [Request.Scheduler] takes, short ones and then the
// classes of diffusers.
func Schedulers() []string {
	var names []string
	for _, s := range schedulers {
		names = append(names, s.name)
	}
	return append(names, scheduler.Classes()...)
}

// scheduler is the configuration of the request's scheduler; mask says that a part
// is painted anew.
func (p *Pipeline) scheduler(name string, mask bool) (*scheduler.Config, error) {
	overruled, err := scheduler.Set(p.schedule, scheduler.Overrules(p.Class, mask, len(p.controls) > 0))
	if err != nil {
		return nil, err
	}
	if known, ok := KnownScheduler(name); ok {
		name = known
	}
	config, class := overruled, name
	if i := slices.IndexFunc(schedulers, func(s shortName) bool { return s.name == name }); i >= 0 {
		class = schedulers[i].class
		if schedulers[i].keys != "" {
			if config, err = scheduler.Set(config, schedulers[i].keys); err != nil {
				return nil, err
			}
		}
	} else if name != "" && !slices.Contains(scheduler.Classes(), name) {
		return nil, requestErrorf("scheduler %q is unknown; expected one of %s", name, strings.Join(Schedulers(), ", "))
	}
	c, err := scheduler.Parse(config, class)
	if err != nil && name != "" {
		return nil, &RequestError{err.Error()}
	}
	if c != nil {
		c.StrengthOfOriginal = scheduler.StrengthOfOriginal(p.Class)
	}
	return c, err
}
