// Serve answers uploaded images with what is in them, as JSON:
//
//	go run ./examples/serve &
//	curl --data-binary @x.png localhost:8080
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/zoo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dev := must(gpu.Open(gpu.Options{}))
	defer dev.Close()
	model := must(models.Load(ctx, dev, "vit", "", models.Options{Embedded: zoo.ViT()}))
	defer model.Close()
	server := &http.Server{Addr: "localhost:8080", Handler: newHandler(ctx, model)}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		panic(err)
	}
}

// Limits of a handler.
const (
	maxUpload = 20 << 20 // bytes
	maxQueue  = 256      // requests that wait
	maxBatch  = 32       // images in one forward pass
)

// handler classifies uploads. Those that arrive while a forward pass runs share the
// next one, so that a lone request waits for nobody and many cost little each.
type handler struct {
	model *models.Model
	queue chan upload
}

// upload is a decoded image and where its answer goes.
type upload struct {
	image  *picture.Image
	answer chan answer
}

type answer struct {
	classes []models.Prediction
	err     error
}

func newHandler(ctx context.Context, m *models.Model) http.Handler {
	h := &handler{m, make(chan upload, maxQueue)}
	go h.work(ctx)
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	img, err := picture.Decode(data, picture.DecodeOptions{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u := upload{img, make(chan answer, 1)}
	select {
	case h.queue <- u:
	default:
		http.Error(w, "too many requests wait", http.StatusTooManyRequests)
		return
	}
	select {
	case <-r.Context().Done(): // the client left
	case a := <-u.answer:
		if a.err != nil {
			http.Error(w, a.err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.classes)
	}
}

// work classifies what waits, batch by batch, until ctx ends.
func (h *handler) work(ctx context.Context) {
	for {
		var batch []upload
		select {
		case <-ctx.Done():
			return
		case u := <-h.queue:
			batch = append(batch, u)
		}
		for len(batch) < maxBatch && len(h.queue) > 0 {
			batch = append(batch, <-h.queue)
		}
		h.classify(ctx, batch)
	}
}

func (h *handler) classify(ctx context.Context, batch []upload) {
	images := make([]*picture.Image, len(batch))
	for i, u := range batch {
		images[i] = u.image
	}
	classes, err := h.model.Classify(ctx, images, 3)
	for i, u := range batch {
		if err != nil {
			u.answer <- answer{err: fmt.Errorf("classifying: %w", err)}
			continue
		}
		u.answer <- answer{classes: classes[i]}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
