package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"saccade/models/diffusion"
	"saccade/picture"
)

// imageRequest is OpenAI's request for images, with keys of diffusion beside it: seed,
// steps, guidance, negative_prompt, scheduler, strength.
type imageRequest struct {
	Model      string   `json:"model"`
	Prompt     string   `json:"prompt"`
	N          *int     `json:"n"`
	Size       string   `json:"size"`
	Format     string   `json:"response_format"`
	Output     string   `json:"output_format"`
	Quality    string   `json:"quality"`
	Background string   `json:"background"`
	Moderation string   `json:"moderation"`
	Style      string   `json:"style"`
	Fidelity   string   `json:"input_fidelity"`
	Compress   *int     `json:"output_compression"`
	User       string   `json:"user"`
	Stream     bool     `json:"stream"`
	Partial    *int     `json:"partial_images"`
	Seed       *int64   `json:"seed"`
	Steps      int      `json:"steps"`
	Guidance   *float64 `json:"guidance"`
	Negative   *string  `json:"negative_prompt"`
	Scheduler  string   `json:"scheduler"`
	Syntax     string   `json:"prompt_syntax"`
	Strength   *float64 `json:"strength"`

	image, mask []byte // of an edit
}

// fields are the keys of a form, which edits come in.
func (q *imageRequest) fields() map[string]func(string) error {
	text := func(to *string) func(string) error {
		return func(v string) error { *to = v; return nil }
	}
	whole := func(to **int) func(string) error {
		return func(v string) error { n, err := strconv.Atoi(v); *to = &n; return err }
	}
	real := func(to **float64) func(string) error {
		return func(v string) error { x, err := strconv.ParseFloat(v, 64); *to = &x; return err }
	}
	return map[string]func(string) error{
		"model": text(&q.Model), "prompt": text(&q.Prompt), "size": text(&q.Size), "response_format": text(&q.Format), "output_format": text(&q.Output),
		"quality": text(&q.Quality), "background": text(&q.Background), "moderation": text(&q.Moderation), "style": text(&q.Style), "input_fidelity": text(&q.Fidelity),
		"user": text(&q.User), "scheduler": text(&q.Scheduler), "prompt_syntax": text(&q.Syntax), "n": whole(&q.N), "partial_images": whole(&q.Partial), "output_compression": whole(&q.Compress),
		"guidance": real(&q.Guidance), "strength": real(&q.Strength),
		"negative_prompt": func(v string) error { q.Negative = &v; return nil },
		"stream":          func(v string) (err error) { q.Stream, err = strconv.ParseBool(v); return err },
		"steps":           func(v string) (err error) { q.Steps, err = strconv.Atoi(v); return err },
		"seed":            func(v string) error { n, err := strconv.ParseInt(v, 10, 64); q.Seed = &n; return err },
	}
}

// painting is what the request asks for.
func (q *imageRequest) painting() (*painting, error) {
	for _, x := range []struct {
		key, value string
		known      []string
	}{
		{"response_format", q.Format, []string{"", "b64_json"}},
		{"output_format", q.Output, []string{"", "png"}},
		{"quality", q.Quality, []string{"", "auto", "standard"}},
		{"background", q.Background, []string{"", "auto", "opaque"}},
		{"moderation", q.Moderation, []string{"", "auto", "low"}},
		{"style", q.Style, []string{""}},
		{"input_fidelity", q.Fidelity, []string{"", "low"}},
		{"prompt_syntax", q.Syntax, []string{"", "plain", "a1111"}},
	} {
		if !slices.Contains(x.known, x.value) {
			return nil, refusef(x.key, "%s %q is not done; expected %s, or none", x.key, x.value, strings.Join(x.known[1:], " or "))
		}
	}
	p := &painting{prompt: q.Prompt, negative: q.Negative, syntax: diffusion.Syntax(q.Syntax), n: 1, seed: -1, steps: q.Steps, guidance: q.Guidance, scheduler: q.Scheduler, strength: q.Strength}
	if q.N != nil {
		p.n = *q.N
	}
	if q.Seed != nil {
		p.seed = *q.Seed
	}
	if q.Partial != nil {
		p.partial = *q.Partial
	}
	switch {
	case q.Prompt == "":
		return nil, refusef("prompt", "prompt: there is none")
	case p.n < 1:
		return nil, refusef("n", "n %d: expected at least 1", p.n)
	case q.Compress != nil && *q.Compress != 100:
		return nil, refusef("output_compression", "output_compression %d: a PNG loses nothing; expected 100, or none", *q.Compress)
	case p.partial < 0 || p.partial > 0 && !q.Stream:
		return nil, refusef("partial_images", "partial_images %d: expected at least 0, and stream with it", p.partial)
	case q.Steps < 0:
		return nil, refusef("steps", "steps %d: expected at least 1", q.Steps)
	case q.Strength != nil && q.image == nil:
		return nil, refusef("strength", "strength goes with an image to begin with: /v1/images/edits")
	}
	if q.Size != "" && q.Size != "auto" {
		w, h, ok := strings.Cut(q.Size, "x")
		var err [2]error
		p.width, err[0] = strconv.Atoi(w)
		p.height, err[1] = strconv.Atoi(h)
		if !ok || err[0] != nil || err[1] != nil || p.width < 1 || p.height < 1 {
			return nil, refusef("size", "size %q: expected WIDTHxHEIGHT, or auto", q.Size)
		}
	}
	return p, nil
}

// paintPrompt makes images of a prompt.
func (s *Server) paintPrompt(w http.ResponseWriter, r *http.Request) error {
	var q imageRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	p, err := q.painting()
	if err != nil {
		return err
	}
	return s.answerImages(w, r.Context(), &q, p, "image_generation")
}

// paintOver makes images that begin with one.
func (s *Server) paintOver(w http.ResponseWriter, r *http.Request) error {
	var q imageRequest
	if err := q.readForm(r); err != nil {
		return err
	}
	p, err := q.painting()
	if err != nil {
		return err
	}
	if q.image == nil {
		return refusef("image", "image: there is none")
	}
	if p.image, err = s.decode(r.Context(), q.image, "image"); err != nil {
		return err
	}
	if q.mask != nil {
		err := s.decodingOne(r.Context(), func() (err error) { p.mask, err = transparent(q.mask, s.Limits.Pixels); return err })
		if err != nil {
			return err
		}
	}
	return s.answerImages(w, r.Context(), &q, p, "image_edit")
}

// readForm reads a form of fields and files.
func (q *imageRequest) readForm(r *http.Request) error {
	form, err := r.MultipartReader()
	if err != nil {
		return errorf(http.StatusBadRequest, "expected a form (multipart/form-data) with an image and a prompt")
	}
	fields := q.fields()
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			_, err := io.Copy(io.Discard, r.Body) // what follows the form
			return err
		}
		if err != nil {
			return bodyError(err)
		}
		if err := q.readPart(part, fields); err != nil {
			return err
		}
	}
}

func (q *imageRequest) readPart(part *multipart.Part, fields map[string]func(string) error) error {
	data, err := io.ReadAll(part)
	if err != nil {
		return bodyError(err)
	}
	name := strings.TrimSuffix(part.FormName(), "[]")
	switch set := fields[name]; {
	case name == "image" && q.image != nil:
		return refusef("image", "image: there are several, and one is taken")
	case name == "image":
		q.image = data
	case name == "mask":
		q.mask = data
	case set == nil:
		return refusef(name, "the field %q is not known here; leave it out", name)
	default:
		if err := set(string(data)); err != nil {
			return refusef(name, "%s %.40q: expected a number", name, data)
		}
	}
	return nil
}

// transparent is OpenAI's mask as a white one: what is transparent is painted anew.
func transparent(data []byte, most int) (*picture.Image, error) {
	size, err := png.DecodeConfig(bytes.NewReader(data))
	if err == nil && (size.Width > picture.DefaultMaxSide || size.Height > picture.DefaultMaxSide || size.Width*size.Height > most) {
		return nil, refusef("mask", "mask: it is %dx%d; at most %d pixels are taken", size.Width, size.Height, most)
	}
	if err != nil {
		return nil, refusef("mask", "mask: expected a PNG whose transparent pixels are to be painted: %s", err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, refusef("mask", "mask: %s", err)
	}
	mask, clear := picture.New(size.Width, size.Height), false
	for y := range size.Height {
		for x := range size.Width {
			if _, _, _, alpha := m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y).RGBA(); alpha < 0x8000 {
				at := 3 * (y*size.Width + x)
				mask.Pix[at], mask.Pix[at+1], mask.Pix[at+2] = 255, 255, 255
				clear = true
			}
		}
	}
	if !clear {
		return nil, refusef("mask", "mask: no pixel of it is transparent, so that nothing would be painted")
	}
	return mask, nil
}

// imageData is an image in an answer.
type imageData struct {
	Data string `json:"b64_json"`
	Seed uint64 `json:"seed"`
}

// answerImages paints, and answers at the end or as a stream of events of a kind.
func (s *Server) answerImages(w http.ResponseWriter, ctx context.Context, q *imageRequest, p *painting, kind string) error {
	m, _, err := s.painter(q.Model)
	if err != nil {
		return err
	}
	told, out, data := newEvents[painted](), newStream(w, "text/event-stream"), []imageData{}
	about := func(x painted) map[string]any {
		return map[string]any{"b64_json": base64.StdEncoding.EncodeToString(x.png), "created_at": time.Now().Unix(), "output_format": "png", "background": "opaque", "quality": "auto",
			"size": fmt.Sprintf("%dx%d", x.request.Width, x.request.Height), "seed": x.seed, "index": x.item, "step": x.step, "steps": x.steps}
	}
	var last painted
	began := false
	err = follow(ctx, told, func(ctx context.Context) error { return s.paint(ctx, m, p, told) }, func(x painted) error {
		last = x
		switch {
		case x.png == nil:
			return nil
		case !q.Stream:
			data = append(data, imageData{base64.StdEncoding.EncodeToString(x.png), x.seed})
			return nil
		}
		event, name := about(x), kind+".completed"
		if x.preview != done {
			name, event["partial_image_index"] = kind+".partial_image", x.preview
		} else {
			event["usage"] = usage
		}
		event["type"], began = name, true
		return out.event(name, event)
	})
	switch {
	case err != nil && began:
		_ = out.event("error", openAIError(asError(err))) // the log has it too
		return err
	case err != nil || q.Stream:
		return err
	}
	writeJSON(w, map[string]any{"created": time.Now().Unix(), "data": data, "output_format": "png", "background": "opaque",
		"size": fmt.Sprintf("%dx%d", last.request.Width, last.request.Height), "usage": usage})
	return nil
}

// usage is of images, which are not counted in tokens.
var usage = map[string]any{"total_tokens": 0, "input_tokens": 0, "output_tokens": 0, "input_tokens_details": map[string]int{"text_tokens": 0, "image_tokens": 0}}
