// Classify prints what is in a picture: go run ./examples/classify picture.png
package main

import (
	"context"
	"fmt"
	"os"
	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/zoo"
)

func main() {
	dev := must(gpu.Open(gpu.Options{}))
	defer dev.Close()
	model := must(models.Load(context.Background(), dev, "vit", "", models.Options{Embedded: zoo.ViT()})) // "" or a folder or hub id
	defer model.Close()
	img := must(picture.Open(os.Args[1], picture.DecodeOptions{}))
	for _, p := range must(model.Classify(context.Background(), []*picture.Image{img}, 3))[0] {
		fmt.Printf("%5.1f %%  %s\n", 100*p.Score, p.Label)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
