package learn

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/unet"
)

// The activations of Stable Diffusion 1.5's adapters at 512×512, planned without weights.
func TestPlanOfStableDiffusion(t *testing.T) {
	c, err := unet.Standard("sd15_unet")
	require.NoError(t, err)
	zeros := func(shape ...int) nn.Array { return nn.Array{Shape: shape, Data: make([]float32, elements(shape))} }
	b := Batch{Inputs: map[string]nn.Array{"sample": zeros(1, 4, 64, 64), "timestep": zeros(1), "encoder_hidden_states": zeros(1, 77, 768)}, Target: zeros(1, 4, 64, 64)}
	for checkpoint, most := range map[bool]int64{true: 160 << 20, false: 640 << 20} {
		l, err := Of(device.Open(t), "sd15_unet", &nn.Description{Make: c.Layers}, Options{LoRA: &LoRA{Rank: 4}, Precision: gpu.F16, Checkpoint: checkpoint})
		require.NoError(t, err)
		defer l.Close()
		memory, resident, err := l.Plan(b)
		require.NoError(t, err)
		t.Logf("checkpoint %v: activations %s, weights and moments %s", checkpoint, gpu.MiB(memory.Arena), gpu.MiB(resident))
		assert.Less(t, memory.Arena, most)
		l, err = Of(device.Open(t), "sd15_unet", &nn.Description{Make: c.Layers}, Options{LoRA: &LoRA{Rank: 4}, Precision: gpu.F16, Checkpoint: checkpoint, LowMemory: true})
		require.NoError(t, err)
		defer l.Close()
		memory, resident, err = l.Plan(b)
		require.NoError(t, err)
		t.Logf("low memory: activations %s, weights and moments %s", gpu.MiB(memory.Arena), gpu.MiB(resident))
		assert.Less(t, memory.Arena+memory.IO+resident, int64(3<<30))
	}
}
