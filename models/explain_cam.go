package models

import "fmt"

// CAM is the class activation map (Zhou et al., 2016) of one picture's outputs:
// in each cell of the features the sum over the channels of the class's weight
// times the feature. The mean over the cells and the class's bias make the logit,
// so that the map says where it comes from.
func (m *Model) CAM(outputs map[string]Array, class int) (Map, error) {
	weights, classes, width, ok := m.HeadWeights()
	if !ok {
		return Map{}, fmt.Errorf("class activation map of %s: %w: its head does not take the mean of features", m.Name, ErrNoMap)
	}
	a, err := m.Features(outputs)
	if err != nil {
		return Map{}, err
	}
	if len(a.Shape) != 4 || a.Shape[0] != 1 || a.Shape[1] != width || class < 0 || class >= classes {
		return Map{}, fmt.Errorf("class activation map: found features %v and class %d, expected [1 %d H W] and 0 to %d", a.Shape, class, width, classes-1)
	}
	at := Map{Rows: a.Shape[2], Columns: a.Shape[3], Height: 1, Width: 1}
	cells := at.Rows * at.Columns
	sums := make([]float64, cells)
	for c, w := range weights[class*width : (class+1)*width] {
		for i, v := range a.Data[c*cells : (c+1)*cells] {
			sums[i] += float64(w) * float64(v)
		}
	}
	at.Values = make([]float32, cells)
	for i, v := range sums {
		at.Values[i] = float32(v)
	}
	return at, nil
}

// PatchFeatures are the features of one picture of h×w pixels (after
// preprocessing) by its places: those of the patches behind a transformer's other
// tokens, or of the cells of a convolutional network. at.Values is empty; row i
// of vectors [Rows*Columns, width] belongs to cell i.
func (m *Model) PatchFeatures(outputs map[string]Array, h, w int) (at Map, vectors []float32, width int, err error) {
	a, err := m.Features(outputs)
	if err != nil {
		return Map{}, nil, 0, err
	}
	if err := onePicture("features", a); err != nil {
		return Map{}, nil, 0, err
	}
	if len(a.Shape) == 3 {
		p, err := m.patchMap(h, w)
		if err != nil {
			return Map{}, nil, 0, err
		}
		p.Values, width = nil, a.Shape[2]
		if a.Shape[1] != p.prefix+p.Rows*p.Columns {
			return Map{}, nil, 0, fmt.Errorf("features: found shape %v, expected %d patches of %dx%d and %d tokens before them", a.Shape, p.Rows*p.Columns, p.Rows, p.Columns, p.prefix)
		}
		return p.Map, a.Data[p.prefix*width:], width, nil
	}
	width, at = a.Shape[1], Map{Rows: a.Shape[2], Columns: a.Shape[3], Height: 1, Width: 1}
	cells := at.Rows * at.Columns
	vectors = make([]float32, len(a.Data))
	for i, v := range a.Data {
		vectors[i%cells*width+i/cells] = v
	}
	return at, vectors, width, nil
}
