package ppocr

import (
	"saccade/models/nn"
	"saccade/ops"
)

// DetectorFamily and RecogniserFamily are the two networks by themselves.
var (
	DetectorFamily = nn.Family{
		Name: "ocr_det", About: "where text is: PP-OCR's detector alone",
		Weights: "a folder or hub id of transformers (PPOCRV5MobileDetForObjectDetection, PPOCRV6SmallDetForObjectDetection)",
		Describe: func(in nn.Checkpoint) (*nn.Description, error) {
			c, named, err := DescribeDetector(in.Tensors, in.Config)
			if err != nil {
				return nil, err
			}
			return &nn.Description{Tensors: named, Make: c.layers}, nil
		},
	}
	RecogniserFamily = nn.Family{
		Name: "ocr_rec", About: "what a line of text says: PP-OCR's recogniser alone",
		Weights: "a folder or hub id of transformers (PPOCRV5MobileRecForTextRecognition, PPOCRV6SmallRecForTextRecognition, PPOCRV6TinyRecForTextRecognition)",
		Describe: func(in nn.Checkpoint) (*nn.Description, error) {
			c, named, err := DescribeRecogniser(in.Tensors, in.Config)
			if err != nil {
				return nil, err
			}
			return &nn.Description{Tensors: named, Make: c.layers}, nil
		},
	}
)

func (c DetConfig) layers(b *ops.Builder) (*nn.Layers, error) {
	m := NewDetector(b, c)
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.network()}}, nil
}

func (c RecConfig) layers(b *ops.Builder) (*nn.Layers, error) {
	m := NewRecogniser(b, c)
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.network()}}, nil
}
