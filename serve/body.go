package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"saccade/picture"
	"saccade/weights"
)

// What callers may take to send a request, and to read a part of an answer.
const (
	readTime = time.Minute
	sendTime = time.Minute
)

// timedBody is a request's body that must come in time. The time ends with the body: a
// deadline that passes while the request is done would end it.
type timedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func newTimedBody(w http.ResponseWriter, body io.ReadCloser, most time.Duration) *timedBody {
	b := &timedBody{body, http.NewResponseController(w)}
	_ = b.c.SetReadDeadline(time.Now().Add(most)) // where there are no deadlines, none are needed
	return b
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

// readJSON reads a request's document. Keys that it does not have are refused by name.
func readJSON(r *http.Request, into any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	return parseJSON(data, into)
}

// parseJSON is readJSON of what was read.
func parseJSON(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("there is more than one document")
	}
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var kind *json.UnmarshalTypeError
	text := strings.TrimPrefix(weights.Line(err), "json: ")
	if key, ok := strings.CutPrefix(text, "unknown field "); ok {
		return refusef(strings.Trim(key, `"`), "the key %s is not known here; leave it out", key)
	}
	if errors.As(err, &kind) {
		return refusef(kind.Field, "%s: it is a %s, expected %s", kind.Field, kind.Value, kind.Type)
	}
	return refusef("", "the request is no JSON as it should be: %s", text)
}

// bodyError is an error of reading a request.
func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return errorf(http.StatusBadRequest, "the request breaks off: %s", weights.Line(err))
}

// decode decodes an image: as many at a time as there are processors.
func (s *Server) decode(ctx context.Context, data []byte, param string) (img *picture.Image, err error) {
	err = s.decodingOne(ctx, func() error {
		img, err = picture.Decode(data, picture.DecodeOptions{MaxPixels: s.Limits.Pixels})
		return err
	})
	if err != nil && ctx.Err() == nil {
		err = refusef(param, "the image: %s", weights.Line(err))
	}
	return img, err
}

// decodingOne does what takes a processor and memory for images.
func (s *Server) decodingOne(ctx context.Context, do func() error) error {
	select {
	case s.decoding <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.decoding }()
	return do()
}

// imageOf is the bytes of an image that a request holds, as a data URL or in base64 alone.
// An address is not fetched.
func imageOf(text, param string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(text, "data:"); ok {
		kind, data, found := strings.Cut(rest, ",")
		if !found || !strings.HasSuffix(kind, ";base64") {
			return nil, refusef(param, "%s: expected a data URL in base64: data:image/png;base64,…", param)
		}
		text = data
	} else if strings.Contains(text, "://") {
		return nil, refusef(param, "%s: addresses are not fetched; give the image itself as a data URL: data:image/png;base64,…", param)
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, refusef(param, "%s: it is no base64: %s", param, weights.Line(err))
	}
	return data, nil
}
