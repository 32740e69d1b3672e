package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httputil"
	"strings"

	"saccade/serve/queue"
)

// immich serves what immich asks of its machine learning: vectors of images and of what is
// searched for. Its other tasks go on to another such server.
func (s *Server) immich(mux *http.ServeMux) {
	a := api{s, failDetail}
	a.open(mux, "GET /ping", func(w http.ResponseWriter, _ *http.Request) error {
		if !s.ready() { // immich then asks another of its servers
			return errNotReady
		}
		_, err := io.WriteString(w, "pong")
		return err
	})
	a.work(mux, "POST /predict", s.predict)
}

// failDetail tells an error as FastAPI does, which immich's and the web UI are made with.
func failDetail(w http.ResponseWriter, e *Error) {
	failWith(w, e, map[string]string{"detail": e.Message, "error": e.Message})
}

// predictRequest is immich's form.
type predictRequest struct {
	entries map[string]map[string]struct { // by task, then by kind
		Name    string          `json:"modelName"`
		Options json.RawMessage `json:"options"`
	}
	text  *string
	image []byte
}

// clipTask is the one that is done here.
const clipTask = "clip"

// predict answers with the vector of an image or a text.
func (s *Server) predict(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	q, err := readPredict(r.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	for task := range q.entries {
		if task != clipTask {
			return s.passOn(w, r, task, body)
		}
	}
	kinds := q.entries[clipTask]
	if len(kinds) != 1 {
		return refusef("entries", "entries: expected textual or visual of %s", clipTask)
	}
	answer := map[string]any{}
	var vector []float32
	for kind, entry := range kinds {
		switch {
		case kind == "textual" && q.text != nil:
			vector, err = s.textOf(r, entry.Name, *q.text)
		case kind == "visual" && q.image != nil:
			vector, err = s.imageVector(r, entry.Name, q.image, answer)
		default:
			err = refusef("entries", "entries: %s of %s, and what it is of is not there; expected textual with a text, or visual with an image", kind, clipTask)
		}
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(vector)
	if err != nil {
		return err
	}
	answer[clipTask] = string(text)
	writeJSON(w, answer)
	return nil
}

// readPredict reads immich's form.
func readPredict(contentType string, body []byte) (*predictRequest, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, errorf(http.StatusBadRequest, "expected a form (multipart/form-data) with entries, and an image or a text")
	}
	q, form := &predictRequest{}, multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, bodyError(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, bodyError(err)
		}
		switch part.FormName() {
		case "entries":
			if err := json.Unmarshal(data, &q.entries); err != nil {
				return nil, refusef("entries", "entries: %s", strings.TrimPrefix(err.Error(), "json: "))
			}
		case "text":
			text := string(data)
			q.text = &text
		case "image":
			q.image = data
		}
	}
	if len(q.entries) == 0 {
		return nil, refusef("entries", "entries: there is none")
	}
	return q, nil
}

// textOf is the vector of what is searched for; as immich's own does, one that is too long
// is cut.
func (s *Server) textOf(r *http.Request, model, text string) ([]float32, error) {
	m, err := s.find(model, canEmbedTexts, "makes vectors of texts")
	if err != nil {
		return nil, err
	}
	row, _, _, err := m.Text(text)
	if err != nil {
		return nil, err
	}
	vectors, err := m.Vectors(r.Context(), []*queue.Row{row})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// imageVector is the vector of an image, whose size the answer has too.
func (s *Server) imageVector(r *http.Request, model string, data []byte, answer map[string]any) ([]float32, error) {
	m, err := s.find(model, canEmbedImages, "makes vectors of images")
	if err != nil {
		return nil, err
	}
	img, err := s.decode(r.Context(), data, "image")
	if err != nil {
		return nil, err
	}
	answer["imageWidth"], answer["imageHeight"] = img.W, img.H
	row, err := s.preprocess(r.Context(), m, img)
	if err != nil {
		return nil, err
	}
	vectors, err := m.Vectors(r.Context(), []*queue.Row{row})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// passOn has another server do a task.
func (s *Server) passOn(w http.ResponseWriter, r *http.Request, task string, body []byte) error {
	if s.Others == nil {
		return errorf(http.StatusNotImplemented, "the task %q is not done here; give -immich-others the URL of immich's own machine learning, to which it then goes", task)
	}
	var failed error
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(s.Others)
			p.Out.Header.Del("Authorization") // the key is this server's
			p.Out.Header.Del("X-Api-Key")
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = errorf(http.StatusBadGateway, "%s of the task %q: %s", s.Others.Redacted(), task, err)
		},
	}
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	proxy.ServeHTTP(w, again)
	return failed
}
