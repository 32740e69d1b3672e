package generate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
)

// A config.json tells what a generation_config.json would: its own keys go before its
// decoder's.
func TestParseModelConfig(t *testing.T) {
	c, err := ParseModelConfig([]byte(`{"max_length": 64, "num_beams": 4, "no_repeat_ngram_size": 3, "length_penalty": 2.0, "early_stopping": true, "eos_token_id": null, "pad_token_id": 5,
		"encoder": {"num_beams": 7}, "decoder": {"max_length": 20, "num_beams": 1, "repetition_penalty": 1.2, "bad_words_ids": null, "typical_p": 1.0, "decoder_start_token_id": 3, "eos_token_id": 2, "bos_token_id": 0}}`))
	require.NoError(t, err)
	two, three, five := 2.0, uint32(3), uint32(5)
	assert.Equal(t, Config{MaxLength: 64, Beams: 4, NoRepeat: 3, Length: &two, Early: EarlyAtOnce, Repetition: 1.2, Temperature: 1, TopP: 1, Start: &three, End: checkpoint.IDs{2}, Pad: &five}, c)

	c, err = ParseModelConfig([]byte(`{"text_config": {"bos_token_id": 4}, "decoder": null}`))
	require.NoError(t, err)
	assert.Equal(t, uint32(4), *c.Start, "without a start")
	_, err = ParseModelConfig([]byte(`{"decoder": {"num_beam_groups": 2}}`))
	require.ErrorContains(t, err, "config.json: num_beam_groups is 2")
	_, err = ParseModelConfig([]byte(`{"decoder": {"max_length": "x"}}`))
	require.ErrorContains(t, err, `config.json: max_length is "x"`)
	_, err = ParseModelConfig([]byte(`[]`))
	require.ErrorContains(t, err, "expected an object")
}

// A text begins with the start token, once.
func TestBegin(t *testing.T) {
	start := uint32(6)
	g := New(nil, &nn.Decoder{Start: []uint32{3}}, Config{})
	assert.Equal(t, []uint32{3}, g.Begin(nil))
	assert.Equal(t, []uint32{3, 4, 3}, g.Begin([]uint32{4, 3}))
	assert.Equal(t, []uint32{3, 4}, g.Begin([]uint32{3, 4}))
	g = New(nil, &nn.Decoder{Start: []uint32{3}}, Config{Start: &start})
	assert.Equal(t, []uint32{6, 3}, g.Begin([]uint32{3}))
	assert.Equal(t, []uint32{6}, g.Start())
	g = New(nil, &nn.Decoder{Start: []uint32{3}, Begin: func([]uint32) []uint32 { return []uint32{9} }}, Config{Start: &start})
	assert.Equal(t, []uint32{3}, g.Start(), "the config's is for those that begin by it")
	assert.Equal(t, []uint32{9}, g.Begin([]uint32{3}))
}
