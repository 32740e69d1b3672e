package lora

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// What PEFT's configuration says of alphas: the first expression that is the end of
// a module's name counts.
func TestAdapterMetadata(t *testing.T) {
	a, err := readAdapters(`{"unet.lora_alpha": 8, "unet.r": 4, "unet.alpha_pattern": {"attn1.to_q": 2, "to_q": 3, "down.*\\.to_v": 5}, "text_encoder.use_rslora": true, "text_encoder.lora_alpha": 6}`)
	require.NoError(t, err)
	for key, want := range map[string]float64{"unet.a.to_k": 2, "unet.a.attn1.to_q": 0.5, "unet.a.attn2.to_q": 0.75, "unet.down.3.to_v": 1.25, "unet.x.down.3.to_v": 1.25, "unet.up.to_v": 2, "text_encoder.x": 3, "text_encoder_2.x": 1} {
		l := newLayer(key)
		require.NoError(t, a.apply(l))
		assert.Equal(t, want, l.scaling(4), key)
	}
	for text, want := range map[string]string{
		"{":                                "its metadata lora_adapter_metadata is no object",
		`{"unet.lora_alpha": "x"}`:         `its metadata lora_adapter_metadata: lora_alpha is "x"; expected a number`,
		`{"unet.alpha_pattern": {"(": 1}}`: `alpha_pattern is {"(":1}; expected an object of regular expressions and numbers`,
		`{"unet.bias": "all"}`:             `bias is "all", which is not supported; "none" is`,
		`{"peft_type": "LOHA"}`:            `peft_type is "LOHA"; LORA is supported`,
		`{"init_lora_weights": "pissa"}`:   `init_lora_weights is "pissa", which is not supported`,
	} {
		_, err = readAdapters(text)
		assert.ErrorContains(t, err, want)
	}
	a, err = readAdapters(`{"unet.use_dora": true}`)
	require.NoError(t, err)
	l := newLayer("unet.a")
	l.tensors[up] = &weights.Tensor{}
	assert.ErrorContains(t, a.apply(l), "use_dora is set, and its layer unet.a has no lora_magnitude_vector")
}

// Every key of PEFT's LoraConfig is read, changes nothing, or is refused when it is
// not its default: a key that a new version has is none of these.
func TestEveryAdapterKey(t *testing.T) {
	all, err := signatures()
	require.NoError(t, err)
	plain, err := parseAdapter("x", []byte(`{}`))
	require.NoError(t, err)
	refused := []string{"peft_type", "bias", "init_lora_weights", "trainable_token_indices", "velora_config", "alora_invocation_tokens", "use_qalora",
		"monteclora_config", "layer_replication", "lora_bias", "target_parameters", "use_bdlora", "arrow_config", "kasa_config"}
	read := map[string]string{"lora_alpha": "3", "alpha_pattern": `{"x": 2}`, "use_rslora": "true", "use_dora": "true", "modules_to_save": `["x"]`}
	for key := range all[loraConfig] {
		switch value, isRead := read[key]; {
		case isRead:
			a, err := parseAdapter("x", []byte(`{"`+key+`": `+value+`}`))
			require.NoError(t, err, key)
			assert.NotEqual(t, plain, a, key)
		case slices.Contains(inert, key):
			a, err := parseAdapter("x", []byte(`{"`+key+`": ["other"]}`))
			require.NoError(t, err, key)
			assert.Equal(t, plain, a, key)
		default:
			require.Contains(t, refused, key, "LoraConfig has a key that no test knows")
			_, err := parseAdapter("x", []byte(`{"`+key+`": ["other"]}`))
			assert.ErrorContains(t, err, key)
		}
	}
}

// What PEFT's merge gives for DoRA, LoHa, LoKr and the patterns of a configuration.
// Both sides sum some dozens of products in f32.
func TestKinds(t *testing.T) {
	const tolerance = 2e-6
	c, err := weights.Open("../../golden/checkpoints/lora/kinds.safetensors")
	require.NoError(t, err)
	defer c.Close()
	cases := map[string]*Layer{}
	for _, name := range c.Names() {
		of, rest, _ := strings.Cut(name, "/")
		key, role := roleOf(rest)
		if role == "" {
			continue
		}
		if cases[of] == nil {
			cases[of] = newLayer(key)
		}
		tensor, _ := c.Tensor(name)
		require.NoError(t, cases[of].take(role, tensor))
	}
	require.Len(t, cases, 10)
	for name, l := range cases {
		config := strings.Replace(c.Metadata()[name], `"alpha"`, `"lora_alpha"`, 1) // as the other kinds call it
		a, err := parseAdapter(name, []byte(config))
		require.NoError(t, err)
		require.NoError(t, adapters{"": a}.apply(l))
		d, err := l.Delta(1)
		require.NoError(t, err, name)
		before, _ := c.Tensor(name + "/weight")
		after, _ := c.Tensor(name + "/merged")
		require.True(t, d.Fits(before.Shape), "%s: %v", name, d.Shape())
		got, want := make([]float32, before.Len()), make([]float32, after.Len())
		require.NoError(t, before.Float32s(got))
		require.NoError(t, after.Float32s(want))
		require.True(t, d.add(got), name)
		worst, largest := 0.0, 0.0
		for i, w := range want {
			worst, largest = max(worst, math.Abs(float64(got[i]-w))), max(largest, math.Abs(float64(w)))
		}
		assert.Less(t, worst, tolerance*largest, name)
	}
}
