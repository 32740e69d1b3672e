package weights

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Names in memory become those that transformers saves, and saved ones stay.
func TestSavedNames(t *testing.T) {
	text, err := os.ReadFile("testdata/names.json")
	require.NoError(t, err)
	var classes map[string]struct {
		Type  string            `json:"model_type"`
		Names map[string]string `json:"names"`
	}
	require.NoError(t, json.Unmarshal(text, &classes))
	require.Contains(t, classes, "Dinov2WithRegistersModel")
	// Towers are saved without the prefix that published files have.
	prefixes := map[string]string{"clip_vision_model": "vision_model.", "siglip_vision_model": "vision_model.",
		"clip_text_model": "text_model.", "siglip_text_model": "text_model."}
	for class, c := range classes {
		var memory, files tensors
		for name := range c.Names {
			memory = append(memory, filled(t, name, 1, 2, 1))
		}
		got := SavedNames(memory, c.Type)
		for name, saved := range c.Names {
			saved, part, _ := strings.Cut(prefixes[c.Type]+saved, "#")
			x, ok := got.Tensor(saved)
			require.True(t, ok, "%s: %s", class, saved)
			assert.Equal(t, saved, x.Name)
			if part == "" {
				assert.Equal(t, name, x.Origin)
			} else {
				assert.Equal(t, []int{4, 1}, x.Shape)
			}
		}
		for _, name := range got.Names() {
			files = append(files, filled(t, name, 1, 2, 1))
		}
		assert.Equal(t, Source(files), SavedNames(files, c.Type), "%s: saved names stay", class)
		assert.Equal(t, Source(memory), SavedNames(memory, "resnet"), "another type")
	}
}

// The halves of DINOv2's gated layer are joined in their order.
func TestSavedNamesJoin(t *testing.T) {
	got := SavedNames(tensors{filled(t, "encoder.layer.0.mlp.up_proj.bias", 2, 1), filled(t, "encoder.layer.0.mlp.gate_proj.bias", 1, 1)}, "dinov2")
	x, ok := got.Tensor("encoder.layer.0.mlp.weights_in.bias")
	require.True(t, ok)
	assert.Equal(t, []float32{1, 2}, float32sOf(t, x))
	assert.Equal(t, "encoder.layer.0.mlp.{gate_proj,up_proj}.bias", x.Origin)
}
