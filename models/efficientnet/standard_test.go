package efficientnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/inverted"
	"saccade/models/internal/modeltest"
	"saccade/ops"
)

// The architectures have as many parameters as torchvision's and timm's.
func TestStandard(t *testing.T) {
	want := map[string]int{
		"efficientnet_b0": 5288548, "efficientnet_b1": 7794184, "efficientnet_b2": 9109994, "efficientnet_b3": 12233232,
		"efficientnet_b4": 19341616, "efficientnet_b5": 30389784, "efficientnet_b6": 43040704, "efficientnet_b7": 66347960,
		"efficientnet_v2_s": 21458488, "efficientnet_v2_m": 54139356, "efficientnet_v2_l": 118515272,
		"efficientnet_lite0": 4652008, "efficientnet_lite1": 5416680, "efficientnet_lite2": 6092072, "efficientnet_lite3": 8197096, "efficientnet_lite4": 13006568,
	}
	dev := gputest.Open(t, gpu.Options{})
	for name, parameters := range want {
		c, ok := Standard(name)
		require.True(t, ok, name)
		m, err := inverted.New(ops.NewBuilder(dev, gpu.F16), c)
		require.NoError(t, err, name)
		assert.Equal(t, parameters, modeltest.Parameters(t, m, "running"), name)
		found, ok := variantWith(c)
		assert.True(t, ok && found.name == name, "%s is taken for %q", name, found.name)
	}
	for _, name := range StandardNames() {
		_, ok := Standard(name)
		assert.True(t, ok, name)
	}
	assert.Len(t, StandardNames(), 2*len(want))
}

// Names of timm and efficientnet_pytorch mean torchvision's architectures; tf_
// changes the padding and eps.
func TestStandardAliases(t *testing.T) {
	for alias, name := range map[string]string{"efficientnetv2_s": "efficientnet_v2_s", "efficientnet-b3": "efficientnet_b3"} {
		a, ok := Standard(alias)
		require.True(t, ok, alias)
		b, _ := Standard(name)
		assert.Equal(t, b, a)
	}
	c, ok := Standard("tf_efficientnetv2_m")
	require.True(t, ok)
	assert.Equal(t, inverted.Same, c.Pad)
	assert.Equal(t, inverted.Same, c.Stages[3][1].Pad)
	assert.Equal(t, 1e-3, c.Eps)
	_, ok = Standard("efficientnet_b8")
	assert.False(t, ok)
}

// Even maps are halved by transformers' padding and others rounded down, so
// that a picture needs a pixel for each halving; elsewhere one is enough.
func TestSmallest(t *testing.T) {
	c, _ := Standard("efficientnet_b0")
	assert.Equal(t, [2]int{1, 1}, c.Least())
	c.Pad = inverted.Shifted
	for _, stage := range c.Stages {
		stage[0].Pad = inverted.Shifted
	}
	assert.Equal(t, [2]int{32, 32}, c.Least())
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"channels of the stem is 0": func(c *Config) { c.Stem = 0 },
		"eps is 0":                  func(c *Config) { c.Eps = 0 },
		"no blocks":                 func(c *Config) { c.Stages = nil },
		"block 2.0's kernel is 4":   func(c *Config) { c.Stages[2][0].Kernel = 4 },
		"block 3.1's stride is 3":   func(c *Config) { c.Stages[3][1].Stride = 3 },
		"block 1.0's input of 16 channels cannot be added": func(c *Config) { c.Stages[1][0].Skip = true },
	} {
		c, _ := Standard("efficientnet_b0")
		change(&c)
		_, err := inverted.New(nil, c)
		assert.ErrorContains(t, err, want)
	}
}
