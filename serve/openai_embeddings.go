package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"saccade/models"
	"saccade/picture"
	"saccade/serve/queue"
)

// embedRequest is OpenAI's, with Infinity's modality.
type embedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     string          `json:"encoding_format"`
	Dimensions *int            `json:"dimensions"`
	User       string          `json:"user"`
	// Modality is text or image, of which the inputs are data URLs (Infinity).
	Modality string `json:"modality"`
	// Purpose is query or document, for encoders of texts that are told which (input_type
	// of others).
	Purpose string `json:"input_type"`
}

// inputs reads a text or several.
func (q *embedRequest) inputs(most int) ([]string, error) {
	var one string
	var all []string
	if len(q.Input) == 0 || string(q.Input) == "null" {
		return nil, refusef("input", "input: there is none")
	}
	if json.Unmarshal(q.Input, &one) == nil {
		all = []string{one}
	} else if err := json.Unmarshal(q.Input, &all); err != nil {
		return nil, refusef("input", "input: expected a text or a list of texts; ids of another tokenizer are not taken")
	}
	switch {
	case len(all) == 0:
		return nil, refusef("input", "input: there is none")
	case len(all) > most:
		return nil, refusef("input", "input: %d of them; at most %d are taken at once", len(all), most)
	}
	return all, nil
}

// embed answers with a vector of each text or image.
func (s *Server) embed(w http.ResponseWriter, r *http.Request) error {
	var q embedRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.Format != "" && q.Format != "float" && q.Format != "base64" {
		return refusef("encoding_format", "encoding_format %q: expected float or base64", q.Format)
	}
	var vectors [][]float32
	var tokens int
	var err error
	var m *queue.Model
	switch q.Modality {
	case "", "text":
		m, vectors, tokens, err = s.embedTexts(r.Context(), &q)
	case "image":
		m, vectors, err = s.embedImages(r.Context(), &q)
	default:
		err = refusef("modality", "modality %q: expected text or image", q.Modality)
	}
	if err != nil {
		return err
	}
	if n := len(vectors[0]); q.Dimensions != nil && *q.Dimensions != n {
		return refusef("dimensions", "dimensions %d: the model's vectors have %d values and are not shortened", *q.Dimensions, n)
	}
	writeJSON(w, map[string]any{"object": "list", "model": m.ID, "data": vectorsJSON(vectors, q.Format), "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}})
	return nil
}

// embedTexts are the vectors of texts, as run has them of each alone.
func (s *Server) embedTexts(ctx context.Context, q *embedRequest) (m *queue.Model, vectors [][]float32, tokens int, err error) {
	if m, err = s.find(q.Model, canEmbedTexts, "makes vectors of texts"); err != nil {
		return nil, nil, 0, err
	}
	texts, err := q.inputs(s.Limits.Texts)
	if err != nil {
		return nil, nil, 0, err
	}
	before, err := purposeOf(m.Front(), q.Purpose)
	if err != nil {
		return nil, nil, 0, err
	}
	rows := make([]*queue.Row, len(texts))
	for i, text := range texts {
		var n int
		var cut bool
		if rows[i], n, cut, err = m.Text(before + text); err != nil {
			return nil, nil, 0, err
		}
		if cut {
			return nil, nil, 0, refusef("input", "input %d is longer than the %d tokens that the model reads; shorten it", i, n)
		}
		tokens += n
	}
	vectors, err = m.Vectors(ctx, rows)
	return m, vectors, tokens, err
}

// purposeOf is what a model has before texts of a purpose.
func purposeOf(m *models.Model, purpose string) (string, error) {
	prompts := m.Prompts()
	before, known := map[string]string{"": prompts.Any, "query": prompts.Query, "document": prompts.Document}[purpose]
	if !known {
		return "", refusef("input_type", "input_type %q: expected query or document", purpose)
	}
	return before, nil
}

// embedImages are the vectors of images.
func (s *Server) embedImages(ctx context.Context, q *embedRequest) (*queue.Model, [][]float32, error) {
	m, err := s.find(q.Model, canEmbedImages, "makes vectors of images")
	if err != nil {
		return nil, nil, err
	}
	texts, err := q.inputs(s.Limits.Images)
	if err != nil {
		return nil, nil, err
	}
	if q.Purpose != "" {
		return nil, nil, refusef("input_type", "input_type: it goes with texts")
	}
	rows := make([]*queue.Row, len(texts))
	for i, text := range texts {
		data, err := imageOf(text, fmt.Sprintf("input %d", i))
		if err != nil {
			return nil, nil, err
		}
		if rows[i], err = s.imageRow(ctx, m, data, "input"); err != nil {
			return nil, nil, err
		}
	}
	vectors, err := m.Vectors(ctx, rows)
	return m, vectors, err
}

// imageRow decodes and preprocesses an image.
func (s *Server) imageRow(ctx context.Context, m *queue.Model, data []byte, param string) (*queue.Row, error) {
	img, err := s.decode(ctx, data, param)
	if err != nil {
		return nil, err
	}
	return s.preprocess(ctx, m, img)
}

// preprocess makes an image a model's row.
func (s *Server) preprocess(ctx context.Context, m *queue.Model, img *picture.Image) (*queue.Row, error) {
	row := &queue.Row{}
	err := s.decodingOne(ctx, func() error {
		pixels, h, w, err := m.Front().Preprocess(img)
		if err == nil {
			row.Pixels, row.Size = pixels, [3]int{len(pixels) / (h * w), h, w}
		}
		return err
	})
	return row, err
}

// vectorsJSON are vectors as OpenAI has them: numbers, or in base64 their bytes.
func vectorsJSON(vectors [][]float32, format string) []any {
	list := make([]any, len(vectors))
	for i, v := range vectors {
		x := map[string]any{"object": "embedding", "index": i, "embedding": v}
		if format == "base64" {
			x["embedding"] = base64.StdEncoding.EncodeToString(littleEndian(v))
		}
		list[i] = x
	}
	return list
}

// littleEndian is the bytes of floats.
func littleEndian(v []float32) []byte {
	var b bytes.Buffer
	b.Grow(4 * len(v))
	var word [4]byte
	for _, x := range v {
		binary.LittleEndian.PutUint32(word[:], math.Float32bits(x))
		b.Write(word[:])
	}
	return b.Bytes()
}
