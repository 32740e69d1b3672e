// Paint makes a picture of a prompt: go run ./examples/paint "red apple" apple.png
package main

import (
	"context"
	"fmt"
	"os"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/zoo"
)

func main() {
	ctx := context.Background()
	dev := must(gpu.Open(gpu.Options{}))
	defer dev.Close()
	model := must(models.Load(ctx, dev, "sd", "", models.Options{Embedded: zoo.SD()})) // "" or a folder, file or hub id
	defer model.Close()
	pipeline := model.Pipeline.(*diffusion.Pipeline)
	request := pipeline.Defaults()
	request.Prompts = []string{os.Args[1]}
	run := must(pipeline.Start(ctx, request))
	defer run.Close()
	for run.Next() {
		if err := run.Step(ctx); err != nil {
			panic(err)
		}
		fmt.Printf("\r%d of %d", run.Done(), run.Steps())
	}
	img := must(run.Result(ctx)).Pictures()[0]
	if err := picture.WritePNG(os.Args[2], img); err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
