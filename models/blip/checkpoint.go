package blip

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"saccade/models/bert"
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

// inert are keys that change nothing of an inference: of the text, the width of what the
// cross-attention reads is the image's whatever stands there, and BLIP ends at
// sep_token_id.
var inert = append([]string{
	"id2label", "problem_type", "initializer_range", "initializer_factor", "logit_scale_init_value", "projection_dim", "label_smoothing", "use_cache",
	"attention_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "encoder_hidden_size", "eos_token_id",
}, checkpoint.CommonInert...)

// Describe finds the configuration of a checkpoint, by its tensors and config.json of
// BlipConfig, and shows its tensors under this package's names.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	c := Config{}
	switch {
	case checkpoint.Has(src, "itm_head.weight"):
		c.Task = Match
	case checkpoint.Has(src, "text_encoder.embeddings.word_embeddings.weight") && checkpoint.Has(src, decoderTokens):
		c.Task = Answer
	case checkpoint.Has(src, decoderTokens):
	default:
		return c, nil, checkpoint.Unknown(src, "BLIP", "neither text_decoder.bert.embeddings.word_embeddings.weight nor itm_head.weight (transformers)")
	}
	h, err := parse(config)
	if err != nil {
		return c, nil, err
	}
	if c.Vision, err = h.vision(); err != nil {
		return c, nil, err
	}
	if c.Text, err = h.text(c.Vision.Width); err != nil {
		return c, nil, err
	}
	if c.Shared = h.Shared; c.Task != Match {
		if src, err = tied(src); err != nil {
			return c, nil, err
		}
	}
	return c, weights.Rename(src, names), nil
}

const (
	decoderTokens = "text_decoder.bert.embeddings.word_embeddings.weight"
	head          = "text_decoder.cls.predictions."
)

// tied shows the decoder's token embeddings as the head's weight too, and the head's own
// bias as its layer's: files of transformers may lack both.
func tied(src weights.Source) (weights.Source, error) {
	var ties []*weights.Tensor
	for from, to := range map[string]string{decoderTokens: head + "decoder.weight", head + "bias": head + "decoder.bias"} {
		t, ok := src.Tensor(from)
		if !ok {
			return nil, fmt.Errorf("the checkpoint has no %s, to which %s is tied", from, to)
		}
		if own, ok := src.Tensor(to); ok && !bytes.Equal(own.Bytes(), t.Bytes()) {
			return nil, fmt.Errorf("the checkpoint's %s is not what it is tied to, %s; expected equal values", to, from)
		}
		t.Name = to
		ties = append(ties, t)
	}
	return weights.With(src, ties...), nil
}

// header is config.json of BlipConfig.
type header struct {
	Text   json.RawMessage `json:"text_config"`
	Vision json.RawMessage `json:"vision_config"`
	Shared int             `json:"image_text_hidden_size"`
	Tied   bool            `json:"tie_word_embeddings"`
}

func parse(config []byte) (h header, err error) {
	if config == nil {
		return h, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	if err := signatures.Decode("config.json", "BlipConfig", config, &h, inert...); err != nil {
		return h, err
	}
	var named struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", config, &named); err != nil {
		return h, err
	}
	if named.ModelType != "" && named.ModelType != "blip" {
		return h, fmt.Errorf("config.json is of a model of type %q; blip is expected", named.ModelType)
	}
	if !h.Tied {
		return h, fmt.Errorf("config.json: tie_word_embeddings is false; a head of its own is not supported")
	}
	return h, nil
}

// tower is the part of both nested configurations that is alike.
type tower struct {
	Width int     `json:"hidden_size"`
	MLP   int     `json:"intermediate_size"`
	Depth int     `json:"num_hidden_layers"`
	Heads int     `json:"num_attention_heads"`
	Act   string  `json:"hidden_act"`
	Eps   float64 `json:"layer_norm_eps"`
}

// readTower reads the nested configuration of a class.
func readTower(name, class string, nested json.RawMessage, into any) error {
	if len(nested) == 0 || string(nested) == "null" {
		nested = json.RawMessage("{}")
	}
	return signatures.Decode("config.json: "+name, class, nested, into, inert...)
}

func (t *tower) act(name string) (ops.Activation, error) {
	act, err := ops.ActivationByName(t.Act)
	if err != nil {
		return act, fmt.Errorf("config.json: %s: hidden_act: %w", name, err)
	}
	return act, nil
}

// vision reads vision_config.
func (h *header) vision() (vit.Config, error) {
	var t struct {
		tower
		Image checkpoint.Pair `json:"image_size"`
		Patch checkpoint.Pair `json:"patch_size"`
	}
	if err := readTower("vision_config", "BlipVisionConfig", h.Vision, &t); err != nil {
		return vit.Config{}, err
	}
	if t.Image[0] != t.Image[1] || t.Patch[0] != t.Patch[1] {
		return vit.Config{}, fmt.Errorf("config.json: vision_config: image_size is %v and patch_size %v; expected squares, which the class makes", t.Image, t.Patch)
	}
	act, err := t.act("vision_config")
	return vit.Config{
		Image: t.Image, Patch: t.Patch, Channels: 3, Width: t.Width, Depth: t.Depth, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps, QKVBias: true, Placed: 1,
	}, err
}

// published are the sizes of the text layers of all published checkpoints. They have
// heads of 64, but configs saved by versions whose class has another default may lack
// their number.
var published = tower{Width: 768, MLP: 3072, Depth: 12, Heads: 12}

// text reads text_config of layers that read tokens of so many values.
func (h *header) text(vision int) (TextConfig, error) {
	var t struct {
		tower
		Vocab   int  `json:"vocab_size"`
		Length  int  `json:"max_position_embeddings"`
		Start   int  `json:"bos_token_id"`
		End     int  `json:"sep_token_id"`
		Pad     int  `json:"pad_token_id"`
		Decoder bool `json:"is_decoder"`
		Tied    bool `json:"tie_word_embeddings"`
	}
	if err := readTower("text_config", "BlipTextConfig", h.Text, &t); err != nil {
		return TextConfig{}, err
	}
	switch {
	case !t.Decoder || !t.Tied:
		return TextConfig{}, fmt.Errorf("config.json: text_config: is_decoder is %t and tie_word_embeddings %t; expected true, others are not supported", t.Decoder, t.Tied)
	case t.Width == published.Width && t.MLP == published.MLP && t.Depth == published.Depth && t.Heads != published.Heads:
		return TextConfig{}, fmt.Errorf("config.json: text_config: num_attention_heads is %d, by the config or the class's default; layers of the published sizes have %d (heads of 64): with others the answers are quietly worse; correct the config", t.Heads, published.Heads)
	}
	act, err := t.act("text_config")
	return TextConfig{
		TextConfig: bert.TextConfig{
			Layer: transformer.LayerConfig{Width: t.Width, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps, Post: true, Cross: vision},
			Depth: t.Depth, Vocab: t.Vocab, Length: t.Length,
		},
		Start: t.Start, End: t.End, Pad: t.Pad,
	}, err
}

// check refuses what no network can be made of.
func (c Config) check() error {
	t := c.Text
	for name, v := range map[string]int{
		"hidden_size": t.Layer.Width, "intermediate_size": t.Layer.MLP, "num_hidden_layers": t.Depth, "num_attention_heads": t.Layer.Heads,
		"vocab_size": t.Vocab, "max_position_embeddings": t.Length,
	} {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("config.json: text_config: %s is %d; it must be positive", name, v)
		}
	}
	if t.Layer.Width%t.Layer.Heads != 0 {
		return fmt.Errorf("config.json: text_config: hidden_size %d is not a multiple of its %d attention heads", t.Layer.Width, t.Layer.Heads)
	}
	for name, id := range map[string]int{"bos_token_id": t.Start, "sep_token_id": t.End, "pad_token_id": t.Pad} {
		if id < 0 || id >= t.Vocab {
			return fmt.Errorf("config.json: text_config: %s is %d; the vocabulary has %d tokens", name, id, t.Vocab)
		}
	}
	if c.Task == Answer && t.Layer.Width != c.Vision.Width {
		return fmt.Errorf("config.json: hidden_size is %d in text_config and %d in vision_config; answers' layers read both, expected equal", t.Layer.Width, c.Vision.Width)
	}
	if c.Task == Match && (c.Shared < 1 || c.Shared > 1<<22) {
		return fmt.Errorf("config.json: image_text_hidden_size is %d; it must be positive", c.Shared)
	}
	return nil
}
