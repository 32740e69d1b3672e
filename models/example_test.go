package models_test

import (
	"context"
	"fmt"
	"path/filepath"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/zoo"
)

// What is in a picture, by the embedded vision transformer. A folder, a file or
// a hub id in place of "" loads another checkpoint.
func Example() {
	ctx := context.Background()
	dev, err := gpu.Open(gpu.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	m, err := models.Load(ctx, dev, "vit", "", models.Options{Embedded: zoo.ViT()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	img, err := picture.Open("../zoo/pictures/airplane.png", picture.DecodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	top, err := m.Classify(ctx, []*picture.Image{img}, 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(top[0][0].Label)
	// Output: airplane
}

// Many files, of which a few are in memory at a time; one that cannot be read
// does not end the others.
func ExampleModel_Each() {
	ctx := context.Background()
	dev, err := gpu.Open(gpu.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	m, err := models.Load(ctx, dev, "vit", "", models.Options{Embedded: zoo.ViT()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	paths := []string{"../zoo/pictures/ship.png", "each.go", "../zoo/pictures/frog.png"}
	err = m.Each(ctx, len(paths), 0, func(i int) (*picture.Image, error) {
		return picture.Open(paths[i], picture.DecodeOptions{})
	}, func(r models.Result) error {
		if r.Err != nil {
			fmt.Println(filepath.Base(paths[r.Index]), "is no picture")
			return nil
		}
		top, err := m.Top(r.Outputs, 1)
		if err == nil {
			fmt.Println(filepath.Base(paths[r.Index]), top[0].Label)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// ship.png ship
	// each.go is no picture
	// frog.png frog
}

// Every operation of a forward pass, recomputed on the CPU from the GPU's own
// inputs: no golden is needed.
func ExampleModel_Verify() {
	ctx := context.Background()
	dev, err := gpu.Open(gpu.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	m, err := models.Load(ctx, dev, "vit", "", models.Options{Precision: gpu.F32, Embedded: zoo.ViT()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	in, err := m.Noise(1, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	checks, err := m.Verify(ctx, in, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range checks {
		if c.Err != nil {
			fmt.Println(c.Err)
			return
		}
	}
	fmt.Println("all agree")
	// Output: all agree
}
