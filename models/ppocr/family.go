package ppocr

import (
	"errors"

	"saccade/models/nn"
	"saccade/ops"
)

// Family is both networks, which read pages together; package models opens them. Of the
// embedded ones the detector's folder stands for both.
var Family = nn.Family{
	Name: "ocr", Embedded: "ocr_det", About: "the lines of text in images: PP-OCR v5 (mobile, server) and v6 (tiny, small, medium)",
	Weights: "a folder that holds one of a detector and one of a recogniser, or DETECTOR,RECOGNISER, folders or hub ids such as PaddlePaddle/PP-OCRv5_mobile_det_safetensors,PaddlePaddle/PP-OCRv5_mobile_rec_safetensors",
	Reads:   true,
	Describe: func(nn.Checkpoint) (*nn.Description, error) {
		return nil, errors.New("it is two networks; load ocr_det and ocr_rec, or open both as a reader")
	},
}

// DetectorFamily and RecogniserFamily are the two networks by themselves.
var (
	DetectorFamily = nn.Family{
		Name: "ocr_det", Embedded: "ocr_det", Architectures: []string{standardPage}, Standard: standard, About: "where text is: PP-OCR's detector alone",
		Weights: "a folder or hub id of transformers (PPOCRV5MobileDetForObjectDetection, PPOCRV5ServerDetForObjectDetection, PPOCRV6SmallDetForObjectDetection, PPOCRV6MediumDetForObjectDetection)",
		Describe: func(in nn.Checkpoint) (*nn.Description, error) {
			c, named, err := DescribeDetector(in.Tensors, in.Config)
			if err != nil {
				return nil, err
			}
			return &nn.Description{Tensors: named, Make: c.layers}, nil
		},
	}
	RecogniserFamily = nn.Family{
		Name: "ocr_rec", Embedded: "ocr_rec", Architectures: []string{standardLine}, Standard: standard, About: "what a line of text says: PP-OCR's recogniser alone",
		Weights: "a folder or hub id of transformers (PPOCRV5MobileRecForTextRecognition, PPOCRV5ServerRecForTextRecognition, PPOCRV6SmallRecForTextRecognition, PPOCRV6TinyRecForTextRecognition)",
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
	m, err := NewDetector(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.network()}}, nil
}

func (c RecConfig) layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := NewRecogniser(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.network()}}, nil
}
