package llama

import (
	_ "embed"
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference. Tokens that begin and end a text
// are the owner's business.
var inert = append([]string{
	"id2label", "problem_type", "initializer_range", "use_cache", "pretraining_tp", "attention_dropout", "pad_token_id", "bos_token_id", "eos_token_id", "tie_word_embeddings",
}, checkpoint.CommonInert...)

// defaultTheta is the base of the rotary angles where the config names none.
const defaultTheta = 10000

// header is config.json of LlamaConfig, or what stands of it in another's.
type header struct {
	Type     *string  `json:"model_type"`
	Width    int      `json:"hidden_size"`
	MLP      int      `json:"intermediate_size"`
	Depth    int      `json:"num_hidden_layers"`
	Heads    int      `json:"num_attention_heads"`
	KeyHeads *int     `json:"num_key_value_heads"`
	Head     *int     `json:"head_dim"`
	Act      string   `json:"hidden_act"`
	Eps      float64  `json:"rms_norm_eps"`
	Vocab    int      `json:"vocab_size"`
	Context  int      `json:"max_position_embeddings"`
	QKVBias  bool     `json:"attention_bias"`
	MLPBias  bool     `json:"mlp_bias"`
	Rotary   *rotary  `json:"rope_parameters"`
	Scaling  *rotary  `json:"rope_scaling"` // before transformers 5, with the two below
	Theta    *float64 `json:"rope_theta"`
	Partial  *float64 `json:"partial_rotary_factor"`
}

// rotary says how the angles of positions are made.
type rotary struct {
	Kind    string   `json:"rope_type"`
	OldKind string   `json:"type"`
	Theta   *float64 `json:"rope_theta"`
	Partial *float64 `json:"partial_rotary_factor"`
}

// Expected says what is read, for the errors of [checkpoint.Decode].
func (*rotary) Expected() string { return "an object with rope_type and rope_theta" }

// Parse reads a config of transformers' LlamaConfig. Where names it in errors.
func Parse(where string, config []byte) (Config, error) {
	h := header{}
	if err := signatures.Decode(where, "LlamaConfig", config, &h, inert...); err != nil {
		return Config{}, err
	}
	// What the class takes beside its arguments.
	var more struct {
		Type    *string  `json:"model_type"`
		Scaling *rotary  `json:"rope_scaling"`
		Theta   *float64 `json:"rope_theta"`
		Partial *float64 `json:"partial_rotary_factor"`
	}
	if err := checkpoint.Decode(where, config, &more); err != nil {
		return Config{}, err
	}
	h.Type, h.Scaling, h.Theta, h.Partial = more.Type, more.Scaling, more.Theta, more.Partial
	c, err := h.config()
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", where, err)
	}
	return c, nil
}

func (h *header) config() (Config, error) {
	if h.Type != nil && *h.Type != "" && *h.Type != "llama" {
		return Config{}, fmt.Errorf("model_type is %q; llama is expected", *h.Type)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return Config{}, fmt.Errorf("hidden_act: %w", err)
	}
	c := Config{
		Width: h.Width, Depth: h.Depth, Heads: h.Heads, KeyHeads: h.Heads, MLP: h.MLP, Act: act, Eps: h.Eps, Vocab: h.Vocab, Context: h.Context,
		QKVBias: h.QKVBias, MLPBias: h.MLPBias,
	}
	if h.KeyHeads != nil {
		c.KeyHeads = *h.KeyHeads
	}
	if h.Heads > 0 {
		c.Head = h.Width / h.Heads
	}
	if h.Head != nil {
		c.Head = *h.Head
	}
	if c.Theta, err = h.theta(); err != nil {
		return Config{}, err
	}
	return c, c.check()
}

// theta is the base of the angles. Ways to stretch them to longer texts are refused.
func (h *header) theta() (float64, error) {
	theta := float64(defaultTheta)
	if h.Theta != nil {
		theta = *h.Theta
	}
	partial := h.Partial
	for name, r := range map[string]*rotary{"rope_scaling": h.Scaling, "rope_parameters": h.Rotary} {
		if r == nil {
			continue
		}
		kind := r.Kind
		if kind == "" {
			kind = r.OldKind
		}
		if kind != "" && kind != "default" {
			return 0, fmt.Errorf("%s: rope_type is %q, which is not supported; default is", name, kind)
		}
		if r.Theta != nil {
			theta = *r.Theta
		}
		if r.Partial != nil {
			partial = r.Partial
		}
	}
	if partial != nil && *partial != 1 {
		return 0, fmt.Errorf("partial_rotary_factor is %g, which is not supported; 1 is", *partial)
	}
	if !(theta > 0) {
		return 0, fmt.Errorf("rope_theta is %g; it must be positive", theta)
	}
	return theta, nil
}

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{
		"hidden_size": c.Width, "intermediate_size": c.MLP, "num_hidden_layers": c.Depth, "num_attention_heads": c.Heads, "num_key_value_heads": c.KeyHeads,
		"head_dim": c.Head, "vocab_size": c.Vocab, "max_position_embeddings": c.Context,
	} {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("%s is %d; it must be positive", name, v)
		}
	}
	switch {
	case c.Width%c.Heads != 0:
		return fmt.Errorf("hidden_size %d is not a multiple of its %d attention heads", c.Width, c.Heads)
	case c.Heads%c.KeyHeads != 0:
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KeyHeads)
	case c.Head%2 != 0:
		return fmt.Errorf("head_dim is %d; rotary positions turn pairs, expected an even number", c.Head)
	case c.Context > (1<<28)/c.Head:
		return fmt.Errorf("max_position_embeddings is %d; a table of as many rotary angles is too large", c.Context)
	case !(c.Eps >= 0):
		return fmt.Errorf("rms_norm_eps is %g; it must not be negative", c.Eps)
	}
	return nil
}

// Specials are the tokens that end a text by a config of LlamaConfig, and what fills it,
// an end if it names none.
func Specials(where string, config []byte) (end []uint32, pad uint32, err error) {
	var h struct {
		End checkpoint.IDs `json:"eos_token_id"`
		Pad *uint32        `json:"pad_token_id"`
	}
	if err := signatures.Decode(where, "LlamaConfig", config, &h); err != nil {
		return nil, 0, err
	}
	switch {
	case h.Pad != nil:
		pad = *h.Pad
	case len(h.End) > 0:
		pad = h.End[0]
	}
	return h.End, pad, nil
}

// Names bring transformers' names below a prefix, such as "model.", to those of a model
// below another, such as "text.". The head's is not among them.
func Names(from, to string) []weights.Rule {
	layer, own := from+"layers.*.", to+"layers.*."
	return []weights.Rule{
		{From: from + "embed_tokens.weight", To: to + "tokens.weight"},
		{From: from + "norm.weight", To: to + "norm.weight"},
		{From: layer + "input_layernorm.weight", To: own + "norm1.weight"},
		{From: layer + "self_attn.q_proj.*", To: own + "attn.qkv.*#0"},
		{From: layer + "self_attn.k_proj.*", To: own + "attn.qkv.*#1"},
		{From: layer + "self_attn.v_proj.*", To: own + "attn.qkv.*#2"},
		{From: layer + "self_attn.o_proj.*", To: own + "attn.proj.*"},
		{From: layer + "self_attn.rotary_emb.inv_freq", To: ""},
		{From: layer + "post_attention_layernorm.weight", To: own + "norm2.weight"},
		{From: layer + "mlp.gate_proj.*", To: own + "mlp.fc1.*#0"},
		{From: layer + "mlp.up_proj.*", To: own + "mlp.fc1.*#1"},
		{From: layer + "mlp.down_proj.*", To: own + "mlp.fc2.*"},
	}
}

// Standard is SmolLM 135M, the language model of SmolVLM 256M, with its vocabulary as it
// was published alone.
func Standard() Config {
	return Config{Width: 576, Depth: 30, Heads: 9, KeyHeads: 3, Head: 64, MLP: 1536, Act: ops.SiLU, Eps: 1e-5, Theta: 10000, Vocab: 49152, Context: 2048}
}
