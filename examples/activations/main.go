// Activations writes every output and intermediate of a network for an image to a
// file that Python's safetensors reads:
//
//	go run ./examples/activations x.png layers.safetensors
package main

import (
	"context"
	"fmt"
	"os"

	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/weights"
	"saccade/zoo"
)

func main() {
	dev, err := gpu.Open(gpu.Options{})
	if err == nil {
		defer dev.Close()
		err = dump(context.Background(), dev, os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "activations:", err)
		os.Exit(1)
	}
}

// dump computes all that the network names, in float32.
func dump(ctx context.Context, dev *gpu.Device, image, file string) error {
	model, err := models.Load(ctx, dev, "vit", "", models.Options{Embedded: zoo.ViT(), Precision: gpu.F32})
	if err != nil {
		return err
	}
	defer model.Close()
	img, err := picture.Open(image, picture.DecodeOptions{})
	if err != nil {
		return err
	}
	pixels, h, w, err := model.Preprocess(img)
	if err != nil {
		return err
	}
	in := nn.Images(models.Array{Shape: []int{1, 3, h, w}, Data: pixels})
	out, err := model.Forward(ctx, in, gpu.Everything) // or some of model.Outputs(in)
	if err != nil {
		return err
	}
	var tensors []*weights.Tensor
	for name, a := range out {
		t, err := weights.FromFloat32s(name, a.Data, a.Shape...)
		if err != nil {
			return err
		}
		tensors = append(tensors, t)
	}
	return weights.Write(file, tensors, nil)
}
