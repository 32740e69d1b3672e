package serve

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"

	"saccade/models"
)

// openAI serves OpenAI's API.
func (s *Server) openAI(mux *http.ServeMux) {
	a := api{s, failOpenAI}
	a.open(mux, "GET /v1/models", s.listModels)
	a.open(mux, "GET /v1/models/{id...}", s.showModel)
	a.work(mux, "POST /v1/embeddings", s.embed)
	a.work(mux, "POST /v1/images/generations", s.paintPrompt)
	a.work(mux, "POST /v1/images/edits", s.paintOver)
	a.work(mux, "POST /v1/chat/completions", s.chat)
}

// failOpenAI tells an error as OpenAI does.
func failOpenAI(w http.ResponseWriter, e *Error) { failWith(w, e, openAIError(e)) }

// openAIError is an error's document.
func openAIError(e *Error) any {
	kind := "server_error"
	switch {
	case e.Status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case e.Status == http.StatusUnauthorized:
		kind = "authentication_error"
	case e.Status < 500:
		kind = "invalid_request_error"
	}
	or := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"error": map[string]any{"message": e.Message, "type": kind, "param": or(e.Param), "code": or(e.Code)}}
}

// modelJSON is a model in OpenAI's list, with what it can do beside.
type modelJSON struct {
	ID        string   `json:"id"`
	Object    string   `json:"object"`
	Created   int64    `json:"created"`
	OwnedBy   string   `json:"owned_by"`
	Abilities []string `json:"abilities"`
	Source    string   `json:"source"`
	Labels    int      `json:"classes,omitempty"`
	Answers   bool     `json:"answers,omitempty"` // questions, of those that write
}

// models lists what is served, and other names of it.
func (s *Server) models() []modelJSON {
	list := []modelJSON{}
	add := func(id string, m *models.Model) {
		x := modelJSON{ID: id, Object: "model", Created: s.began.Unix(), OwnedBy: "saccade", Abilities: abilities(m), Source: m.Source}
		if canClassify(m) {
			x.Labels = m.Classes()
		}
		x.Answers = canWrite(m) && instructed(m)
		list = append(list, x)
	}
	for _, m := range s.queue.Models {
		if m.Front() == nil { // not loaded yet
			continue
		}
		add(m.ID, m.Front())
		for _, alias := range slices.Sorted(maps.Keys(s.Aliases)) {
			if s.Aliases[alias] == m.ID {
				add(alias, m.Front())
			}
		}
	}
	return list
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, map[string]any{"object": "list", "data": s.models()})
	return nil
}

func (s *Server) showModel(w http.ResponseWriter, r *http.Request) error {
	for _, m := range s.models() {
		if m.ID == r.PathValue("id") {
			writeJSON(w, m)
			return nil
		}
	}
	_, err := s.find(r.PathValue("id"), func(*models.Model) bool { return true }, "")
	return err
}

// newID is a random name for an answer.
func newID(prefix string) string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // which never fails
	return prefix + hex.EncodeToString(b[:])
}
