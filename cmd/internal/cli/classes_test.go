package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMatchLabel(t *testing.T) {
	labels := []string{"tench, Tinca tinca", "great white shark, white shark", "crane", "crane, machine", "Cat", "dog", "maillot", "maillot, tank suit"}
	for name, want := range map[string]int{
		"tench": 0, "Tinca_tinca": 0, "great white shark, white shark": 1, "white-shark": 1, "crane": 2, "cat": 4, "dog": 5, "tank suit": 7,
	} {
		got, err := matchLabel(name, labels)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	_, err := matchLabel("dgo", labels)
	assert.ErrorContains(t, err, `nearest is "dog"`)
	_, err = matchLabel("machine", append(labels, "engine, machine"))
	assert.ErrorContains(t, err, "or")
}
