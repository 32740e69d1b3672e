package trocr

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"encoder": `{"hidden_size": 96}`, "decoder": `{"model_type": "trocr", "vocab_size": 500}`,
	"vocab_size": `500`, "d_model": `96`, "decoder_layers": `3`, "decoder_attention_heads": `4`, "decoder_ffn_dim": `99`, "activation_function": `"relu"`,
	"max_position_embeddings": `9`, "decoder_start_token_id": `4`, "scale_embedding": `true`, "use_learned_position_embeddings": `false`,
	"layernorm_embedding": `false`, "pad_token_id": `5`, "eos_token_id": `[2, 6]`, "cross_attention_hidden_size": `768`, "tie_word_embeddings": `false`,
}

// decoderOnly is config.json of a decoder's keys.
func decoderOnly(t *testing.T, keys []byte) []byte {
	t.Helper()
	d := map[string]json.RawMessage{"model_type": json.RawMessage(`"trocr"`)}
	require.NoError(t, json.Unmarshal(keys, &d))
	text, err := json.Marshal(map[string]any{"decoder": d})
	require.NoError(t, err)
	return text
}

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "VisionEncoderDecoderConfig", alternatives, inert, func(config []byte) (any, error) {
		keys := map[string]json.RawMessage{"decoder": json.RawMessage(`{"model_type": "trocr"}`)}
		if err := json.Unmarshal(config, &keys); err != nil {
			return nil, err
		}
		text, err := json.Marshal(keys)
		if err != nil {
			return nil, err
		}
		return parse(text)
	})
	modeltest.EveryKey(t, signatures, "TrOCRConfig", alternatives, inert, func(config []byte) (any, error) {
		return parse(decoderOnly(t, config))
	})
}

func TestParse(t *testing.T) {
	for config, want := range map[string]string{
		`{"model_type": "trocr"}`:              `is of a model of type "trocr"`,
		`{}`:                                   `decoder: model_type is ""; expected trocr`,
		`{"decoder": {"model_type": "mbart"}}`: `decoder: model_type is "mbart"; expected trocr`,
		`{"encoder": {"model_type": "donut-swin"}, "decoder": {"model_type": "trocr"}}`:                        `type "donut-swin"`,
		`{"encoder": {"model_type": "dinov2"}, "decoder": {"model_type": "trocr"}}`:                            `model_type is "dinov2"; expected vit or deit`,
		`{"decoder": {"model_type": "trocr", "cross_attention_hidden_size": 9}}`:                               `cross_attention_hidden_size is 9; expected the encoder's hidden_size, 768`,
		`{"decoder": {"model_type": "trocr", "hidden_size": 9, "d_model": 8}}`:                                 `d_model is 8 and hidden_size 9`,
		`{"decoder": {"model_type": "trocr", "hidden_size": 0}}`:                                               `d_model is 0`,
		`{"decoder": {"model_type": "trocr", "num_attention_heads": 3}}`:                                       `1024 is not a multiple of its 3`,
		`{"decoder": {"model_type": "trocr", "eos_token_id": [2, 70000]}}`:                                     `eos_token_id is 70000; the vocabulary has 50265`,
		`{"decoder": {"model_type": "trocr", "eos_token_id": "</s>"}}`:                                         `eos_token_id is "</s>"; expected a token id or a list`,
		`{"decoder": {"model_type": "trocr", "activation_function": "x"}}`:                                     `activation_function`,
		`{"decoder": {"model_type": "trocr", "use_learned_position_embeddings": false, "pad_token_id": null}}`: `pad_token_id is null`,
	} {
		_, err := parse([]byte(config))
		require.ErrorContains(t, err, want, config)
		assert.Less(t, len(err.Error()), 200)
	}
	_, err := parse(nil)
	require.ErrorContains(t, err, "no config.json")

	c, err := parse(decoderOnly(t, []byte(`{"num_hidden_layers": 3, "hidden_size": 768, "eos_token_id": null, "pad_token_id": null}`)))
	require.NoError(t, err)
	assert.Equal(t, 3, c.Decoder.Depth)
	assert.False(t, c.Project, "both are 768 wide")
	assert.Empty(t, c.Decoder.End)
	c, err = parse(decoderOnly(t, []byte(`{"pad_token_id": null}`)))
	require.NoError(t, err)
	assert.Equal(t, 2, c.Decoder.Pad, "as eos_token_id")
	assert.True(t, c.Project)
	h, w, ok := c.processor().FixedSize()
	assert.Equal(t, []any{224, 224, true}, []any{h, w, ok}, "the whole image at the encoder's size")
	assert.Equal(t, picture.HalfMean, c.processor().Mean)
}

// tensors are twos by name and shape.
func tensors(t *testing.T, shapes map[string][]int) weights.Source {
	t.Helper()
	var all []*weights.Tensor
	for name, shape := range shapes {
		v := make([]float32, shape[0]*shape[1])
		for i := range v {
			v[i] = 2
		}
		x, err := weights.FromFloat32s(name, v, shape...)
		require.NoError(t, err)
		all = append(all, x)
	}
	return weights.With(&weights.Checkpoint{}, all...)
}

// values are those of a tensor.
func values(t *testing.T, src weights.Source, name string) []float32 {
	t.Helper()
	x, ok := src.Tensor(name)
	require.True(t, ok, name)
	v := make([]float32, x.Len())
	require.NoError(t, x.Float32s(v))
	return v
}

// The head and the embeddings are each other's, and what differs is said. Embeddings
// alone are scaled.
func TestTies(t *testing.T) {
	config := func(more string) []byte {
		return decoderOnly(t, []byte(`{"vocab_size": 9, "d_model": 4, "decoder_attention_heads": 2, "scale_embedding": true`+more+`}`))
	}
	one, both := map[string][]int{tokens: {9, 4}}, map[string][]int{tokens: {9, 4}, head: {9, 4}}
	for _, shapes := range []map[string][]int{one, {head: {9, 4}}, both} {
		_, src, notes, err := Describe(tensors(t, shapes), config(""))
		require.NoError(t, err)
		assert.Empty(t, notes)
		assert.InDelta(t, 4, values(t, src, "tokens.weight")[3], 0)
		assert.InDelta(t, 2, values(t, src, "head.weight")[3], 0)
	}
	other, err := weights.FromFloat32s(head, make([]float32, 36), 9, 4)
	require.NoError(t, err)
	_, src, notes, err := Describe(weights.With(tensors(t, both), other), config(""))
	require.NoError(t, err)
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "tie_word_embeddings")
	assert.Zero(t, values(t, src, "head.weight")[3])

	_, src, _, err = Describe(tensors(t, one), config(`, "tie_word_embeddings": false`))
	require.NoError(t, err)
	_, ok := src.Tensor("head.weight")
	assert.False(t, ok)
	_, _, _, err = Describe(tensors(t, map[string][]int{"decoder.transformer.wte.weight": {9, 4}}), config(""))
	require.ErrorContains(t, err, "no TrOCR that is known")
	_, _, _, err = Describe(tensors(t, one), decoderOnly(t, []byte(`{"use_learned_position_embeddings": false}`)))
	require.ErrorContains(t, err, "token embeddings of width 4")
}

// Positions are counted as the class counts them, with a cache and without.
func TestPlace(t *testing.T) {
	learned, sines := DecoderConfig{Pad: 1}, DecoderConfig{Pad: 1, Sinusoidal: true}
	ids := []uint32{0, 5, 1, 7}
	assert.Equal(t, []uint32{2, 3, 4, 5}, learned.place(ids, 0))
	assert.Equal(t, []uint32{7, 8}, learned.place(ids[2:], 5))
	assert.Equal(t, []uint32{2, 3, 1, 4}, sines.place(ids, 0))
	assert.Equal(t, []uint32{5}, sines.place(ids[3:], 3), "the padding before counts")
	assert.Equal(t, []uint32{1}, sines.place(ids[2:3], 2))
}

// The published sizes have transformers' numbers of parameters, the head's among them.
func TestStandard(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	want := map[string]int{"trocr_small": 61448832, "trocr_base": 384802560}
	require.Len(t, want, len(StandardNames()))
	for name, n := range want {
		c, ok := Standard(name)
		require.True(t, ok)
		b := ops.NewBuilder(d, gpu.F16)
		m, err := New(b, c)
		require.NoError(t, err)
		assert.Equal(t, n, modeltest.Parameters(t, m), name)
		b.Close()
	}
	_, ok := Standard("trocr")
	assert.False(t, ok)
}
