package models

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/sound"
)

// Maps over a spectrogram stand where the patches do: time from the left, the lowest bin at
// the bottom, the mean where patches overlap; and rollout is the class and distillation
// tokens' mean.
func TestExplainSound(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	c, err := golden.Find("ast")
	require.NoError(t, err)
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err := openGolden(d, g, c.Architecture, "", Options{Precision: gpu.F32, Outputs: ExplainOutputs(c.Model)})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	require.Equal(t, []Method{Rollout, Heads, Occlusion}, m.Methods())

	heard, err := sound.Open(context.Background(), "../golden/sound/src/u8.wav", sound.Options{Rate: m.SoundRate()})
	require.NoError(t, err)
	in, err := m.SoundInputs(heard)
	require.NoError(t, err)
	s, err := m.Hears(heard)
	require.NoError(t, err)
	at := m.spectrogram()
	values := in[at.Input].Data
	assert.Equal(t, in, m.SpectrogramInputs(s.Pixels), "there and back")
	for _, k := range [][2]int{{0, 0}, {3, 5}, {at.Frames - 1, at.Bins - 1}} { // frame, bin
		assert.Equal(t, values[k[0]*at.Bins+k[1]], s.Pixels.Data[(at.Bins-1-k[1])*at.Frames+k[0]])
	}

	rows, columns := at.Grid()
	one := Map{Rows: rows, Columns: columns, Values: make([]float32, rows*columns)}
	one.Values[columns+2] = 8 // the second row of patches from the bottom, the third from the left
	over := m.heard(one)
	for i, v := range over.Values {
		bin, frame := at.Bins-1-i/at.Frames, i%at.Frames
		holds := func(row, column int) bool {
			b, f := bin-row*at.Stride[0], frame-column*at.Stride[1]
			return b >= 0 && b < at.Patch && f >= 0 && f < at.Patch
		}
		n := 0
		for p := range rows * columns {
			if holds(p/columns, p%columns) {
				n++
			}
		}
		want := 0.0
		if holds(1, 2) {
			want = 8 / float64(n)
		}
		require.InDelta(t, want, v, 1e-6, "bin %d frame %d", bin, frame)
	}

	s.Outputs, err = m.Forward(context.Background(), in)
	require.NoError(t, err)
	top, err := m.Top(s.Outputs, 1)
	require.NoError(t, err)
	heads, err := m.Heads(s.Outputs, s.H, s.W)
	require.NoError(t, err)
	last, err := m.layers(s.Outputs)
	require.NoError(t, err)
	a := last[len(last)-1]
	tokens := a.Shape[2]
	for i := range one.Values {
		one.Values[i] = (a.Data[at.Prefix+i] + a.Data[tokens+at.Prefix+i]) / 2 // the first head's two queries
	}
	assert.InDeltaSlice(t, m.heard(one).Values, heads[0].Values, 1e-6)

	occluded, err := m.Occlude(context.Background(), s.Pixels, top[0].Index, 0, nil)
	require.NoError(t, err)
	assert.Equal(t, []int{soundCells, 9}, []int{occluded.Rows, occluded.Columns})
	score := func(pixels []float32) float64 {
		out, err := m.Forward(context.Background(), m.SpectrogramInputs(Array{Shape: s.Pixels.Shape, Data: pixels}))
		require.NoError(t, err)
		return m.score(out["logits"].Data, top[0].Index)
	}
	drop, mean := 0.0, 0.0
	for _, v := range s.Pixels.Data {
		mean += float64(v) / float64(len(s.Pixels.Data))
	}
	for _, size := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {2, 2}} { // the windows that hide the upper left cell
		hidden := slices.Clone(s.Pixels.Data)
		for y := range size[0] * at.Bins / soundCells {
			for x := range size[1] * at.Frames / 9 {
				hidden[y*at.Frames+x] = float32(mean)
			}
		}
		drop += (score(s.Pixels.Data) - score(hidden)) / 4
	}
	assert.InDelta(t, drop, occluded.Values[0], 1e-6)
}
