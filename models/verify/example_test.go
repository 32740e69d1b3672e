package verify_test

import (
	"context"
	"fmt"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models/verify"
)

// Whether this adapter computes what PyTorch computes.
func ExampleNetwork() {
	dev, err := gpu.Open(gpu.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	c, err := golden.Find("vit_classify")
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := verify.Network(context.Background(), dev, c, gpu.F16)
	if err != nil {
		fmt.Println(err)
		return
	}
	if first, diverges := report.First(); diverges {
		fmt.Println("wrong from", first.Name)
	} else {
		fmt.Println("as PyTorch has it")
	}
	// Output: as PyTorch has it
}
