package serve

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"net/http"
	"sync"

	"saccade/models"
	"saccade/models/masks"
	"saccade/serve/queue"
)

//go:embed page.html
var pageHTML []byte

// policy lets the page load nothing but itself, and talk to nobody but this server.
const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the page, and what it asks that none of the other APIs has.
func (s *Server) page(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(pageHTML) // who left reads no page
	})
	a := api{s, failOpenAI}
	a.work(mux, "POST /saccade/classify", s.classify)
	a.work(mux, "POST /saccade/masks", s.masks)
}

// classify answers with the classes of an image.
func (s *Server) classify(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Model string `json:"model"`
		Image string `json:"image"`
		Top   *int   `json:"top"` // nil: 5; 0: all
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	top := 5
	if q.Top != nil {
		if top = *q.Top; top < 0 {
			return refusef("top", "top %d: expected at least 0", top)
		}
	}
	m, err := s.find(q.Model, canClassify, "knows classes")
	if err != nil {
		return err
	}
	data, err := imageOf(q.Image, "image")
	if err != nil {
		return err
	}
	row, err := s.imageRow(r.Context(), m, data, "image")
	if err != nil {
		return err
	}
	if err := m.Rows(r.Context(), []*queue.Row{row}); err != nil {
		return err
	}
	classes, err := m.Front().Top(row.Outputs, top)
	if err != nil {
		return err
	}
	writeJSON(w, map[string]any{"model": m.ID, "top": classes})
	return nil
}

// maskJSON is a mask of an image's own size.
type maskJSON struct {
	Score float64   `json:"score"`
	Area  int       `json:"area"`
	Box   [4]int    `json:"box"`
	RLE   masks.RLE `json:"rle"`
	Runs  []int     `json:"runs"` // of the same, as numbers
}

// masks answers with the masks that points and a box of an image may mean, the best first.
func (s *Server) masks(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Model  string       `json:"model"`
		Image  string       `json:"image"`
		Points [][3]float64 `json:"points"` // x, y, and 1 inside or 0 outside
		Box    *[4]float64  `json:"box"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	prompt := models.MaskPrompt{Box: q.Box}
	for _, p := range q.Points {
		prompt.Points = append(prompt.Points, models.MaskPoint{X: p[0], Y: p[1], Outside: p[2] == 0})
	}
	switch {
	case len(prompt.Points) == 0 && prompt.Box == nil:
		return refusef("points", "points: there is none, nor a box")
	case len(prompt.Points) > mostPoints:
		return refusef("points", "%d points; at most %d are taken", len(prompt.Points), mostPoints)
	}
	m, err := s.find(q.Model, canMask, "gives masks")
	if err != nil {
		return err
	}
	data, err := imageOf(q.Image, "image")
	if err != nil {
		return err
	}
	var found []models.Mask
	err = m.Do(r.Context(), func(ctx context.Context, loaded *models.Model, t *queue.Turn) error {
		e, err := s.encodeImage(ctx, loaded, data, t)
		if err != nil {
			return err
		}
		if found, err = e.Masks(ctx, prompt); err != nil {
			return ofCaller("points", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	list := []maskJSON{}
	for _, x := range found {
		list = append(list, maskJSON{x.Score, x.Area(), [4]int{x.Box.Min.X, x.Box.Min.Y, x.Box.Max.X, x.Box.Max.Y}, x.RLE, x.Runs})
	}
	writeJSON(w, map[string]any{"model": m.ID, "masks": list})
	return nil
}

// mostPoints bounds those of a prompt.
const mostPoints = 64

// seenImages keeps the maps of the last images that were clicked on, so that the next click
// takes the decoder alone.
type seenImages struct {
	mu   sync.Mutex
	last []seenImage
}

type seenImage struct {
	of      *models.Model
	hash    [32]byte
	encoded *models.Encoded
}

// mostSeen are kept.
const mostSeen = 4

func newSeenImages() *seenImages { return &seenImages{} }

// find gives what is kept of an image.
func (s *seenImages) find(of *models.Model, hash [32]byte) *models.Encoded {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.last {
		if x.of == of && x.hash == hash {
			return x.encoded
		}
	}
	return nil
}

// keep keeps the maps of an image in place of the oldest.
func (s *seenImages) keep(x seenImage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last = append(s.last, x); len(s.last) > mostSeen {
		s.last = append([]seenImage(nil), s.last[1:]...)
	}
}

// encodeImage gives the maps of an image, on the lane's turn.
func (s *Server) encodeImage(ctx context.Context, m *models.Model, data []byte, t *queue.Turn) (*models.Encoded, error) {
	hash := sha256.Sum256(data)
	if e := s.seen.find(m, hash); e != nil {
		return e, t.Take(ctx)
	}
	img, err := s.decode(ctx, data, "image")
	if err != nil {
		return nil, err
	}
	if err := t.Take(ctx); err != nil {
		return nil, err
	}
	e, err := m.EncodePicture(ctx, img)
	if err == nil {
		s.seen.keep(seenImage{m, hash, e})
	}
	return e, err
}
