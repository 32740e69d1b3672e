package models

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/ops"
)

// ErrNoFeatures is wrapped when the features of a network that has none, or
// the vector of outputs without any, are asked for.
var ErrNoFeatures = errors.New("the network has no features to show")

// Features gives the outputs that a picture's features are taken from:
// "last_hidden_state" [N, T, D] of a network with tokens, "features" [N, C, H, W]
// of a convolutional classifier with a head over their mean, else
// last_hidden_state [N, C, H, W]. A classifier gives them if Options.Outputs has
// [Features].
func (m *Model) Features(outputs map[string]Array) (Array, error) {
	for _, name := range []string{"last_hidden_state", "features"} {
		if a, ok := outputs[name]; ok {
			return a, nil
		}
	}
	return Array{}, fmt.Errorf("features of %s: %w", m.Name, ErrNoFeatures)
}

// PatchGrid is the patches in a column and in a row that the network cuts a
// picture of h×w pixels (after preprocessing) into; prefix is the tokens before
// them (class, distillation, registers). ok is false for a network without
// patches.
func (m *Model) PatchGrid(h, w int) (rows, columns, prefix int, ok bool) {
	if m.images == nil || m.images.Image.Patch[0] == 0 {
		return 0, 0, 0, false
	}
	patch := m.images.Image.Patch
	return h / patch[0], w / patch[1], m.images.Image.Prefix, true
}

// HeadWeights is the classifier's weight [classes, width], for class activation
// maps: logit c is the mean over the pixels of w[c]·features, plus
// [Model.HeadBias]. ok is false where logits are no such function of features.
func (m *Model) HeadWeights() (w []float32, classes, width int, ok bool) {
	head := m.meanHead()
	if head == nil {
		return nil, 0, 0, false
	}
	w, _ = head.Values()
	return w, head.Out, head.In, true
}

// HeadBias is the classifier's bias [classes], nil where [Model.HeadWeights] has none.
func (m *Model) HeadBias() []float32 {
	head := m.meanHead()
	if head == nil {
		return nil
	}
	_, bias := head.Values()
	return bias
}

func (m *Model) meanHead() *ops.Linear {
	if m.images == nil {
		return nil
	}
	return m.images.Image.MeanHead
}

// Embedding is the vector of unit length that stands for one picture, of its
// outputs: image_embeds where there is one, else pooler_output, else the class
// token of last_hidden_state [1, T, D], else the mean over the pixels of
// last_hidden_state [1, C, H, W] or of features.
func (m *Model) Embedding(outputs map[string]Array) ([]float32, error) {
	v, err := m.embedding(outputs)
	if err == nil {
		err = m.directed(v)
	}
	if err != nil {
		return nil, err
	}
	return unit(v), nil
}

// ErrNoDirection is wrapped where an embedding is all zeros, to which everything is as near.
var ErrNoDirection = errors.New("the embedding is all zeros, to which everything is as near")

// directed refuses an embedding that is all zeros.
func (m *Model) directed(v []float32) error {
	switch {
	case slices.ContainsFunc(v, func(x float32) bool { return x != 0 }):
		return nil
	case m.Precision == gpu.F16:
		return fmt.Errorf("%w; halves hold nothing below 6e-8: try -precision f32", ErrNoDirection)
	}
	return ErrNoDirection
}

// embedding picks the vector, of its own length.
func (m *Model) embedding(outputs map[string]Array) ([]float32, error) {
	for _, name := range []string{"image_embeds", "pooler_output"} {
		if a, ok := outputs[name]; ok {
			return a.Data, onePicture(name, a)
		}
	}
	a, err := m.Features(outputs)
	if err != nil {
		return nil, err
	}
	if err := onePicture("features", a); err != nil {
		return nil, err
	}
	if len(a.Shape) == 3 {
		return a.Data[:a.Shape[2]], nil
	}
	return pixelMeans(a), nil
}

// onePicture refuses the outputs of several pictures at once.
func onePicture(name string, a Array) error {
	if len(a.Shape) < 2 || a.Shape[0] != 1 || len(a.Data) == 0 {
		return fmt.Errorf("%s: found shape %v, expected that of one picture, [1 …]", name, a.Shape)
	}
	return nil
}

// pixelMeans are the means of the C channels of a map [1, C, H, W].
func pixelMeans(a Array) []float32 {
	channels := a.Shape[1]
	pixels := len(a.Data) / channels
	means := make([]float32, channels)
	for c := range means {
		var sum float64
		for _, v := range a.Data[c*pixels : (c+1)*pixels] {
			sum += float64(v)
		}
		means[c] = float32(sum / float64(pixels))
	}
	return means
}

// unit is v divided by its length; zeros stay zeros.
func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	out := make([]float32, len(v))
	if sum == 0 { // of vectors that cancel out
		return out
	}
	length := math.Sqrt(sum)
	for i, x := range v {
		out[i] = float32(float64(x) / length)
	}
	return out
}
