package anomaly

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/resnet"
	"saccade/ops"
)

// timed is what the device does of PatchCore for a picture of 224×224 pixels: Wide ResNet-50
// up to its third layer, and the nearest of 2,000 rows for each of 784 patches.
const (
	timed       = "patchcore_224"
	timedRows   = 2000
	timedPixels = 224
)

// standard is [timed] with random weights.
func standard(name string) (nn.Make, error) {
	if name != timed {
		return nil, fmt.Errorf("the sizes of %s are not known", name)
	}
	c, _ := resnet.Standard("wide_resnet50_2")
	c.Stages, c.Classes = c.Stages[:3], 0
	return func(b *ops.Builder) (*nn.Layers, error) {
		m, err := resnet.New(b, c)
		if err != nil {
			return nil, err
		}
		patches, width := timedPixels/8*timedPixels/8, c.Stages[1].Out+c.Stages[2].Out
		bank := b.Table("bank", timedRows, width)
		b.Later(func() error { return bank.Upload(nn.Normals(timedRows*width, 1)) })
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
			Inputs: []nn.Input{nn.Pixels(3, ops.Square(timedPixels)), {Name: "patches", Dims: nn.Dims("N", patches, width)}},
			Usual:  map[string]int{"H": timedPixels, "W": timedPixels},
			Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
				maps := m.Maps(r, in[nn.PixelValues])
				r.OutputNCHW("layer2", maps[1])
				r.OutputNCHW("layer3", maps[2])
				r.Output("nearest", bank.Nearest(r, ops.Pack(r, in["patches"], 1), 1, ops.Distance))
			},
		}}}, nil
	}, nil
}
