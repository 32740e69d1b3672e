package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// events are what a lane's work tells the goroutine that answers: the work never waits
// for a caller that reads slowly.
type events[T any] struct {
	mu   sync.Mutex
	some []T
	more chan struct{}
}

func newEvents[T any]() *events[T] { return &events[T]{more: make(chan struct{}, 1)} }

// tell adds one.
func (e *events[T]) tell(x T) {
	e.mu.Lock()
	e.some = append(e.some, x)
	e.mu.Unlock()
	e.ring()
}

// tellLast adds one that makes others needless: of those that were not taken the oldest goes
// when there are many.
func (e *events[T]) tellLast(x T, needless func(T) bool) {
	const many = 8
	e.mu.Lock()
	if i := slices.IndexFunc(e.some, needless); i >= 0 && len(e.some) >= many {
		e.some = slices.Delete(e.some, i, i+1)
	}
	e.some = append(e.some, x)
	e.mu.Unlock()
	e.ring()
}

func (e *events[T]) ring() {
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// take gives those that are there.
func (e *events[T]) take() []T {
	e.mu.Lock()
	defer e.mu.Unlock()
	some := e.some
	e.some = nil
	return some
}

// follow does work and has each of its events sent meanwhile. An error of sending ends
// the work.
func follow[T any](ctx context.Context, e *events[T], work func(ctx context.Context) error, send func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	flush := func() error {
		for _, x := range e.take() {
			if err := send(x); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		select {
		case <-e.more:
			if err := flush(); err != nil {
				cancel()
				<-done
				return err
			}
		case err := <-done:
			if err == nil {
				err = flush()
			}
			return err
		}
	}
}

// stream writes parts of an answer as they come.
type stream struct {
	w    http.ResponseWriter
	c    *http.ResponseController
	kind string
}

// newStream begins a stream of a content type at its first part.
func newStream(w http.ResponseWriter, kind string) *stream {
	return &stream{w: w, c: http.NewResponseController(w), kind: kind}
}

// write sends a part at once.
func (s *stream) write(part string) error {
	if s.kind != "" {
		s.w.Header().Set("Content-Type", s.kind)
		s.w.Header().Set("Cache-Control", "no-store")
		s.w.Header().Set("X-Accel-Buffering", "no")
		s.kind = ""
	}
	if _, err := s.w.Write([]byte(part)); err != nil {
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return s.c.Flush()
}

// event sends a server-sent event, with a name or without.
func (s *stream) event(name string, document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return s.write(name + "data: " + string(data) + "\n\n")
}

// line sends a document in a line.
func (s *stream) line(document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return s.write(string(data) + "\n")
}

// growing gives the parts by which a text becomes longer.
type growing struct{ shown string }

// more is what words have more than was shown. A character that ends them and is not
// whole yet waits.
func (g *growing) more(words string) string {
	more, ok := strings.CutPrefix(strings.TrimRight(words, "\ufffd"), g.shown)
	if !ok {
		return ""
	}
	g.shown += more
	return more
}

// rest is what is left of a text at its end.
func (g *growing) rest(words string) string {
	more, _ := strings.CutPrefix(words, g.shown)
	g.shown = words
	return more
}
