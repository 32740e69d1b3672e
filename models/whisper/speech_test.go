package whisper

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const multilingual = `{"decoder_start_token_id": 1, "lang_to_id": {"<|en|>": 2, "<|ko|>": 4}, "task_to_id": {"transcribe": 5, "translate": 6},
	"no_timestamps_token_id": 7, "is_multilingual": true}`

// What a checkpoint can't do is refused by name.
func TestSpeechRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"condition_on_prev_tokens": true}`:       "generation_config.json: condition_on_prev_tokens is set, which is not supported",
		`{"logprob_threshold": -1}`:                "logprob_threshold is set",
		`{"compression_ratio_threshold": 2.4}`:     "compression_ratio_threshold is set",
		`{"no_speech_threshold": 0.6}`:             "no_speech_threshold is set",
		`{"max_initial_timestamp_index": -1}`:      "max_initial_timestamp_index is -1; expected 0 to",
		`{"lang_to_id": 3}`:                        "lang_to_id is 3",
		`{"forced_decoder_ids": [[1, 2], [3, 4]]}`: "forced_decoder_ids: found no token of place 2",
	} {
		_, err := ParseSpeech([]byte(config), []byte(`{}`))
		assert.ErrorContains(t, err, want)
	}
	s, err := ParseSpeech([]byte(multilingual), []byte(`{}`))
	require.NoError(t, err)
	for want, ask := range map[string]Ask{
		`language "klingon" is not one of the model's 2, which are en, ko`: {Language: "klingon"},
		`language "french" is not one of the model's 2`:                    {Language: "french"},
		`task "summarise" is unknown; transcribe and translate are known`:  {Task: "summarise"},
	} {
		_, err := s.start(ask)
		assert.ErrorContains(t, err, want)
	}
	s.English = true
	_, err = s.start(Ask{Language: "en"})
	assert.ErrorContains(t, err, "the model knows English alone")
	s, err = ParseSpeech([]byte(`{}`), []byte(`{}`))
	require.NoError(t, err)
	_, err = s.start(Ask{Language: "en"})
	assert.ErrorContains(t, err, "has no lang_to_id")
	_, err = s.start(Ask{Task: "translate"})
	assert.ErrorContains(t, err, "has no task_to_id")
}

// Without generation_config.json the config's keys count.
func TestSpeechOfConfig(t *testing.T) {
	s, err := ParseSpeech(nil, []byte(`{"decoder_start_token_id": 9, "forced_decoder_ids": [[1, null], [2, 5]]}`))
	require.NoError(t, err)
	got, err := s.start(Ask{})
	require.NoError(t, err)
	assert.Equal(t, []uint32{9, 5}, known(got), "there is no language to find out")
	s, err = ParseSpeech([]byte(`{}`), []byte(`{"forced_decoder_ids": [[1, 4]]}`))
	require.NoError(t, err)
	assert.Equal(t, uint32(50257), s.Start)
	assert.Len(t, s.Forced, 1)
}

// known are tokens with 0 for one that is to be found out.
func known(ids []*uint32) []uint32 {
	all := make([]uint32, len(ids))
	for i, id := range ids {
		all[i] = or(id, 0)
	}
	return all
}

func TestStart(t *testing.T) {
	s, err := ParseSpeech([]byte(multilingual), []byte(`{}`))
	require.NoError(t, err)
	five, seven := uint32(5), uint32(7)
	for _, c := range []struct {
		ask    Ask
		forced []*uint32
		want   []uint32
	}{
		{Ask{}, nil, []uint32{1, 0, 7}},
		{Ask{Times: true}, nil, []uint32{1, 0}},
		{Ask{Language: "Korean"}, nil, []uint32{1, 4, 5, 7}},
		{Ask{Language: "ko", Times: true}, nil, []uint32{1, 4, 5}},
		{Ask{Language: "<|EN|>", Task: "translate"}, nil, []uint32{1, 2, 6, 7}},
		{Ask{Task: "translate"}, nil, []uint32{1, 0, 6, 7}},
		{Ask{}, []*uint32{nil, &five}, []uint32{1, 0, 5, 7}},
		{Ask{}, []*uint32{nil, &five, &seven}, []uint32{1, 0, 5, 7}},
		{Ask{Times: true}, []*uint32{nil, &five, &seven}, []uint32{1, 0, 5}},
		{Ask{Language: "en"}, []*uint32{nil, &five, &seven}, []uint32{1, 2, 5, 7}},
	} {
		s.Forced = c.forced
		got, err := s.start(c.ask)
		require.NoError(t, err)
		assert.Equal(t, c.want, known(got), c.ask)
	}
}

func TestSegments(t *testing.T) {
	w := window{seek: 100, frames: 50}
	for _, c := range []struct {
		tokens  []uint32
		ends    [][2]float64
		advance int
	}{
		{nil, [][2]float64{{1, 1.5}}, 50},
		{[]uint32{5, 6}, [][2]float64{{1, 1.5}}, 50},
		{[]uint32{90, 5, 100}, [][2]float64{{1, 1.2}}, 50},
		{[]uint32{90, 5, 90}, [][2]float64{{1, 1.5}}, 50},
		{[]uint32{90, 5, 100, 100, 6, 110}, [][2]float64{{1, 1.2}, {1.2, 1.4}}, 50},
		{[]uint32{90, 5, 100, 100, 6, 110, 110}, [][2]float64{{1, 1.2}, {1.2, 1.4}}, 40},
		{[]uint32{90, 5, 100, 100, 6}, [][2]float64{{1, 1.2}}, 20},
		{[]uint32{90, 90}, [][2]float64{{1, 1}}, 0},
		{[]uint32{5, 100, 100, 6}, [][2]float64{{-0.7, 1.2}}, 20},
	} {
		got, advance := w.segments(c.tokens, 90)
		assert.Equal(t, c.advance, advance, c.tokens)
		require.Len(t, got, len(c.ends), c.tokens)
		for i, ends := range c.ends {
			assert.InDelta(t, ends[0], got[i].Start, 1e-9, c.tokens)
			assert.InDelta(t, ends[1], got[i].End, 1e-9, c.tokens)
		}
	}
}
