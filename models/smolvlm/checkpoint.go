package smolvlm

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/llama"
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

// inert are keys that change nothing of an inference.
var inert = append([]string{"id2label", "problem_type", "initializer_range", "use_cache", "attention_dropout"}, checkpoint.CommonInert...)

// classes are the library's, by the model_type of config.json.
var classes = map[string]string{"idefics3": "Idefics3", "smolvlm": "SmolVLM"}

const (
	embeddings = "model.text_model.embed_tokens.weight"
	positions  = "model.vision_model.embeddings.position_embedding.weight"
	head       = "lm_head.weight"
)

// Describe finds the configuration of a checkpoint, by config.json of Idefics3Config or
// SmolVLMConfig, and shows its tensors under this package's names.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	for _, name := range []string{embeddings, positions} {
		if !checkpoint.Has(src, name) {
			return Config{}, nil, checkpoint.Unknown(src, "SmolVLM", "no "+name+" (transformers)")
		}
	}
	h, err := parse(config)
	if err != nil {
		return Config{}, nil, err
	}
	c, err := h.config()
	if err != nil {
		return c, nil, err
	}
	if src, err = tied(src, h.Tied); err != nil {
		return c, nil, err
	}
	t, _ := src.Tensor(positions)
	t.Shape = append([]int{1}, t.Shape...)
	return c, weights.Rename(weights.With(src, t), names), nil
}

// tied shows the embeddings as the head's weight too, where config.json says so.
func tied(src weights.Source, said bool) (weights.Source, error) {
	own, has := src.Tensor(head)
	switch {
	case !said && !has:
		return nil, fmt.Errorf("the checkpoint has no %s, and config.json's tie_word_embeddings is false; expected one of them otherwise", head)
	case !said:
		return src, nil
	}
	t, _ := src.Tensor(embeddings)
	if has && !bytes.Equal(own.Bytes(), t.Bytes()) {
		return nil, fmt.Errorf("the checkpoint's %s is not what config.json's tie_word_embeddings says it is tied to, %s; expected equal values", head, embeddings)
	}
	t.Name = head
	return weights.With(src, t), nil
}

// header is config.json.
type header struct {
	Text       json.RawMessage `json:"text_config"`
	Vision     json.RawMessage `json:"vision_config"`
	Scale      int             `json:"scale_factor"`
	ImageToken uint32          `json:"image_token_id"`
	Tied       bool            `json:"tie_word_embeddings"`

	class string
}

func parse(config []byte) (h header, err error) {
	if config == nil {
		return h, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	var named struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", config, &named); err != nil {
		return h, err
	}
	var ok bool
	if h.class, ok = classes[named.ModelType]; !ok {
		return h, fmt.Errorf("config.json is of a model of type %q; idefics3 or smolvlm is expected", named.ModelType)
	}
	err = signatures.Decode("config.json", h.class+"Config", config, &h, inert...)
	return h, err
}

// absent says that a nested config is not there.
func absent(config json.RawMessage) bool { return len(config) == 0 || string(config) == "null" }

func (h *header) config() (Config, error) {
	vision, err := h.vision()
	if err != nil {
		return Config{}, err
	}
	nested := h.Text
	if absent(nested) { // the class's own, whose norms have another eps than Llama's
		nested = json.RawMessage(`{"rms_norm_eps": 1e-5}`)
	}
	text, err := llama.Parse("config.json: text_config", nested)
	if err != nil {
		return Config{}, err
	}
	c := Config{Vision: vision, Text: text, Scale: h.Scale, ImageToken: h.ImageToken, KeepsEmpty: h.class == "SmolVLM"}
	c.End, c.Pad, err = llama.Specials("config.json: text_config", nested)
	return c, err
}

// vision reads vision_config.
func (h *header) vision() (vit.Config, error) {
	var t struct {
		Width    int             `json:"hidden_size"`
		MLP      int             `json:"intermediate_size"`
		Depth    int             `json:"num_hidden_layers"`
		Heads    int             `json:"num_attention_heads"`
		Channels int             `json:"num_channels"`
		Image    checkpoint.Pair `json:"image_size"`
		Patch    checkpoint.Pair `json:"patch_size"`
		Act      string          `json:"hidden_act"`
		Eps      float64         `json:"layer_norm_eps"`
	}
	nested := h.Vision
	if absent(nested) {
		nested = json.RawMessage("{}")
	}
	if err := signatures.Decode("config.json: vision_config", h.class+"VisionConfig", nested, &t, inert...); err != nil {
		return vit.Config{}, err
	}
	if t.Image[0] != t.Image[1] || t.Patch[0] != t.Patch[1] {
		return vit.Config{}, fmt.Errorf("config.json: vision_config: image_size is %v and patch_size %v; expected squares, which the class makes", t.Image, t.Patch)
	}
	act, err := ops.ActivationByName(t.Act)
	if err != nil {
		return vit.Config{}, fmt.Errorf("config.json: vision_config: hidden_act: %w", err)
	}
	return vit.Config{
		Image: t.Image, Patch: t.Patch, Channels: t.Channels, Width: t.Width, Depth: t.Depth, Heads: t.Heads, MLP: t.MLP, Act: act, Eps: t.Eps,
		QKVBias: true, NoClass: true, Buckets: true,
	}, nil
}
