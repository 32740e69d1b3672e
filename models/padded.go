package models

import (
	"context"
	"fmt"
	"slices"

	"saccade/models/generate"
)

// leftPadding is how many zeros each row of a mask of that shape [N, T] begins with; behind
// them are ones.
func leftPadding(mask Array, shape []int) ([]int, error) {
	if !slices.Equal(mask.Shape, shape) || len(mask.Data) == 0 {
		return nil, fmt.Errorf("found shape %v, expected %v as of the ids", mask.Shape, shape)
	}
	var all []int
	for row := range slices.Chunk(mask.Data, shape[1]) {
		n := slices.Index(row, 1)
		if n < 0 {
			return nil, fmt.Errorf("found no one in row %d, expected padding at its beginning alone", len(all))
		}
		for i, v := range row {
			if (i < n) != (v == 0) || i >= n && v != 1 {
				return nil, fmt.Errorf("found %g at place %d of row %d; texts go on behind their end, expected padding at the beginning alone", v, i, len(all))
			}
		}
		all = append(all, n)
	}
	return all, nil
}

// sequencesApart is [Model.Sequences] of texts with padding before them, which are of
// different lengths and so written one by one.
func (m *Model) sequencesApart(ctx context.Context, q generate.Request, padding []int) (Array, []generate.Text, error) {
	n, length := len(q.Begin), len(q.Begin[0])
	if of := slices.Max(padding); of >= length {
		return Array{}, nil, fmt.Errorf("texts that begin with %d tokens have %d of padding before them; give texts of one length", length, of)
	}
	c := m.writer.Config
	defer func() { m.writer.Config = c }()
	if c.MaxTokens == 0 && c.MaxLength > 0 { // which counts the padding
		if m.writer.Config.MaxTokens = c.MaxLength - length; c.MaxLength <= length {
			return Array{}, nil, fmt.Errorf("they begin with %d tokens and the greatest length is %d; raise that", length, c.MaxLength)
		}
	}
	if c.MinTokens == 0 {
		m.writer.Config.MinTokens = max(0, c.MinLength-length)
	}
	var rows [][]uint32
	var texts []generate.Text
	for i, ids := range q.Begin {
		one := generate.Request{In: map[string]Array{}, Begin: [][]uint32{ids[padding[i]:]}, Seed: q.Seed + uint64(i)}
		for name, a := range q.In {
			if len(a.Shape) == 0 || a.Shape[0] != n {
				return Array{}, nil, fmt.Errorf("%s: found shape %v with %d texts; expected as many items", name, a.Shape, n)
			}
			size := len(a.Data) / n
			one.In[name] = Array{Shape: append([]int{1}, a.Shape[1:]...), Data: a.Data[i*size : (i+1)*size]}
		}
		if q.Draw != nil {
			one.Draw = func(step, _ int) []float32 { return q.Draw(step, n)[i : i+1] }
		}
		text, err := m.writer.Write(ctx, one)
		if err != nil {
			return Array{}, nil, err
		}
		rows = append(rows, slices.Concat(ids[:padding[i]], text[0].IDs))
		texts = append(texts, text[0])
	}
	return m.Padded(rows), texts, nil
}
