package serve

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"saccade/models"
	"saccade/models/generate"
)

// chatRequest is OpenAI's.
type chatRequest struct {
	Model      string        `json:"model"`
	Messages   []chatMessage `json:"messages"`
	Stream     bool          `json:"stream"`
	StreamWith *struct {
		Usage       bool  `json:"include_usage"`
		Obfuscation *bool `json:"include_obfuscation"`
	} `json:"stream_options"`
	Tokens      *int     `json:"max_tokens"`
	Completion  *int     `json:"max_completion_tokens"`
	Temperature *float64 `json:"temperature"`
	TopP        *float64 `json:"top_p"`
	TopK        *int     `json:"top_k"`
	Seed        *int64   `json:"seed"`

	N         *int            `json:"n"`
	Presence  *float64        `json:"presence_penalty"`
	Frequency *float64        `json:"frequency_penalty"`
	LogProbs  *bool           `json:"logprobs"`
	Stop      json.RawMessage `json:"stop"`
	Tools     []any           `json:"tools"`
	Choice    json.RawMessage `json:"tool_choice"`
	Response  *struct {
		Type string `json:"type"`
	} `json:"response_format"`
	Bias map[string]any `json:"logit_bias"`

	// What follows says nothing of the answer.
	User     string          `json:"user"`
	Store    *bool           `json:"store"`
	Metadata json.RawMessage `json:"metadata"`
	Session  string          `json:"session_id"`
	ChatID   string          `json:"chat_id"`
	Tier     string          `json:"service_tier"`
}

// chatMessage is one of them, whose content is a text or parts.
type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Name    string          `json:"name"`
}

// chatPart is a part of a message.
type chatPart struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Image *struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
}

// read reads a message.
func (c *chatMessage) read() (message, error) {
	m := message{role: c.Role}
	var parts []chatPart
	switch {
	case len(c.Content) == 0 || string(c.Content) == "null":
		return m, nil
	case json.Unmarshal(c.Content, &m.text) == nil:
		return m, nil
	case json.Unmarshal(c.Content, &parts) != nil:
		return m, refusef("messages", "messages: content is neither a text nor a list of parts")
	}
	for _, p := range parts {
		switch {
		case p.Type == "text":
			m.text += p.Text
		case p.Type == "image_url" && p.Image != nil:
			data, err := imageOf(p.Image.URL, "image_url")
			if err != nil {
				return m, err
			}
			m.images = append(m.images, data)
		default:
			return m, refusef("messages", "messages: a part of type %q; expected text or image_url", p.Type)
		}
	}
	return m, nil
}

// writing is what the request asks for.
func (q *chatRequest) writing() (*writing, error) {
	zero := func(x *float64) bool { return x == nil || *x == 0 }
	switch {
	case q.N != nil && *q.N != 1:
		return nil, refusef("n", "n %d: one answer is written", *q.N)
	case !zero(q.Presence) || !zero(q.Frequency):
		return nil, refusef("presence_penalty", "presence_penalty and frequency_penalty are not done; leave them out")
	case q.LogProbs != nil && *q.LogProbs:
		return nil, refusef("logprobs", "logprobs are not told; leave it out")
	case len(q.Stop) > 0 && !slices.Contains([]string{"null", "[]"}, string(q.Stop)):
		return nil, refusef("stop", "stop is not done; leave it out")
	case len(q.Tools) > 0 || len(q.Choice) > 0 && !slices.Contains([]string{"null", `"none"`, `"auto"`}, string(q.Choice)):
		return nil, refusef("tools", "tools are not called; leave them out")
	case q.Response != nil && q.Response.Type != "text":
		return nil, refusef("response_format", "response_format %q: expected text", q.Response.Type)
	case len(q.Bias) > 0:
		return nil, refusef("logit_bias", "logit_bias is not done; leave it out")
	}
	w := &writing{temperature: q.Temperature, topP: q.TopP, topK: q.TopK}
	for _, m := range q.Messages {
		x, err := m.read()
		if err != nil {
			return nil, err
		}
		w.messages = append(w.messages, x)
	}
	for _, n := range []*int{q.Tokens, q.Completion} {
		if n == nil {
			continue
		}
		if w.tokens = *n; *n < 1 {
			return nil, refusef("max_tokens", "max_tokens %d: expected at least 1", *n)
		}
	}
	if q.Seed != nil {
		seed := uint64(*q.Seed)
		w.seed = &seed
	}
	return w, nil
}

// chat answers with what a model writes.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	var q chatRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	text, err := q.writing()
	if err != nil {
		return err
	}
	m, err := s.writer(q.Model)
	if err != nil {
		return err
	}
	head := map[string]any{"id": newID("chatcmpl-"), "created": time.Now().Unix(), "model": m.ID}
	with := func(more map[string]any) map[string]any {
		for k, v := range head {
			more[k] = v
		}
		return more
	}
	if !q.Stream {
		var end *models.Written
		err := s.answerWords(r.Context(), m, text, func(_ string, written *models.Written) error {
			if written != nil {
				end = written
			}
			return nil
		})
		if err != nil {
			return err
		}
		writeJSON(w, with(map[string]any{"object": "chat.completion", "usage": chatUsage(end), "choices": []any{map[string]any{
			"index": 0, "finish_reason": finished(end), "logprobs": nil, "message": map[string]any{"role": "assistant", "content": end.Words, "refusal": nil}}}}))
		return nil
	}
	out, began := newStream(w, "text/event-stream"), false
	chunk := func(delta map[string]any, reason any) error {
		if !began {
			delta["role"], began = "assistant", true
		}
		return out.event("", with(map[string]any{"object": "chat.completion.chunk", "choices": []any{map[string]any{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": reason}}}))
	}
	err = s.answerWords(r.Context(), m, text, func(more string, end *models.Written) error {
		if more != "" {
			if err := chunk(map[string]any{"content": more}, nil); err != nil {
				return err
			}
		}
		if end == nil {
			return nil
		}
		if err := chunk(map[string]any{}, finished(end)); err != nil {
			return err
		}
		if q.StreamWith != nil && q.StreamWith.Usage {
			if err := out.event("", with(map[string]any{"object": "chat.completion.chunk", "choices": []any{}, "usage": chatUsage(end)})); err != nil {
				return err
			}
		}
		return out.write("data: [DONE]\n\n")
	})
	if err != nil && began {
		_ = out.event("", openAIError(asError(err))) // the log has it too
	}
	return err
}

// finished is OpenAI's word for why a text ended.
func finished(w *models.Written) string {
	if w.Stopped == generate.AtLength {
		return "length"
	}
	return "stop"
}

// chatUsage is how many tokens were read and written.
func chatUsage(w *models.Written) map[string]int {
	written := len(w.IDs) - w.Begun
	return map[string]int{"prompt_tokens": w.Begun, "completion_tokens": written, "total_tokens": len(w.IDs)}
}
