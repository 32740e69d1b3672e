package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"saccade/models/anomaly"
	"saccade/models/nn"
)

// ErrNoPatches is wrapped where a network has no features of patches that a method takes.
var ErrNoPatches = errors.New("the network has no such features of patches")

// tokens is the output of a transformer's patches.
const tokens = "last_hidden_state"

// PatchLayers are the outputs that a method takes features from by itself: the tokens of a
// transformer; or of a convolutional network, whose layers are maps of ever fewer pixels,
// the last of each of two sizes for PatchCore and of three for PaDiM: the smallest, of
// networks with four sizes or more without that (layer2 and layer3 of a ResNet, and
// layer1). pixels are those of a picture, [1 C H W].
func (m *Model) PatchLayers(ctx context.Context, method anomaly.Method, pixels Array) ([]string, error) {
	if m.images == nil {
		return nil, fmt.Errorf("%s: %w", m.Name, ErrNoImages)
	}
	if method == anomaly.DINO {
		if _, _, _, ok := m.PatchGrid(pixels.Shape[2], pixels.Shape[3]); !ok {
			return nil, fmt.Errorf("%s: %w; %s takes a transformer's, such as dinov2", m.Name, ErrNoPatches, method)
		}
		return []string{tokens}, nil
	}
	names, err := m.layerMaps(ctx, pixels)
	if err != nil {
		return nil, err
	}
	n := map[anomaly.Method]int{anomaly.PatchCore: 2, anomaly.PaDiM: 3}[method]
	if len(names) < 2 {
		return nil, fmt.Errorf("%s: %w; %s takes the layers of a convolutional network, such as resnet", m.Name, ErrNoPatches, method)
	}
	if len(names) > 3 {
		names = names[:len(names)-1]
	}
	return names[max(0, len(names)-n):], nil
}

// layerMaps are the last layers of each size that are maps [1, C, h, w].
func (m *Model) layerMaps(ctx context.Context, pixels Array) ([]string, error) {
	offered, err := m.Outputs(nn.Images(pixels))
	if err != nil {
		return nil, err
	}
	offered = slices.DeleteFunc(offered, func(name string) bool { return !strings.HasPrefix(name, "layer.") })
	if len(offered) == 0 {
		return nil, nil
	}
	out, err := m.Forward(ctx, nn.Images(pixels), offered...)
	if err != nil {
		return nil, err
	}
	var last []string
	var size []int
	for _, name := range offered {
		s := out[name].Shape
		if len(s) != 4 || s[2]*pixels.Shape[3] != s[3]*pixels.Shape[2] { // tokens, or pixels before channels
			continue
		}
		if len(last) > 0 && slices.Equal(size, s[2:]) {
			last[len(last)-1] = name
		} else {
			last, size = append(last, name), s[2:]
		}
	}
	return last, nil
}

// Patches are the features that a method takes of a picture's patches, from layers.
func (m *Model) Patches(ctx context.Context, method anomaly.Method, layers []string, pixels Array) (anomaly.Patches, error) {
	out, err := m.Forward(ctx, nn.Images(pixels), layers...)
	if err != nil {
		return anomaly.Patches{}, err
	}
	h, w := pixels.Shape[2], pixels.Shape[3]
	if method == anomaly.DINO {
		rows, columns, prefix, _ := m.PatchGrid(h, w)
		return anomaly.OfTokens(out[layers[0]], prefix, rows, columns, h, w)
	}
	maps := make([]Array, len(layers))
	for i, name := range layers {
		maps[i] = out[name]
	}
	return anomaly.OfMaps(maps, method == anomaly.PatchCore, h, w)
}
