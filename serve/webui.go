package serve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"saccade/models"
	"saccade/models/diffusion"
)

// webUI serves the API of the Stable Diffusion web UI.
func (s *Server) webUI(mux *http.ServeMux) {
	a := api{s, failDetail}
	a.work(mux, "POST /sdapi/v1/txt2img", func(w http.ResponseWriter, r *http.Request) error { return s.webUIPaint(w, r, false) })
	a.work(mux, "POST /sdapi/v1/img2img", func(w http.ResponseWriter, r *http.Request) error { return s.webUIPaint(w, r, true) })
	a.open(mux, "GET /sdapi/v1/progress", s.webUIProgress)
	a.open(mux, "POST /sdapi/v1/interrupt", s.webUIInterrupt)
	a.open(mux, "GET /sdapi/v1/options", s.webUIOptions)
	a.open(mux, "POST /sdapi/v1/options", s.setWebUIOptions)
	a.open(mux, "GET /sdapi/v1/samplers", s.webUISamplers)
	a.open(mux, "GET /sdapi/v1/sd-models", s.webUIModels)
}

// webui is what that API remembers from request to request.
type webui struct {
	mu      sync.Mutex
	model   string // "": the first that paints
	now     *painted
	n       int // images of the request that is done
	began   time.Time
	cancels []context.CancelCauseFunc
	asked   bool // for its progress, since the last preview
}

// errInterrupted ends a request that another one interrupts.
var errInterrupted = errorf(http.StatusConflict, "interrupted")

// webUIRequest is a request for images. The web UI's clients send every key that it has;
// those that would change the images and are not done must have the value that changes
// nothing.
type webUIRequest struct {
	Prompt    string   `json:"prompt"`
	Negative  string   `json:"negative_prompt"`
	Sampler   *string  `json:"sampler_name"`
	Index     *string  `json:"sampler_index"`
	Scheduler *string  `json:"scheduler"`
	Steps     *int     `json:"steps"`
	Guidance  *float64 `json:"cfg_scale"`
	Width     *int     `json:"width"`
	Height    *int     `json:"height"`
	Seed      *int64   `json:"seed"`
	Batch     *int     `json:"batch_size"`
	Batches   *int     `json:"n_iter"`
	Strength  *float64 `json:"denoising_strength"`

	Images   []string       `json:"init_images"`
	Mask     *string        `json:"mask"`
	Blur     *float64       `json:"mask_blur"`
	Invert   *int           `json:"inpainting_mask_invert"`
	FullRes  any            `json:"inpaint_full_res"`
	Resize   *int           `json:"resize_mode"`
	Override map[string]any `json:"override_settings"`
}

// idle are the keys that must say nothing, by the values that do.
var idle = map[string][]string{
	"enable_hr": {"false"}, "restore_faces": {"false"}, "tiling": {"false"}, "styles": {"[]"}, "script_name": {`""`}, "script_args": {"[]"},
	"alwayson_scripts": {"{}"}, "subseed_strength": {"0", "0.0"}, "seed_resize_from_h": {"0", "-1"}, "seed_resize_from_w": {"0", "-1"}, "eta": {"0", "1", "0.0", "1.0"},
	"s_churn": {"0", "0.0"}, "s_noise": {"1", "1.0"}, "s_tmin": {"0", "0.0"}, "s_min_uncond": {"0", "0.0"}, "refiner_checkpoint": {`""`}, "infotext": {`""`},
	"image_cfg_scale": {"1.5", "0", "0.0"}, "latent_mask": {`""`}, "comments": {"{}"},
}

// unread are the keys that say nothing of the images, or count with one of those alone.
var unread = []string{"subseed", "s_tmax", "save_images", "send_images", "do_not_save_samples", "do_not_save_grid", "override_settings_restore_afterwards", "hr_scale", "hr_upscaler", "hr_second_pass_steps",
	"hr_resize_x", "hr_resize_y", "hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_prompt", "hr_negative_prompt", "firstphase_width", "firstphase_height", "refiner_switch_at", "disable_extra_networks",
	"include_init_images", "inpainting_fill", "inpaint_full_res_padding", "initial_noise_multiplier", "force_task_id", "use_async", "mask_blur_x", "mask_blur_y", "mask_round", "firstpass_image"}

// readWebUI reads a request.
func readWebUI(r *http.Request) (*webUIRequest, error) {
	var all map[string]json.RawMessage
	if err := readJSON(r, &all); err != nil {
		return nil, err
	}
	for key, value := range all {
		known := slices.Contains(unread, key) || string(value) == "null"
		if usual, ok := idle[key]; ok {
			if known = known || slices.Contains(usual, string(value)); !known {
				return nil, refusef(key, "%s %.60s is not done; leave it out", key, value)
			}
		}
		if known {
			delete(all, key)
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	q := &webUIRequest{}
	return q, parseJSON(data, q)
}

// painting is what a request asks for, and the name of its model.
func (q *webUIRequest) painting(s *Server, from bool) (p *painting, model string, err error) {
	p = &painting{prompt: q.Prompt, negative: &q.Negative, syntax: diffusion.A1111, n: 1, seed: -1, guidance: q.Guidance}
	s.webui.mu.Lock()
	model = s.webui.model
	s.webui.mu.Unlock()
	whole := func(key string, x *int, to *int) {
		if x == nil {
			return
		}
		if *to = *x; *x < 1 && err == nil {
			err = refusef(key, "%s %d: expected at least 1", key, *x)
		}
	}
	batches := 1
	whole("steps", q.Steps, &p.steps)
	whole("width", q.Width, &p.width)
	whole("height", q.Height, &p.height)
	whole("batch_size", q.Batch, &p.n)
	whole("n_iter", q.Batches, &batches)
	if p.n = p.n * batches; batches > s.Limits.Images {
		err = refusef("n_iter", "n_iter %d; at most %d images are made at once", batches, s.Limits.Images)
	}
	if q.Seed != nil {
		p.seed = *q.Seed
	}
	if from {
		p.strength = q.Strength
	}
	if rest, found, nerr := diffusion.Networks(q.Prompt); err == nil && (nerr != nil || len(found) > 0) {
		err = refusef("prompt", "the prompt names a LoRA, which are not loaded by requests; without it: %.60q", rest)
	}
	if err == nil {
		p.scheduler, err = q.scheduler()
	}
	for key, value := range q.Override {
		switch {
		case err != nil:
		case key == "sd_model_checkpoint":
			model = fmt.Sprint(value)
		case key == "CLIP_stop_at_last_layers":
			n, ok := value.(float64)
			if p.clipSkip = int(n) - 1; !ok || n < 1 || n > 12 {
				err = refusef("override_settings", "CLIP_stop_at_last_layers %v: expected 1 to 12", value)
			}
		default:
			err = refusef("override_settings", "override_settings: %q is not known here; leave it out", key)
		}
	}
	return p, model, err
}

// scheduler is the name that the pipelines here have for a sampler.
func (q *webUIRequest) scheduler() (string, error) {
	name := ""
	for _, x := range []*string{q.Index, q.Sampler} {
		if x != nil && *x != "" && *x != "Automatic" {
			name = *x
		}
	}
	if name == "" {
		return "", nil
	}
	kind := ""
	if q.Scheduler != nil && !strings.EqualFold(*q.Scheduler, "automatic") && *q.Scheduler != "" {
		kind = " " + *q.Scheduler
	}
	known, ok := diffusion.KnownScheduler(name + kind)
	if !ok && strings.EqualFold(kind, " uniform") {
		known, ok = diffusion.KnownScheduler(name)
	}
	if !ok {
		return "", refusef("sampler_name", "the sampler %q is not there; the nearest is %q (/sdapi/v1/samplers lists them)", name+kind, models.Nearest(name+kind, diffusion.Schedulers()))
	}
	return known, nil
}

// begin takes the images that a request begins with.
func (q *webUIRequest) begin(ctx context.Context, s *Server, p *painting) error {
	switch {
	case len(q.Images) != 1:
		return refusef("init_images", "init_images: %d of them; expected one", len(q.Images))
	case q.Resize != nil && *q.Resize != 0:
		return refusef("resize_mode", "resize_mode %d is not done; expected 0, which resizes to width and height", *q.Resize)
	case q.Mask != nil && q.Blur != nil && *q.Blur != 0:
		return refusef("mask_blur", "mask_blur %g is not done; expected 0", *q.Blur)
	case q.Mask != nil && q.FullRes != nil && q.FullRes != false && q.FullRes != 0.0:
		return refusef("inpaint_full_res", "inpaint_full_res is not done; expected false")
	}
	data, err := imageOf(q.Images[0], "init_images")
	if err != nil {
		return err
	}
	if p.image, err = s.decode(ctx, data, "init_images"); err != nil || q.Mask == nil {
		return err
	}
	if data, err = imageOf(*q.Mask, "mask"); err != nil {
		return err
	}
	if p.mask, err = s.decode(ctx, data, "mask"); err == nil && q.Invert != nil && *q.Invert == 1 {
		for i, v := range p.mask.Pix {
			p.mask.Pix[i] = 255 - v
		}
	}
	return err
}

// webUIPaint makes images of a prompt, or from one.
func (s *Server) webUIPaint(w http.ResponseWriter, r *http.Request, from bool) error {
	q, err := readWebUI(r)
	if err != nil {
		return err
	}
	p, model, err := q.painting(s, from)
	if err == nil && from {
		err = q.begin(r.Context(), s, p)
	}
	if err != nil {
		return err
	}
	m, _, err := s.painter(model)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer s.webui.track(cancel, p.n)()
	p.wanted = s.webui.asks
	images, seeds, infos := []string{}, []uint64{}, []string{}
	var last painted
	told := newEvents[painted]()
	err = follow(ctx, told, func(ctx context.Context) error { return s.paint(ctx, m, p, told) }, func(x painted) error {
		if s.webui.tell(x); x.preview == done {
			last = x
			images, seeds = append(images, base64.StdEncoding.EncodeToString(x.png)), append(seeds, x.seed)
			infos = append(infos, x.told)
		}
		return nil
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"prompt": q.Prompt, "all_prompts": slices.Repeat([]string{q.Prompt}, p.n), "negative_prompt": q.Negative, "all_negative_prompts": slices.Repeat([]string{q.Negative}, p.n),
		"seed": seeds[0], "all_seeds": seeds, "subseed": seeds[0], "all_subseeds": seeds, "subseed_strength": 0, "width": last.request.Width, "height": last.request.Height, "sampler_name": last.sampler,
		"cfg_scale": last.request.Guidance, "steps": last.request.Steps, "batch_size": p.n, "denoising_strength": last.request.Strength, "infotexts": infos, "styles": []string{}, "job_timestamp": time.Now().Format("20060102150405"),
		"clip_skip": p.clipSkip + 1, "sd_model_name": m.ID, "index_of_first_image": 0})
	if err != nil {
		return err
	}
	writeJSON(w, map[string]any{"images": images, "parameters": map[string]any{"prompt": q.Prompt, "negative_prompt": q.Negative, "steps": last.request.Steps, "cfg_scale": last.request.Guidance,
		"width": last.request.Width, "height": last.request.Height, "seed": seeds[0], "sampler_name": last.sampler, "batch_size": p.n}, "info": string(info)})
	return nil
}

// track counts a request among those under way, until what it gives is called.
func (u *webui) track(cancel context.CancelCauseFunc, n int) func() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cancels, u.now, u.n, u.began = append(u.cancels, cancel), &painted{}, n, time.Now()
	mine := len(u.cancels) - 1
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.cancels[mine] = nil
		if !slices.ContainsFunc(u.cancels, func(f context.CancelCauseFunc) bool { return f != nil }) {
			u.cancels, u.now = nil, nil
		}
	}
}

// tell keeps how far the request is.
func (u *webui) tell(x painted) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if x.png == nil && u.now != nil {
		x.png = u.now.png
	}
	u.now = &x
}

// asks says whether somebody wants to see how far the request is.
func (u *webui) asks() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	asked := u.asked
	u.asked = false
	return asked
}

// webUIProgress tells how far the request under way is.
func (s *Server) webUIProgress(w http.ResponseWriter, _ *http.Request) error {
	u := &s.webui
	u.mu.Lock()
	defer u.mu.Unlock()
	state := map[string]any{"skipped": false, "interrupted": false, "stopping_generation": false, "job": "", "job_count": 0, "job_no": 0, "job_timestamp": "0", "sampling_step": 0, "sampling_steps": 0}
	answer := map[string]any{"progress": 0.0, "eta_relative": 0.0, "state": state, "current_image": nil, "textinfo": nil}
	if x := u.now; x != nil {
		u.asked = true
		state["job"], state["job_count"], state["job_no"], state["job_timestamp"] = "scripts_txt2img", u.n, x.item, u.began.Format("20060102150405")
		state["sampling_step"], state["sampling_steps"] = x.step, x.steps
		if x.steps > 0 {
			part := (float64(x.item) + float64(x.step)/float64(x.steps)) / float64(u.n)
			answer["progress"] = part
			if part > 0 {
				answer["eta_relative"] = time.Since(u.began).Seconds() * (1 - part) / part
			}
		}
		if x.png != nil {
			answer["current_image"] = base64.StdEncoding.EncodeToString(x.png)
		}
	}
	writeJSON(w, answer)
	return nil
}

// webUIInterrupt ends what is under way.
func (s *Server) webUIInterrupt(w http.ResponseWriter, _ *http.Request) error {
	s.webui.mu.Lock()
	defer s.webui.mu.Unlock()
	for _, cancel := range s.webui.cancels {
		if cancel != nil {
			cancel(errInterrupted)
		}
	}
	writeJSON(w, map[string]any{})
	return nil
}

// webUIOptions tells the model that is painted with.
func (s *Server) webUIOptions(w http.ResponseWriter, _ *http.Request) error {
	s.webui.mu.Lock()
	name := s.webui.model
	s.webui.mu.Unlock()
	m, err := s.find(name, canPaint, "makes images")
	if err != nil {
		return err
	}
	writeJSON(w, map[string]any{"sd_model_checkpoint": m.ID, "CLIP_stop_at_last_layers": 1, "samples_format": "png"})
	return nil
}

// setWebUIOptions chooses the model.
func (s *Server) setWebUIOptions(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, s.Limits.Body)
	var q struct {
		Model string `json:"sd_model_checkpoint"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	m, err := s.find(q.Model, canPaint, "makes images")
	if err != nil {
		return err
	}
	s.webui.mu.Lock()
	s.webui.model = m.ID
	s.webui.mu.Unlock()
	writeJSON(w, map[string]any{})
	return nil
}

// webUISamplers lists the schedulers.
func (s *Server) webUISamplers(w http.ResponseWriter, _ *http.Request) error {
	list := []any{}
	for _, name := range diffusion.Schedulers() {
		list = append(list, map[string]any{"name": name, "aliases": []string{}, "options": map[string]string{}})
	}
	writeJSON(w, list)
	return nil
}

// webUIModels lists what paints.
func (s *Server) webUIModels(w http.ResponseWriter, _ *http.Request) error {
	list := []any{}
	for _, m := range s.queue.Models {
		if f := m.Front(); f != nil && canPaint(f) {
			list = append(list, map[string]any{"title": m.ID, "model_name": m.ID, "hash": nil, "sha256": nil, "filename": f.Source, "config": nil})
		}
	}
	writeJSON(w, list)
	return nil
}
