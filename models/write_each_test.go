package models

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/picture"
	"saccade/zoo"
)

// Texts that are written side by side are those of each picture alone, chosen or drawn; a picture
// that cannot be read has none, and the order is that of the pictures.
func TestWriteEach(t *testing.T) {
	m, err := Load(t.Context(), gputest.Open(t, gpu.Options{}), "blip", "", Options{Precision: gpu.F32, Embedded: zoo.BLIP()})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	bad := errors.New("bad")
	open := func(i int) (*picture.Image, error) {
		if i == 1 || i == 6 {
			return nil, bad
		}
		return picture.Open(fmt.Sprintf("../zoo/pictures/%s.png", []string{"bird", "", "deer", "ship", "frog", "horse", ""}[i]), picture.DecodeOptions{})
	}
	for _, sample := range []bool{false, true} {
		c := m.Writer().Config
		c.Sample, c.MaxTokens = sample, 9
		m.Writer().SetConfig(c)
		ask := Ask{Seed: 3}
		var want []string
		for i := range 7 {
			var w Written
			if img, err := open(i); err == nil {
				ask.Image = img
				w, err = m.Write(t.Context(), ask)
				require.NoError(t, err)
				require.NotEmpty(t, w.IDs)
			}
			want = append(want, w.Words)
		}
		assert.NotEqual(t, want[0], want[2])
		for _, batch := range []int{0, 1, 3} {
			next := 0
			_, err := m.WriteEach(t.Context(), 7, batch, Ask{Seed: 3}, open, func(i int, w Written, err error) error {
				require.Equal(t, next, i)
				next++
				if i == 1 || i == 6 {
					require.ErrorIs(t, err, bad)
				} else {
					require.NoError(t, err)
				}
				assert.Equal(t, want[i], w.Words, "picture %d in batches of %d, drawn: %t", i, batch, sample)
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, 7, next)
		}
	}
}
