package verify

import (
	"context"
	"fmt"

	"saccade/golden"
	"saccade/gpu"
)

// Check is a golden to compare with.
type Check struct {
	Name    string
	Outputs []string // names of the outputs among what is compared
	Run     func(ctx context.Context, dev *gpu.Device, precision gpu.DType) (*golden.Report, error)
}

// Checks are those of networks, then those of whole pipelines.
func Checks() ([]Check, error) {
	var all []Check
	for _, c := range golden.Cases() {
		all = append(all, Check{c.Name, c.Outputs, func(ctx context.Context, dev *gpu.Device, p gpu.DType) (*golden.Report, error) {
			return Network(ctx, dev, c, p)
		}})
	}
	for _, folder := range golden.Pipelines() {
		cases, err := golden.PipelineCases(folder)
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			all = append(all, Check{fmt.Sprintf("%s/%s", folder, c.Name), []string{"latents", "image"}, func(ctx context.Context, dev *gpu.Device, p gpu.DType) (*golden.Report, error) {
				return Pipeline(ctx, dev, c, p)
			}})
		}
	}
	return all, nil
}
