// Embed writes the vector of every image of a folder, a line of JSON each:
//
//	go run ./examples/embed folder > vectors.jsonl
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/zoo"
)

func main() {
	dev, err := gpu.Open(gpu.Options{})
	if err == nil {
		defer dev.Close()
		err = embed(context.Background(), dev, os.Args[1], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// line is an image with its vector of unit length, or why it has none.
type line struct {
	Path   string    `json:"path"`
	Vector []float32 `json:"vector,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// embed writes the vectors of a folder's images in the order of their names. Images
// are read and decoded while others are computed, and few are in memory at a time.
func embed(ctx context.Context, dev *gpu.Device, folder string, to io.Writer) error {
	model, err := models.Load(ctx, dev, "clip", "", models.Options{Embedded: zoo.CLIP(), Outputs: []string{models.Embedding}})
	if err != nil {
		return err
	}
	defer model.Close()
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var paths []string
	for _, e := range entries {
		if e.Type().IsRegular() && picture.HasPictureExtension(e.Name()) {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	out := json.NewEncoder(to)
	return model.EmbedPictures(ctx, len(paths), 0, false, func(i int) (*picture.Image, error) {
		return picture.Open(paths[i], picture.DecodeOptions{})
	}, func(i int, v []float32, err error) error {
		l := line{Path: paths[i], Vector: v}
		if err != nil {
			l.Error = err.Error()
		}
		return out.Encode(l)
	})
}
