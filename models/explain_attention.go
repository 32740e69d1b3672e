package models

import (
	"fmt"
	"sort"
	"strings"
)

// Rollout is how much of each patch of a picture of h×w pixels (after
// preprocessing) reaches what the head takes, through all layers (Abnar and
// Zuidema, 2020): the product over the layers of A/2 + I/2, where A is the mean
// over the heads and the halves are the layer itself and the path around it. It is
// the class token's row of the product, or the mean of the patches' where there is
// no class token or the head takes that mean; together with the tokens before the
// patches it sums to 1. outputs are those of one picture with attentions.
func (m *Model) Rollout(outputs map[string]Array, h, w int) (Map, error) {
	layers, err := m.layers(outputs)
	if err != nil {
		return Map{}, err
	}
	if _, ok := outputs["attentions.0"]; !ok {
		return Map{}, fmt.Errorf("attention rollout: there are probabilities of the last layer alone; load the model with the output attentions")
	}
	at, err := m.patchMap(h, w)
	if err != nil {
		return Map{}, err
	}
	prefix := at.prefix
	t := prefix + at.Rows*at.Columns
	row := m.queries(t, prefix) // times the product, one layer after the other from the last
	for i := len(layers) - 1; i >= 0; i-- {
		if err := checkAttention(layers[i], t); err != nil {
			return Map{}, err
		}
		row = rollBack(row, layers[i])
	}
	for i := range at.Values {
		at.Values[i] = float32(row[prefix+i])
	}
	return m.heard(at.Map), nil
}

// rollBack is row · (A/2 + I/2) for the probabilities [1, H, T, T] of a layer,
// averaged over its heads. The rows of A sum to 1 to within rounding, so that
// those of the sum do.
func rollBack(row []float64, a Array) []float64 {
	heads, t := a.Shape[1], a.Shape[2]
	out := make([]float64, t)
	for i, v := range row {
		out[i] += v / 2
		if v == 0 {
			continue
		}
		for h := range heads {
			part := v / 2 / float64(heads)
			for j, p := range a.Data[(h*t+i)*t : (h*t+i+1)*t] {
				out[j] += part * float64(p)
			}
		}
	}
	return out
}

// Heads is what each head of the last layer attends to in a picture of h×w
// pixels: the probabilities of the class token's query for the patches, or the
// mean over the patches' queries as in [Model.Rollout]. Together with the tokens
// before the patches a head's sum to 1.
func (m *Model) Heads(outputs map[string]Array, h, w int) ([]Map, error) {
	return m.heads(outputs, h, w, m.queries)
}

// PatchHeads is what each head of the last layer attends to from a patch of the
// picture, counted from the top left: as [Model.Heads], by that patch's query.
func (m *Model) PatchHeads(outputs map[string]Array, h, w, row, column int) ([]Map, error) {
	rows, columns, _, _ := m.PatchGrid(h, w)
	if row < 0 || row >= rows || column < 0 || column >= columns {
		return nil, fmt.Errorf("there is no patch at row %d, column %d; there are %dx%d (rows x columns)", row, column, rows, columns)
	}
	return m.heads(outputs, h, w, func(tokens, prefix int) []float64 {
		query := make([]float64, tokens)
		query[prefix+row*columns+column] = 1
		return query
	})
}

// heads are the maps of the last layer's heads for a query, which is given by the
// weights of the tokens, prefix of them before the patches.
func (m *Model) heads(outputs map[string]Array, h, w int, query func(tokens, prefix int) []float64) ([]Map, error) {
	layers, err := m.layers(outputs)
	if err != nil {
		return nil, err
	}
	at, err := m.patchMap(h, w)
	if err != nil {
		return nil, err
	}
	last, t := layers[len(layers)-1], at.prefix+at.Rows*at.Columns
	if err := checkAttention(last, t); err != nil {
		return nil, err
	}
	maps := make([]Map, last.Shape[1])
	for k := range maps {
		one := Array{Shape: []int{1, 1, t, t}, Data: last.Data[k*t*t : (k+1)*t*t]}
		row := attended(query(t, at.prefix), one)
		maps[k] = at.Map
		maps[k].Values = make([]float32, len(at.Values))
		for i := range maps[k].Values {
			maps[k].Values[i] = float32(row[at.prefix+i])
		}
		maps[k] = m.heard(maps[k])
	}
	return maps, nil
}

// attended is row · A for the probabilities [1, 1, T, T] of one head.
func attended(row []float64, a Array) []float64 {
	t := a.Shape[2]
	out := make([]float64, t)
	for i, v := range row {
		if v == 0 {
			continue
		}
		for j, p := range a.Data[i*t : (i+1)*t] {
			out[j] += v * float64(p)
		}
	}
	return out
}

// ClassQuery says whether the maps of attention are the class token's.
func (m *Model) ClassQuery() bool {
	return m.images != nil && m.images.Image.Patch[0] > 0 && m.images.Image.Prefix > 0 && !m.images.Image.PoolsPatches
}

// Query names whose attention the maps are of.
func (m *Model) Query() string {
	switch {
	case m.spectrogram() != nil:
		return "class and distillation token"
	case m.ClassQuery():
		return "class token"
	}
	return "patches, on average"
}

// queries are the weights of T tokens in what the head takes.
func (m *Model) queries(t, prefix int) []float64 {
	row := make([]float64, t)
	if m.spectrogram() != nil { // the head takes the mean of the tokens before the patches
		for i := range prefix {
			row[i] = 1 / float64(prefix)
		}
		return row
	}
	if m.ClassQuery() {
		row[0] = 1
		return row
	}
	for i := prefix; i < t; i++ {
		row[i] = 1 / float64(t-prefix)
	}
	return row
}

// patches is an empty map over the patches behind prefix other tokens.
type patches struct {
	Map
	prefix int
}

// patchMap is the map over the patches of a picture of h×w pixels, or of a spectrogram.
func (m *Model) patchMap(h, w int) (patches, error) {
	if s := m.spectrogram(); s != nil {
		rows, columns := s.Grid()
		return patches{Map{Rows: rows, Columns: columns, Height: 1, Width: 1, Values: make([]float32, rows*columns)}, s.Prefix}, nil
	}
	rows, columns, prefix, ok := m.PatchGrid(h, w)
	if !ok {
		return patches{}, fmt.Errorf("patches of %s: %w", m.Name, ErrNoMap)
	}
	patch := m.images.Image.Patch
	return patches{Map{Rows: rows, Columns: columns, Height: float64(rows*patch[0]) / float64(h), Width: float64(columns*patch[1]) / float64(w),
		Values: make([]float32, rows*columns)}, prefix}, nil
}

// layers are the attention probabilities in the order of the layers, or those of
// the last alone.
func (m *Model) layers(outputs map[string]Array) ([]Array, error) {
	if a, ok := outputs[LastAttention]; ok {
		return []Array{a}, nil
	}
	found := map[int]Array{}
	var order []int
	for name, a := range outputs {
		var i int
		if rest, ok := strings.CutPrefix(name, "attentions."); ok {
			if _, err := fmt.Sscan(rest, &i); err != nil {
				return nil, fmt.Errorf("attention probabilities: output %s has no number", name)
			}
			found[i], order = a, append(order, i)
		}
	}
	if len(order) == 0 {
		return nil, fmt.Errorf("attention probabilities of %s: %w", m.Name, ErrNoAttention)
	}
	sort.Ints(order)
	all := make([]Array, len(order))
	for k, i := range order {
		all[k] = found[i]
	}
	return all, nil
}

func checkAttention(a Array, t int) error {
	if len(a.Shape) != 4 || a.Shape[0] != 1 || a.Shape[1] < 1 || a.Shape[2] != t || a.Shape[3] != t {
		return fmt.Errorf("attention probabilities: found shape %v, expected those of one picture, [1 heads %d %d]", a.Shape, t, t)
	}
	return nil
}
