package models

import (
	"fmt"
	"slices"
	"time"

	"saccade/gpu"
	"saccade/models/blip"
	"saccade/models/generate"
	"saccade/models/internal/llama"
	"saccade/models/nn"
	"saccade/ops"
)

// StandardText is a published architecture with seeded random weights that writes texts of
// one length about seeded random inputs: for timing and verifying without a checkpoint.
// Its user closes it.
type StandardText struct {
	Name    string
	Shape   []int // of the first input, or without one of what the texts begin with
	Begun   int   // tokens that a text begins with
	Tokens  int   // that are written
	Writer  *generate.Generator
	Request generate.Request
	// Drawn is the part of NewStandardText's time that the random numbers took.
	Drawn time.Duration

	module *nn.Module
}

// standardTexts are architectures with what is written by them.
var standardTexts = []struct {
	name          string
	make          func() (nn.Make, error)
	begun, tokens int
}{
	{"whisper_tiny_30s", func() (nn.Make, error) { return standardOf("whisper_tiny") }, 4, 60}, // some 30 seconds of speech
	{"smollm_135m_decode", func() (nn.Make, error) { return llama.Standard().Layers, nil }, 128, 33},
	{"blip_base_caption", func() (nn.Make, error) { return blip.Base, nil }, 1, 10},
}

// StandardTextNames are what [NewStandardText] makes.
func StandardTextNames() []string {
	var names []string
	for _, s := range standardTexts {
		names = append(names, s.name)
	}
	return names
}

// NewStandardText makes one of [StandardTextNames] for so many items at once.
func NewStandardText(dev *gpu.Device, name string, precision gpu.DType, items int, seed uint64) (*StandardText, error) {
	i := slices.Index(StandardTextNames(), name)
	if i < 0 {
		return nil, fmt.Errorf("%s is no architecture that writes texts of a size of its own; there are %v", name, StandardTextNames())
	}
	t := standardTexts[i]
	s := &StandardText{Name: name, Begun: t.begun, Tokens: t.tokens}
	if err := s.make(dev, t.make, precision, items, seed); err != nil {
		s.Close()
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return s, nil
}

func (s *StandardText) make(dev *gpu.Device, of func() (nn.Make, error), precision gpu.DType, items int, seed uint64) error {
	make, err := of()
	if err != nil {
		return err
	}
	began := time.Now()
	plain, err := make(ops.NewBuilder(dev, precision))
	if err != nil {
		return err
	}
	src, err := ops.RandomWeights(plain.Parameters, seed)
	if err != nil {
		return err
	}
	s.module = nn.NewModule(dev, s.Name, precision, &nn.Description{Tensors: src, Make: make})
	l, err := s.module.Layers()
	if err != nil {
		return err
	}
	about, err := l.Decoder.About().Example(items, nil, seed)
	if err != nil {
		return err
	}
	s.Drawn = time.Since(began)
	s.Shape = []int{items, s.Begun}
	if len(l.Decoder.Inputs) > 0 {
		s.Shape = about[l.Decoder.Inputs[0].Name].Shape
	}
	s.Request.In = about
	for i := range items {
		var begin []uint32
		for j := range s.Begun {
			begin = append(begin, uint32((i+j)%l.Decoder.Vocab))
		}
		s.Request.Begin = append(s.Request.Begin, begin)
	}
	s.Writer = generate.New(s.module, l.Decoder, generate.Config{MaxTokens: s.Tokens})
	s.Writer.Config.End = nil // all texts have that length
	return nil
}

// WeightBytes is the device memory of the weights, once they are there.
func (s *StandardText) WeightBytes() int64 { return s.module.Bytes() }

// Close frees all memory.
func (s *StandardText) Close() {
	if s.Writer != nil {
		s.Writer.Close()
	}
	if s.module != nil {
		s.module.Drop()
	}
}
