package gpu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindDXC(t *testing.T) {
	one, both := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(one, "dxcompiler.dll"), filepath.Join(both, "dxcompiler.dll"), filepath.Join(both, "dxil.dll")} {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	compiler, validator := findDXC([]string{one, both})
	assert.Equal(t, []string{filepath.Join(both, "dxcompiler.dll"), filepath.Join(both, "dxil.dll")}, []string{compiler, validator})
	compiler, validator = findDXC([]string{one})
	assert.Empty(t, compiler+validator)
}

// Of adapters alike Vulkan's is chosen, whatever the order in which they are found.
func TestRank(t *testing.T) {
	vulkan, directx := Info{Type: "discrete", Backend: "vulkan"}, Info{Type: "discrete", Backend: "dx12"}
	assert.Less(t, rank(vulkan, ""), rank(directx, ""))
	assert.Less(t, rank(directx, ""), rank(Info{Type: "integrated", Backend: "vulkan"}, ""))
	assert.Less(t, rank(Info{Type: "integrated", Backend: "dx12"}, "low"), rank(vulkan, "low"))
	assert.Less(t, rank(directx, "low"), rank(Info{Type: "cpu", Backend: "vulkan"}, "low"))
}
