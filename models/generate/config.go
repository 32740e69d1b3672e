package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"saccade/models/internal/checkpoint"
)

// Config is how tokens are chosen: generation_config.json of transformers, whose
// defaults its zero value has.
type Config struct {
	MaxLength   int // tokens, those that a text begins with among them; 0: see MaxTokens
	MaxTokens   int // without them; 0: MaxLength, or where that is 0 too, DefaultTokens
	MinLength   int
	MinTokens   int // in place of MinLength
	Beams       int // 0 and 1: none
	Early       Early
	Sample      bool
	Temperature float64 // 0: one
	TopK        *int    // nil: DefaultTopK; 0: all
	TopP, MinP  float64 // 0: all
	Repetition  float64 // penalty on tokens that are there; 0: none
	Length      *float64
	NoRepeat    int // the size of n-grams that are not repeated; 0: any may be
	Suppress    []uint32
	First       []uint32 // tokens that are suppressed as the first
	ForcedFirst *uint32  // behind a start of one token
	ForcedLast  []uint32 // at the greatest length
	Start       *uint32  // without decoder_start_token_id bos_token_id
	End         []uint32
	Pad         *uint32
	Rule        *Rule // more bans, or nil
}

// DefaultTokens is how many tokens are written where nothing is said of it, DefaultTopK
// of how many the next is drawn.
const (
	DefaultTokens = 20
	DefaultTopK   = 50
)

// Early says when a search by beams ends.
type Early int

// The ways: transformers' early_stopping.
const (
	EarlyByScore Early = iota // false: when what goes on seems not to become better
	EarlyAtOnce               // true: when as many texts as beams have ended
	EarlyNever                // "never": when what goes on can't become better
)

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Early) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "false", "null":
		*e = EarlyByScore
	case "true":
		*e = EarlyAtOnce
	case `"never"`:
		*e = EarlyNever
	default:
		return fmt.Errorf("early_stopping %s", data)
	}
	return nil
}

// Expected says what is read, for the errors of [checkpoint.Decode].
func (*Early) Expected() string { return `true, false or "never"` }

// file is generation_config.json. Null is an absent key.
type file struct {
	MaxLength   *int           `json:"max_length"`
	MaxTokens   *int           `json:"max_new_tokens"`
	MinLength   *int           `json:"min_length"`
	MinTokens   *int           `json:"min_new_tokens"`
	Beams       *int           `json:"num_beams"`
	Early       Early          `json:"early_stopping"`
	Sample      *bool          `json:"do_sample"`
	Temperature *float64       `json:"temperature"`
	TopK        *int           `json:"top_k"`
	TopP        *float64       `json:"top_p"`
	MinP        *float64       `json:"min_p"`
	Repetition  *float64       `json:"repetition_penalty"`
	Length      *float64       `json:"length_penalty"`
	NoRepeat    *int           `json:"no_repeat_ngram_size"`
	Suppress    []uint32       `json:"suppress_tokens"`
	First       []uint32       `json:"begin_suppress_tokens"`
	ForcedFirst *uint32        `json:"forced_bos_token_id"`
	ForcedLast  checkpoint.IDs `json:"forced_eos_token_id"`
	Start       *uint32        `json:"decoder_start_token_id"`
	Begin       *uint32        `json:"bos_token_id"`
	End         checkpoint.IDs `json:"eos_token_id"`
	Pad         *uint32        `json:"pad_token_id"`
}

// refused are keys of the library that change what is written and are not supported,
// with the value that changes nothing ("": null alone).
var refused = map[string]string{
	"typical_p": "1.0", "epsilon_cutoff": "0.0", "eta_cutoff": "0.0", "top_h": "", "encoder_repetition_penalty": "1.0", "bad_words_ids": "", "force_words_ids": "",
	"renormalize_logits": "false", "remove_invalid_values": "false", "exponential_decay_length_penalty": "", "sequence_bias": "", "token_healing": "false",
	"guidance_scale": "1.0", "watermarking_config": "", "num_return_sequences": "1", "encoder_no_repeat_ngram_size": "0", "num_beam_groups": "1", "diversity_penalty": "0.0",
	"constraints": "", "penalty_alpha": "0.0", "dola_layers": "", "stop_strings": "", "max_time": "", "low_memory": "false",
}

// ParseConfig reads generation_config.json. Keys that the library has not, such as
// those of one kind of model, are passed over.
func ParseConfig(data []byte) (Config, error) { return parse("generation_config.json", data) }

// ParseModelConfig reads a model's config.json, which says it where there is no
// generation_config.json: its own keys, and those of its decoder that it leaves open.
func ParseModelConfig(data []byte) (Config, error) {
	const name = "config.json"
	var nested struct {
		Decoder   json.RawMessage `json:"decoder"`
		Generator json.RawMessage `json:"generator"`
		Text      json.RawMessage `json:"text_config"`
	}
	if err := checkpoint.Decode(name, data, &nested); err != nil {
		return Config{}, err
	}
	keys := map[string]json.RawMessage{}
	for _, part := range []json.RawMessage{nested.Decoder, nested.Generator, nested.Text} {
		if json.Unmarshal(part, &keys) == nil && len(keys) > 0 {
			break
		}
	}
	var own map[string]json.RawMessage
	if err := json.Unmarshal(data, &own); err != nil {
		return Config{}, err
	}
	maps.DeleteFunc(own, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	maps.Copy(keys, own)
	merged, err := checkpoint.Object(keys)
	if err != nil {
		return Config{}, err
	}
	return parse(name, merged)
}

func parse(name string, data []byte) (Config, error) {
	var f file
	if err := checkpoint.Decode(name, data, &f); err != nil {
		return Config{}, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return Config{}, err
	}
	for _, key := range slices.Sorted(maps.Keys(refused)) {
		if value, ok := keys[key]; ok && !neutral(value, refused[key]) {
			return Config{}, fmt.Errorf("%s: %s is %s, which is not supported; without the key the texts are others than the checkpoint's authors mean", name, key, checkpoint.Shown(value))
		}
	}
	c := Config{
		MaxLength: or(f.MaxLength, 0), MaxTokens: or(f.MaxTokens, 0), MinLength: or(f.MinLength, 0), MinTokens: or(f.MinTokens, 0),
		Beams: or(f.Beams, 1), Early: f.Early, Sample: or(f.Sample, false), Temperature: or(f.Temperature, 1), TopK: f.TopK, TopP: or(f.TopP, 1), MinP: or(f.MinP, 0),
		Repetition: or(f.Repetition, 1), Length: f.Length, NoRepeat: or(f.NoRepeat, 0), Suppress: f.Suppress, First: f.First,
		ForcedFirst: f.ForcedFirst, ForcedLast: f.ForcedLast, Start: f.Start, End: f.End, Pad: f.Pad,
	}
	if c.Start == nil {
		c.Start = f.Begin
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// neutral says that a value of a key is null or what changes nothing, as numbers go.
func neutral(value json.RawMessage, unchanged string) bool {
	var v, u any
	if json.Unmarshal(value, &v) != nil || v == nil {
		return v == nil
	}
	return unchanged != "" && json.Unmarshal([]byte(unchanged), &u) == nil && u == v
}

func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// most bounds lengths.
const most = 1 << 20

// check refuses values that have no meaning, with their names.
func (c Config) check() error {
	for name, v := range map[string]int{"max_length": c.MaxLength, "max_new_tokens": c.MaxTokens, "min_length": c.MinLength, "min_new_tokens": c.MinTokens, "no_repeat_ngram_size": c.NoRepeat, "top_k": or(c.TopK, 0)} {
		if v < 0 || v > most {
			return fmt.Errorf("%s is %d; expected 0 to %d", name, v, most)
		}
	}
	positive := func(v float64) bool { return v >= 0 && v < math.Inf(1) }
	switch {
	case c.Beams < 0 || c.Beams > maxBeams:
		return fmt.Errorf("num_beams is %d; expected at most %d", c.Beams, maxBeams)
	case c.Beams > 1 && c.Sample:
		return fmt.Errorf("do_sample with num_beams %d, sampling by beams, is not supported; expected one of them", c.Beams)
	case !positive(c.Temperature) || !positive(c.Repetition):
		return fmt.Errorf("temperature is %g and repetition_penalty %g; expected positive numbers", c.Temperature, c.Repetition)
	case !(c.TopP >= 0 && c.TopP <= 1) || !(c.MinP >= 0 && c.MinP <= 1):
		return fmt.Errorf("top_p is %g and min_p %g; expected 0 to 1", c.TopP, c.MinP)
	}
	return nil
}

// maxBeams is as many as [ops.Reorder] takes.
const maxBeams = 16

// lengths are the least and the greatest length of a text that begins with so many
// tokens, in a context of so many.
func (c Config) lengths(begun, context int) (least, greatest int) {
	greatest = c.MaxLength
	switch {
	case c.MaxTokens > 0:
		greatest = begun + c.MaxTokens
	case greatest == 0:
		greatest = begun + DefaultTokens
	}
	if least = c.MinLength; c.MinTokens > 0 {
		least = begun + c.MinTokens
	}
	return least, min(greatest, context)
}
