package resnet

import (
	"fmt"

	"saccade/weights"
)

// withIdentities shows a checkpoint with the shortcuts that have no parameters
// as projections. Every second pixel between channels of zeros is a 1×1
// convolution with stride 2 whose weight is an identity with rows of zeros
// around it; it is exact in halves too, as each output is one input or none.
func withIdentities(src weights.Source, c Config) (weights.Source, error) {
	var added []*weights.Tensor
	for s, stage := range c.Stages {
		if !c.projects(s) {
			continue
		}
		in := c.width(s - 1)
		values := make([]float32, stage.Out*in)
		for i := range in {
			values[((stage.Out-in)/2+i)*in+i] = 1
		}
		t, err := weights.FromFloat32s(fmt.Sprintf("layer%d.0.downsample.0.weight", s+1), values, stage.Out, in, 1, 1)
		if err != nil {
			return nil, err
		}
		added = append(added, t)
	}
	return weights.With(src, added...), nil
}
