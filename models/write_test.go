package models_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/models/verify"
)

// withTexts are the goldens of decoders.
func withTexts(t *testing.T) []golden.Case {
	var all []golden.Case
	for _, c := range golden.Cases() {
		if len(c.Texts) > 0 {
			all = append(all, c)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// openGolden opens the model of a golden with its inputs.
func openGolden(t *testing.T, d *gpu.Device, c golden.Case, precision gpu.DType) (*models.Model, map[string]models.Array) {
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err := verify.Open(t.Context(), d, g, nn.Options{Precision: precision})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m, verify.Inputs(g)
}

// setConfig has a model write by a generation config.
func setConfig(t *testing.T, m *models.Model, text golden.Text) {
	c, err := generate.ParseConfig(text.Config)
	require.NoError(t, err)
	w := m.Writer()
	w.Close()
	*w = *generate.New(w.Module, w.Decoder, c)
}

// Texts are those of transformers' generate: greedy, drawn by given numbers and by
// beams, with the rules of configs.
func TestTexts(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, c := range withTexts(t) {
		m, in := openGolden(t, d, c, gpu.F32)
		for i, text := range c.Texts {
			t.Run(fmt.Sprint(c.Name, " ", i), func(t *testing.T) {
				setConfig(t, m, text)
				about := maps.Clone(in)
				maps.DeleteFunc(about, func(name string, _ models.Array) bool { return !slices.Contains(text.Inputs, name) })
				var draw func(step, n int) []float32
				if text.Draws != nil {
					draw = func(step, _ int) []float32 { return text.Draws[step] }
				}
				got, err := sequences(t.Context(), m, about, draw)
				require.NoError(t, err)
				assert.Equal(t, text.Sequences, got, string(text.Config))
			})
		}
	}
}

// sequences are the rows of [models.Model.Sequences].
func sequences(ctx context.Context, m *models.Model, in map[string]models.Array, draw func(step, n int) []float32) ([][]uint32, error) {
	a, _, err := m.Sequences(ctx, in, models.Draws{Numbers: draw})
	if err != nil {
		return nil, err
	}
	var rows [][]uint32
	for row := range slices.Chunk(a.Data, a.Shape[1]) {
		var ids []uint32
		for _, v := range row {
			ids = append(ids, uint32(v))
		}
		rows = append(rows, ids)
	}
	return rows, nil
}
