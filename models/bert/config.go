package bert

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/transformer"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' classes with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of the states of an inference.
var inert = append([]string{
	"id2label", "problem_type", "initializer_range", "use_cache", "classifier_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob",
	"dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout", "bos_token_id", "eos_token_id", "tie_word_embeddings",
	"sinusoidal_pos_embds", // the file has the positions' table
}, checkpoint.CommonInert...)

// Config is what an encoder's size depends on, and how its positions are counted.
type Config struct {
	TextConfig
	// First is the position of the first token. Where it is more than none the token
	// before it is padding, wherever it stands, and its position that number: RoBERTa's.
	First int
}

// tokens is how many tokens the positions are enough for.
func (c Config) tokens() int { return c.Length - c.First }

// classes are transformers' configs by the model_type of config.json.
var classes = map[string]string{
	"bert": "BertConfig", "roberta": "RobertaConfig", "xlm-roberta": "XLMRobertaConfig", "camembert": "CamembertConfig", "distilbert": "DistilBertConfig",
}

const words = "embeddings.word_embeddings.weight"

// Describe finds the configuration of a checkpoint, by its tensors and config.json of one
// of the classes, and shows its tensors under this package's names, below text.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	src = weights.StripPrefix(src, "bert", "roberta", "distilbert")
	if !checkpoint.Has(src, words) {
		return Config{}, nil, checkpoint.Unknown(src, "text encoder", "no "+words+" (transformers' BertModel, RobertaModel, XLMRobertaModel, DistilBertModel)")
	}
	for _, name := range src.Names() {
		if head, _, _ := strings.Cut(name, "."); slices.Contains([]string{"classifier", "pre_classifier", "qa_outputs", "classification_head"}, head) {
			return Config{}, nil, fmt.Errorf("the checkpoint has %s: it classifies texts or answers; expected the base class, whose states are embeddings", weights.Printable(name))
		}
	}
	if config == nil {
		return Config{}, nil, fmt.Errorf("there is no config.json beside the checkpoint, which tells the kind of positions and the number of heads; give the folder that holds both")
	}
	c, distilled, err := parse(config)
	if err != nil {
		return c, nil, err
	}
	rules := append(Names("", "text."), headless...)
	if distilled {
		rules = append(slices.Clone(distilNames), rules...)
	}
	return c, weights.Rename(weights.Rename(src, oldNames), rules), nil
}

// header is what the configs of BERT and RoBERTa tell.
type header struct {
	Width   int     `json:"hidden_size"`
	MLP     int     `json:"intermediate_size"`
	Depth   int     `json:"num_hidden_layers"`
	Heads   int     `json:"num_attention_heads"`
	Act     string  `json:"hidden_act"`
	Eps     float64 `json:"layer_norm_eps"`
	Vocab   int     `json:"vocab_size"`
	Length  int     `json:"max_position_embeddings"`
	Types   int     `json:"type_vocab_size"`
	Pad     *int    `json:"pad_token_id"`
	Decoder bool    `json:"is_decoder"`
	Crosses bool    `json:"add_cross_attention"`
}

// distilHeader is DistilBERT's.
type distilHeader struct {
	Width  int    `json:"dim"`
	MLP    int    `json:"hidden_dim"`
	Depth  int    `json:"n_layers"`
	Heads  int    `json:"n_heads"`
	Act    string `json:"activation"`
	Vocab  int    `json:"vocab_size"`
	Length int    `json:"max_position_embeddings"`
	Pad    *int   `json:"pad_token_id"`
}

// parse reads a config.json.
func parse(config []byte) (c Config, distilled bool, err error) {
	var named struct {
		ModelType string `json:"model_type"`
		Positions string `json:"position_embedding_type"`
	}
	if err := checkpoint.Decode("config.json", config, &named); err != nil {
		return c, false, err
	}
	class, ok := classes[named.ModelType]
	switch {
	case !ok:
		return c, false, fmt.Errorf("config.json is of a model of type %q; bert, roberta, xlm-roberta, camembert and distilbert are expected", named.ModelType)
	case named.Positions != "" && named.Positions != "absolute":
		return c, false, fmt.Errorf("config.json: position_embedding_type is %q; absolute is supported alone", named.Positions)
	}
	distilled = class == "DistilBertConfig"
	c, err = parseClass(class, config)
	return c, distilled, err
}

// parseClass reads the config of a class.
func parseClass(class string, config []byte) (c Config, err error) {
	h := header{Eps: 1e-12}
	if class == "DistilBertConfig" {
		d := distilHeader{}
		err = signatures.Decode("config.json", class, config, &d, inert...)
		h.Width, h.MLP, h.Depth, h.Heads, h.Act, h.Vocab, h.Length, h.Pad = d.Width, d.MLP, d.Depth, d.Heads, d.Act, d.Vocab, d.Length, d.Pad
	} else {
		err = signatures.Decode("config.json", class, config, &h, inert...)
	}
	if err != nil {
		return c, err
	}
	if h.Decoder || h.Crosses {
		return c, fmt.Errorf("config.json: is_decoder is %t and add_cross_attention %t; expected false, decoders are not supported", h.Decoder, h.Crosses)
	}
	act, err := ops.ActivationByName(h.Act)
	if err != nil {
		return c, fmt.Errorf("config.json: the activation: %w", err)
	}
	c.TextConfig = TextConfig{
		Layer: transformer.LayerConfig{Width: h.Width, Heads: h.Heads, MLP: h.MLP, Act: act, Eps: h.Eps, Post: true},
		Depth: h.Depth, Vocab: h.Vocab, Length: h.Length, Types: h.Types,
	}
	if class == "BertConfig" || class == "DistilBertConfig" {
		return c, c.check()
	}
	if h.Pad == nil || *h.Pad < 0 || *h.Pad >= h.Length-1 {
		return c, fmt.Errorf("config.json: pad_token_id is %s; the positions begin behind it, so that it must be less than their %d", shownID(h.Pad), h.Length)
	}
	c.First = *h.Pad + 1
	return c, c.check()
}

func shownID(id *int) string {
	text, err := json.Marshal(id)
	if err != nil {
		return "?"
	}
	return string(text)
}
