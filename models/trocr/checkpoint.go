package trocr

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/models/vit"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference. The class has its decoder be one
// whatever is_decoder says, and bos_token_id is the generation config's business.
var inert = append([]string{
	"id2label", "problem_type", "dropout", "attention_dropout", "activation_dropout", "init_std", "decoder_layerdrop", "use_cache", "is_decoder", "bos_token_id",
}, checkpoint.CommonInert...)

// Describe finds the configuration of a checkpoint, by config.json of
// VisionEncoderDecoderConfig, and shows its tensors under this package's names. notes
// are on how it was read.
func Describe(src weights.Source, config []byte) (c Config, named weights.Source, notes []string, err error) {
	if !checkpoint.Has(src, tokens) && !checkpoint.Has(src, head) {
		return c, nil, nil, checkpoint.Unknown(src, "TrOCR", "neither "+tokens+" nor "+head+" (transformers)")
	}
	if c, err = parse(config); err != nil {
		return c, nil, nil, err
	}
	if c.Decoder.Tied {
		src, notes = tied(src)
	}
	if c.Decoder.Scaled {
		if src, err = scaled(src, c.Decoder.Layer.Width); err != nil {
			return c, nil, nil, err
		}
	}
	named = weights.Rename(src, names)
	if c.Decoder.Sinusoidal {
		table, err := c.Decoder.table(checkpoint.Dim(named, "tokens.weight", 1))
		if err != nil {
			return c, nil, nil, err
		}
		named = weights.With(named, table)
	}
	return c, named, notes, nil
}

// tied shows the one of the tokens' embeddings and the head's weight that is there as
// the other too. Where both are there they are taken as they are, as transformers 5
// does.
func tied(src weights.Source) (weights.Source, []string) {
	t, ok := src.Tensor(tokens)
	own, has := src.Tensor(head)
	switch {
	case !ok:
		own.Name = tokens
		return weights.With(src, own), nil
	case !has:
		t.Name = head
		return weights.With(src, t), nil
	case !bytes.Equal(t.Bytes(), own.Bytes()):
		return src, []string{head + " is not the token embeddings, to which tie_word_embeddings ties it; both are taken as they are"}
	}
	return src, nil
}

// scaled shows the tokens' embeddings multiplied by √width.
func scaled(src weights.Source, width int) (weights.Source, error) {
	rows := checkpoint.Rows(src, tokens)
	by, err := weights.FromFloat32s("embed_scale", slices.Repeat([]float32{float32(math.Sqrt(float64(width)))}, rows), rows)
	if err != nil {
		return nil, err
	}
	return weights.ScaleRows(weights.With(src, by), []weights.Rule{{From: by.Name, To: tokens}})
}

// table is the tensor of sinusoidal positions, which no checkpoint holds, beside
// embeddings of that width.
func (d DecoderConfig) table(width int) (*weights.Tensor, error) {
	const most = 1 << 28 // values
	if width != d.Layer.Width || d.positions() > most/width {
		return nil, fmt.Errorf("config.json: decoder: %d sinusoidal positions of width %d do not go with token embeddings of width %d", d.positions(), d.Layer.Width, width)
	}
	return weights.FromFloat32s("positions.weight", d.sinusoids(), d.positions(), width)
}

// parse reads config.json.
func parse(config []byte) (Config, error) {
	if config == nil {
		return Config{}, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	var h struct {
		ModelType string          `json:"model_type"`
		Encoder   json.RawMessage `json:"encoder"`
		Decoder   json.RawMessage `json:"decoder"`
	}
	if err := checkpoint.Decode("config.json", config, &h); err != nil {
		return Config{}, err
	}
	if h.ModelType != "" && h.ModelType != "vision-encoder-decoder" {
		return Config{}, fmt.Errorf("config.json is of a model of type %q; vision-encoder-decoder is expected", h.ModelType)
	}
	encoder, err := vit.EncoderConfig(given(h.Encoder))
	if err != nil {
		return Config{}, fmt.Errorf("encoder: %w", err)
	}
	c := Config{Encoder: encoder}
	if err := c.parseDecoder(given(h.Decoder)); err != nil {
		return Config{}, err
	}
	return c, c.check()
}

// given is a nested config, an empty one if it is absent.
func given(nested json.RawMessage) []byte {
	if len(nested) == 0 || string(nested) == "null" {
		return []byte("{}")
	}
	return nested
}

// ids are one token id or several.
type ids []int

// Expected says what is read, for the errors of [checkpoint.Decode].
func (*ids) Expected() string { return "a token id or a list of them" }

// UnmarshalJSON implements [json.Unmarshaler].
func (x *ids) UnmarshalJSON(data []byte) error {
	var one int
	if string(data) != "null" && json.Unmarshal(data, &one) == nil {
		*x = ids{one}
		return nil
	}
	return json.Unmarshal(data, (*[]int)(x))
}

// decoderKeys is the config of a TrOCRConfig.
type decoderKeys struct {
	Vocab    int    `json:"vocab_size"`
	Width    int    `json:"d_model"`
	Depth    int    `json:"decoder_layers"`
	Heads    int    `json:"decoder_attention_heads"`
	MLP      int    `json:"decoder_ffn_dim"`
	Act      string `json:"activation_function"`
	Length   int    `json:"max_position_embeddings"`
	Start    int    `json:"decoder_start_token_id"`
	Scale    bool   `json:"scale_embedding"`
	Learned  bool   `json:"use_learned_position_embeddings"`
	Norm     bool   `json:"layernorm_embedding"`
	Pad      *int   `json:"pad_token_id"`
	End      ids    `json:"eos_token_id"`
	Cross    *int   `json:"cross_attention_hidden_size"`
	TieWords bool   `json:"tie_word_embeddings"`
}

// aliases are transformers' other names of keys.
var aliases = map[string]string{"hidden_size": "d_model", "num_attention_heads": "decoder_attention_heads", "num_hidden_layers": "decoder_layers"}

// parseDecoder reads the decoder's config.
func (c *Config) parseDecoder(config []byte) error {
	var keys map[string]json.RawMessage
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json: decoder", config, &kind); err != nil {
		return err
	}
	if kind.ModelType != "trocr" {
		return fmt.Errorf("config.json: decoder: model_type is %q; expected trocr, others are not supported", kind.ModelType)
	}
	if err := json.Unmarshal(config, &keys); err != nil {
		return err
	}
	for other, key := range aliases {
		if value, ok := keys[other]; ok {
			if own, both := keys[key]; both && !bytes.Equal(own, value) {
				return fmt.Errorf("config.json: decoder: %s is %s and %s %s, which are one; expected equal", key, checkpoint.Shown(own), other, checkpoint.Shown(value))
			}
			keys[key] = value
		}
	}
	text, err := checkpoint.Object(keys)
	if err != nil {
		return err
	}
	var k decoderKeys
	if err := signatures.Decode("config.json: decoder", "TrOCRConfig", text, &k, inert...); err != nil {
		return err
	}
	return c.setDecoder(k)
}

// eps is that of all norms of the decoder, PyTorch's default.
const eps = 1e-5

// setDecoder takes the decoder's config.
func (c *Config) setDecoder(k decoderKeys) error {
	act, err := ops.ActivationByName(k.Act)
	if err != nil {
		return fmt.Errorf("config.json: decoder: activation_function: %w", err)
	}
	d := DecoderConfig{
		Layer: transformer.LayerConfig{Width: k.Width, Heads: k.Heads, MLP: k.MLP, Act: act, Eps: eps, Post: true, Cross: k.Width},
		Depth: k.Depth, Vocab: k.Vocab, Length: k.Length, Sinusoidal: !k.Learned, Norm: k.Norm, Scaled: k.Scale, Tied: k.TieWords, Start: k.Start, End: k.End,
	}
	switch {
	case k.Pad != nil:
		d.Pad = *k.Pad
	case d.Sinusoidal:
		return fmt.Errorf("config.json: decoder: pad_token_id is null; sinusoidal positions begin behind it")
	case len(d.End) > 0: // as transformers fills texts
		d.Pad = d.End[0]
	}
	switch {
	case k.Cross == nil:
		c.Project = k.Width != c.Encoder.Width
	case *k.Cross != c.Encoder.Width:
		return fmt.Errorf("config.json: decoder: cross_attention_hidden_size is %d; expected the encoder's hidden_size, %d", *k.Cross, c.Encoder.Width)
	default:
		d.Layer.Cross = *k.Cross
	}
	c.Decoder = d
	return nil
}

// check refuses what no decoder can be made of.
func (c Config) check() error {
	d := c.Decoder
	for name, v := range map[string]int{
		"d_model": d.Layer.Width, "decoder_ffn_dim": d.Layer.MLP, "decoder_layers": d.Depth, "decoder_attention_heads": d.Layer.Heads,
		"vocab_size": d.Vocab, "max_position_embeddings": d.Length,
	} {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("config.json: decoder: %s is %d; it must be positive", name, v)
		}
	}
	if d.Layer.Width%d.Layer.Heads != 0 {
		return fmt.Errorf("config.json: decoder: d_model %d is not a multiple of its %d attention heads", d.Layer.Width, d.Layer.Heads)
	}
	if d.Sinusoidal && d.Layer.Width < 4 {
		return fmt.Errorf("config.json: decoder: d_model is %d; sinusoidal positions take 4 at least", d.Layer.Width)
	}
	special := map[string][]int{"decoder_start_token_id": {d.Start}, "pad_token_id": {d.Pad}, "eos_token_id": d.End}
	for name, all := range special {
		for _, id := range all {
			if id < 0 || id >= d.Vocab {
				return fmt.Errorf("config.json: decoder: %s is %d; the vocabulary has %d tokens", name, id, d.Vocab)
			}
		}
	}
	return nil
}
