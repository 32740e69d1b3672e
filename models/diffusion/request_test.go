package diffusion

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKnownScheduler(t *testing.T) {
	for spelled, want := range map[string]string{
		"Euler": "euler", "euler_a": "euler-a", "euler ancestral": "euler-a", "EulerDiscreteScheduler": "EulerDiscreteScheduler", "EulerDiscrete": "EulerDiscreteScheduler",
		"dpmpp_2m": "dpm++2m", "DPM++ 2M Karras": "dpm++2m-karras", "dpmpp_2m_sde_karras": "dpm++2m-sde-karras", "plms": "pndm", "UniPC": "unipc",
	} {
		got, ok := KnownScheduler(spelled)
		require.True(t, ok, spelled)
		require.Equal(t, want, got)
	}
	for _, unknown := range []string{"", "eular", "Scheduler"} {
		_, ok := KnownScheduler(unknown)
		require.False(t, ok, unknown)
	}
}
