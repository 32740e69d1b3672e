package checkpoint

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/controlnet"
	"saccade/weights"
)

// shaped are tensors without values.
type shaped map[string]*weights.Tensor

func (s shaped) Names() (names []string) {
	for name := range s {
		names = append(names, name)
	}
	return names
}

func (s shaped) Tensor(name string) (*weights.Tensor, bool) { t, ok := s[name]; return t, ok }

// The published names are diffusers', as its converter has them.
func TestOriginalControl(t *testing.T) {
	table, err := os.ReadFile("testdata/controlnet_names.tsv")
	require.NoError(t, err)
	nets, want := map[string]shaped{}, map[string][][2]string{}
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		var shape []int
		for _, d := range strings.Split(f[3], "x") {
			n, err := strconv.Atoi(d)
			require.NoError(t, err)
			shape = append(shape, n)
		}
		if nets[f[0]] == nil {
			nets[f[0]] = shaped{}
		}
		name := f[1]
		if f[0] == "sd1" { // whose files have the whole model's prefix
			name = controlPrefix + name
		}
		nets[f[0]][name] = &weights.Tensor{Name: name, Shape: shape}
		want[f[0]] = append(want[f[0]], [2]string{name, f[2]})
	}
	require.Len(t, nets, 2)
	for net, src := range nets {
		named, config, ok, err := OriginalControl(src)
		require.NoError(t, err)
		require.True(t, ok)
		for _, pair := range want[net] {
			got, ok := named.Tensor(pair[1])
			require.True(t, ok, "%s of %s", pair[1], pair[0])
			assert.Equal(t, src[pair[0]].Shape, got.Shape, pair[1])
		}
		c, err := controlnet.Parse(config)
		require.NoError(t, err)
		assert.Equal(t, []int{3, 16, 32, 96, 256}, c.Hint)
		if net == "xl" {
			assert.Equal(t, [2]int{2816, 256}, [2]int{c.Added, c.AddedTime})
			assert.Equal(t, []int{320, 640, 1280}, c.Widths())
			assert.Equal(t, 20, c.Down[2].Attention.Heads)
		} else {
			assert.Equal(t, []int{320, 640, 1280, 1280}, c.Widths())
			assert.Equal(t, 8, c.Down[0].Attention.Heads)
		}
	}
	_, _, ok, err := OriginalControl(shaped{"input_hint_block.0.weight": {Shape: []int{16, 3, 3, 3}}})
	assert.True(t, ok)
	assert.ErrorContains(t, err, "not a whole ControlNet")
	_, _, ok, err = OriginalControl(shaped{})
	assert.False(t, ok)
	assert.NoError(t, err)
}
