package serve

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"saccade/models"
	"saccade/models/generate"
	"saccade/serve/queue"
)

// ollama serves Ollama's API, by which photo programs caption images.
func (s *Server) ollama(mux *http.ServeMux) {
	a := api{s, failPlain}
	a.open(mux, "GET /api/tags", s.listTags)
	a.open(mux, "GET /api/ps", s.listTags)
	a.open(mux, "GET /api/version", func(w http.ResponseWriter, _ *http.Request) error {
		writeJSON(w, map[string]string{"version": s.Version})
		return nil
	})
	a.open(mux, "POST /api/show", s.showTag)
	a.work(mux, "POST /api/generate", s.generate)
	a.work(mux, "POST /api/chat", s.converse)
	a.work(mux, "POST /api/embed", s.embedOllama)
}

// ollamaOptions are a request's, of which those that change no word are read and left.
type ollamaOptions struct {
	Temperature *float64 `json:"temperature"`
	TopK        *int     `json:"top_k"`
	TopP        *float64 `json:"top_p"`
	Seed        *int64   `json:"seed"`
	Tokens      *int     `json:"num_predict"` // −1: as the checkpoint says

	MinP      *float64 `json:"min_p"`
	TypicalP  *float64 `json:"typical_p"`
	Repeat    *float64 `json:"repeat_penalty"`
	Presence  *float64 `json:"presence_penalty"`
	Frequency *float64 `json:"frequency_penalty"`
	Stop      []string `json:"stop"`

	RepeatLast json.RawMessage `json:"repeat_last_n"` // counts with a penalty alone
	Context    json.RawMessage `json:"num_ctx"`
	Batch      json.RawMessage `json:"num_batch"`
	GPU        json.RawMessage `json:"num_gpu"`
	MainGPU    json.RawMessage `json:"main_gpu"`
	Threads    json.RawMessage `json:"num_thread"`
	Keep       json.RawMessage `json:"num_keep"`
	MMap       json.RawMessage `json:"use_mmap"`
	LowVRAM    json.RawMessage `json:"low_vram"`
	NUMA       json.RawMessage `json:"numa"`
}

// apply takes the options into a text.
func (o *ollamaOptions) apply(w *writing) error {
	is := func(x *float64, usual float64) bool { return x == nil || *x == usual }
	switch {
	case !is(o.MinP, 0):
		return refusef("min_p", "min_p is not done; leave it out")
	case !is(o.TypicalP, 1):
		return refusef("typical_p", "typical_p is not done; leave it out")
	case !is(o.Repeat, 1) || !is(o.Presence, 0) || !is(o.Frequency, 0):
		return refusef("repeat_penalty", "penalties (repeat_penalty, presence_penalty, frequency_penalty) are not done; leave them out")
	case len(o.Stop) > 0:
		return refusef("stop", "stop is not done; leave it out")
	}
	w.temperature, w.topK, w.topP = o.Temperature, o.TopK, o.TopP
	if o.Tokens != nil && *o.Tokens > 0 {
		w.tokens = *o.Tokens
	}
	if o.Seed != nil {
		seed := uint64(*o.Seed)
		w.seed = &seed
	}
	return nil
}

// ollamaRequest is what a text and a chat have in common.
type ollamaRequest struct {
	Model       string          `json:"model"`
	Stream      *bool           `json:"stream"` // nil: yes
	Options     *ollamaOptions  `json:"options"`
	Format      json.RawMessage `json:"format"`
	Alive       json.RawMessage `json:"keep_alive"`
	Think       json.RawMessage `json:"think"`
	Tools       []any           `json:"tools"`
	LogProbs    *bool           `json:"logprobs"`
	TopLogProbs *int            `json:"top_logprobs"`
}

func (q *ollamaRequest) writing() (*writing, error) {
	none := func(x json.RawMessage, usual ...string) bool {
		return len(x) == 0 || slices.Contains(append(usual, "null", `""`), string(x))
	}
	switch {
	case !none(q.Format):
		return nil, refusef("format", "format: the models here write plain words; leave it out")
	case !none(q.Think, "false"):
		return nil, refusef("think", "think: the models here do not; leave it out")
	case len(q.Tools) > 0:
		return nil, refusef("tools", "tools are not called; leave them out")
	case q.LogProbs != nil && *q.LogProbs:
		return nil, refusef("logprobs", "logprobs are not told; leave it out")
	}
	w := &writing{}
	if q.Options != nil {
		return w, q.Options.apply(w)
	}
	return w, nil
}

// ollamaImages are images in base64.
func ollamaImages(texts []string) (all [][]byte, err error) {
	for _, t := range texts {
		data, err := imageOf(t, "images")
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// generate writes about one prompt.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		ollamaRequest
		Prompt   string          `json:"prompt"`
		Suffix   string          `json:"suffix"`
		System   string          `json:"system"`
		Template string          `json:"template"`
		Images   []string        `json:"images"`
		Raw      bool            `json:"raw"`
		Context  json.RawMessage `json:"context"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	for key, given := range map[string]bool{"suffix": q.Suffix != "", "template": q.Template != "", "raw": q.Raw, "context": len(q.Context) > 0 && string(q.Context) != "null" && string(q.Context) != "[]"} {
		if given {
			return refusef(key, "%s is not done; leave it out", key)
		}
	}
	text, err := q.writing()
	if err != nil {
		return err
	}
	said := message{role: "user", text: q.Prompt}
	if said.images, err = ollamaImages(q.Images); err != nil {
		return err
	}
	if q.System != "" {
		text.messages = append(text.messages, message{role: "system", text: q.System})
	}
	text.messages = append(text.messages, said)
	return s.answerOllama(w, r, &q.ollamaRequest, text, func(part string) (string, any) { return "response", part })
}

// converse writes the next message of several.
func (s *Server) converse(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		ollamaRequest
		Messages []struct {
			Role    string   `json:"role"`
			Content string   `json:"content"`
			Images  []string `json:"images"`
		} `json:"messages"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	text, err := q.writing()
	if err != nil {
		return err
	}
	for _, m := range q.Messages {
		images, err := ollamaImages(m.Images)
		if err != nil {
			return err
		}
		text.messages = append(text.messages, message{m.Role, m.Content, images})
	}
	return s.answerOllama(w, r, &q.ollamaRequest, text, func(part string) (string, any) {
		return "message", map[string]string{"role": "assistant", "content": part}
	})
}

// answerOllama writes a text, in lines as it comes or in one document; say puts a part of
// it into one.
func (s *Server) answerOllama(w http.ResponseWriter, r *http.Request, q *ollamaRequest, text *writing, say func(part string) (key string, value any)) error {
	m, err := s.writer(untagged(s, q.Model))
	if err != nil {
		return err
	}
	began, all, streaming := time.Now(), "", false
	out, inLines := newStream(w, "application/x-ndjson"), q.Stream == nil || *q.Stream
	document := func(part string, done bool) map[string]any {
		key, value := say(part)
		return map[string]any{"model": m.ID, "created_at": time.Now().UTC().Format(time.RFC3339Nano), key: value, "done": done}
	}
	err = s.answerWords(r.Context(), m, text, func(part string, end *models.Written) error {
		if all += part; inLines && part != "" {
			streaming = true
			if err := out.line(document(part, false)); err != nil {
				return err
			}
		}
		if end == nil {
			return nil
		}
		if all = end.Words; inLines {
			all = ""
		}
		last := document(all, true)
		last["done_reason"] = map[generate.Stopped]string{generate.AtEnd: "stop", generate.AtLength: "length"}[end.Stopped]
		last["total_duration"], last["load_duration"], last["prompt_eval_duration"] = time.Since(began).Nanoseconds(), 0, 0
		last["prompt_eval_count"], last["eval_count"], last["eval_duration"] = end.Begun, len(end.IDs)-end.Begun, time.Since(began).Nanoseconds()
		if inLines {
			return out.line(last)
		}
		writeJSON(w, last)
		return nil
	})
	if err != nil && streaming {
		_ = out.line(map[string]string{"error": asError(err).Message}) // the log has it too
	}
	return err
}

// untagged is a model's name without the tag that Ollama's clients put behind it.
func untagged(s *Server, name string) string {
	const tag = ":latest"
	if n := len(name) - len(tag); n > 0 && name[n:] == tag {
		return name[:n]
	}
	return name
}

// listTags lists what writes, and what makes vectors of texts.
func (s *Server) listTags(w http.ResponseWriter, _ *http.Request) error {
	list := []any{}
	for _, m := range s.models() {
		list = append(list, map[string]any{"name": m.ID, "model": m.ID, "modified_at": s.began.UTC().Format(time.RFC3339), "size": 0, "size_vram": 0, "digest": "", "expires_at": s.began.UTC().Format(time.RFC3339),
			"details": map[string]any{"format": "safetensors", "family": m.ID, "families": []string{m.ID}, "parameter_size": "", "quantization_level": "F16", "parent_model": ""}})
	}
	writeJSON(w, map[string]any{"models": list})
	return nil
}

// showTag tells what a model can do.
func (s *Server) showTag(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Model   string `json:"model"`
		Name    string `json:"name"`
		Verbose bool   `json:"verbose"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.Model == "" {
		q.Model = q.Name
	}
	m, err := s.find(untagged(s, q.Model), func(*models.Model) bool { return true }, "is there")
	if err != nil {
		return err
	}
	var can []string
	for _, a := range []struct {
		word string
		can  func(*models.Model) bool
	}{{"completion", canWrite}, {"vision", canWrite}, {"embedding", canEmbedTexts}} {
		if a.can(m.Front()) {
			can = append(can, a.word)
		}
	}
	writeJSON(w, map[string]any{"capabilities": can, "details": map[string]any{"format": "safetensors", "family": m.Family, "families": []string{m.Family}, "parameter_size": "", "quantization_level": "F16", "parent_model": ""},
		"model_info": map[string]any{"general.architecture": m.Family}, "modified_at": s.began.UTC().Format(time.RFC3339), "license": "", "modelfile": "", "parameters": "", "template": ""})
	return nil
}

// embedOllama answers with a vector of each text.
func (s *Server) embedOllama(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Model      string          `json:"model"`
		Input      json.RawMessage `json:"input"`
		Truncate   *bool           `json:"truncate"` // nil: yes
		Options    *ollamaOptions  `json:"options"`
		Alive      json.RawMessage `json:"keep_alive"`
		Dimensions *int            `json:"dimensions"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	began := time.Now()
	m, err := s.find(untagged(s, q.Model), canEmbedTexts, "makes vectors of texts")
	if err != nil {
		return err
	}
	texts, err := (&embedRequest{Input: q.Input}).inputs(s.Limits.Texts)
	if err != nil {
		return err
	}
	tokens, rows := 0, make([]*queue.Row, len(texts))
	for i, text := range texts {
		row, n, cut, err := m.Text(m.Front().Prompts().Any + text)
		if err != nil {
			return err
		}
		if cut && q.Truncate != nil && !*q.Truncate {
			return refusef("input", "input %d is longer than the %d tokens that the model reads", i, n)
		}
		rows[i], tokens = row, tokens+n
	}
	vectors, err := m.Vectors(r.Context(), rows)
	if err != nil {
		return err
	}
	if n := len(vectors[0]); q.Dimensions != nil && *q.Dimensions != 0 && *q.Dimensions != n {
		return refusef("dimensions", "dimensions %d: the model's vectors have %d values and are not shortened", *q.Dimensions, n)
	}
	writeJSON(w, map[string]any{"model": m.ID, "embeddings": vectors, "total_duration": time.Since(began).Nanoseconds(), "load_duration": 0, "prompt_eval_count": tokens})
	return nil
}
