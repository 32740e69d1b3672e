package whisper

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of transformers' config and feature extractor with their
// defaults; golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// inert are keys that change nothing of an inference: scale_embedding the class does not
// look at either, masks and weighted sums are of training and of other heads. What is
// suppressed the class takes from generation_config.json alone.
var inert = append([]string{
	"id2label", "problem_type", "use_cache", "dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop", "init_std",
	"scale_embedding", "bos_token_id", "suppress_tokens", "begin_suppress_tokens", "use_weighted_layer_sum", "classifier_proj_size", "apply_spec_augment",
	"mask_time_prob", "mask_time_length", "mask_time_min_masks", "mask_feature_prob", "mask_feature_length", "mask_feature_min_masks", "median_filter_width",
}, checkpoint.CommonInert...)

// Describe finds the configuration of a checkpoint, config.json of WhisperConfig, and
// shows its tensors under this package's names.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	src = weights.StripPrefix(src, "model")
	if !checkpoint.Has(src, tokens) || !checkpoint.Has(src, "encoder.conv1.weight") {
		return Config{}, nil, checkpoint.Unknown(src, "Whisper", "no model.encoder.conv1.weight beside model.decoder.embed_tokens.weight (transformers)")
	}
	c, err := parse(config)
	if err != nil {
		return Config{}, nil, err
	}
	if src, err = tied(src); err != nil {
		return Config{}, nil, err
	}
	if src, err = unbiased(src); err != nil {
		return Config{}, nil, err
	}
	return c, weights.Rename(rows(src, "encoder.conv1.weight", "encoder.conv2.weight"), names), nil
}

// The tokens' embeddings and the head, which is tied to them.
const (
	tokens = "decoder.embed_tokens.weight"
	head   = "proj_out.weight"
)

// tied shows the embeddings of tokens as the head too, which files lack.
func tied(src weights.Source) (weights.Source, error) {
	t, ok := src.Tensor(tokens)
	if own, there := src.Tensor(head); there && ok && !bytes.Equal(own.Bytes(), t.Bytes()) {
		return nil, fmt.Errorf("the checkpoint's %s is not what it is tied to, %s; expected equal values", head, tokens)
	}
	t.Name = head
	return weights.With(src, t), nil
}

// unbiased shows a bias of zeros of each layer of keys, which has none, so that it joins
// those of the queries and values.
func unbiased(src weights.Source) (weights.Source, error) {
	var zeros []*weights.Tensor
	for _, name := range src.Names() {
		path, ok := strings.CutSuffix(name, ".q_proj.bias")
		if !ok {
			continue
		}
		bias := path + ".k_proj.bias"
		if checkpoint.Has(src, bias) {
			return nil, fmt.Errorf("the checkpoint has %s; expected keys without a bias, as WhisperForConditionalGeneration has them", bias)
		}
		t, _ := src.Tensor(name)
		t.Name, t.Origin, t.Data = bias, "no tensor, zeros", make([]byte, len(t.Bytes()))
		zeros = append(zeros, t)
	}
	return weights.With(src, zeros...), nil
}

// rows shows the weights of convolutions along a line, [Out, In, K], as those of one row,
// [Out, In, 1, K].
func rows(src weights.Source, names ...string) weights.Source {
	var all []*weights.Tensor
	for _, name := range names {
		if t, ok := src.Tensor(name); ok && len(t.Shape) == 3 {
			t.Shape = []int{t.Shape[0], t.Shape[1], 1, t.Shape[2]}
			all = append(all, t)
		}
	}
	return weights.With(src, all...)
}

// file is config.json.
type file struct {
	Vocab        int             `json:"vocab_size"`
	Bins         int             `json:"num_mel_bins"`
	Width        int             `json:"d_model"`
	EncoderDepth int             `json:"encoder_layers"`
	EncoderHeads int             `json:"encoder_attention_heads"`
	EncoderMLP   int             `json:"encoder_ffn_dim"`
	DecoderDepth int             `json:"decoder_layers"`
	DecoderHeads int             `json:"decoder_attention_heads"`
	DecoderMLP   int             `json:"decoder_ffn_dim"`
	Act          string          `json:"activation_function"`
	States       int             `json:"max_source_positions"`
	Length       int             `json:"max_target_positions"`
	Start        int             `json:"decoder_start_token_id"`
	Pad          *int            `json:"pad_token_id"`
	End          json.RawMessage `json:"eos_token_id"`
	Tied         bool            `json:"tie_word_embeddings"`
}

// parse reads config.json.
func parse(config []byte) (Config, error) {
	if config == nil {
		return Config{}, fmt.Errorf("there is no config.json beside the checkpoint, which tells the number of heads; give the folder that holds both")
	}
	var named struct {
		ModelType string `json:"model_type"`
	}
	if err := checkpoint.Decode("config.json", config, &named); err != nil {
		return Config{}, err
	}
	if named.ModelType != "" && named.ModelType != "whisper" {
		return Config{}, fmt.Errorf("config.json is of a model of type %q; whisper is expected", named.ModelType)
	}
	var f file
	if err := signatures.Decode("config.json", "WhisperConfig", config, &f, inert...); err != nil {
		return Config{}, err
	}
	act, err := ops.ActivationByName(f.Act)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: activation_function: %w", err)
	}
	if !f.Tied {
		return Config{}, fmt.Errorf("config.json: tie_word_embeddings is false; a head of its own is not supported")
	}
	c := Config{Bins: f.Bins, States: f.States, Vocab: f.Vocab, Length: f.Length, EncoderDepth: f.EncoderDepth, DecoderDepth: f.DecoderDepth, Start: f.Start}
	if c.End, err = tokenIDs(f.End); err != nil {
		return Config{}, fmt.Errorf("config.json: eos_token_id is %s; expected a token id or a list of them", checkpoint.Shown(f.End))
	}
	switch {
	case f.Pad != nil:
		c.Pad = *f.Pad
	case len(c.End) > 0:
		c.Pad = c.End[0]
	}
	return c.sized(f.Width, f.EncoderHeads, f.EncoderMLP, f.DecoderHeads, f.DecoderMLP, act), nil
}

// tokenIDs reads one id, several, or null.
func tokenIDs(v json.RawMessage) ([]int, error) {
	var one *int
	if json.Unmarshal(v, &one) == nil {
		if one == nil {
			return nil, nil
		}
		return []int{*one}, nil
	}
	var all []int
	err := json.Unmarshal(v, &all)
	return all, err
}
