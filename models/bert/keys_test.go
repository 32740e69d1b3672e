package bert

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/models/nn"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"hidden_size": `96`, "intermediate_size": `99`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"vocab_size": `500`, "max_position_embeddings": `9`, "type_vocab_size": `7`, "pad_token_id": `6`, "is_decoder": `true`, "add_cross_attention": `true`,
	"dim": `96`, "hidden_dim": `99`, "n_layers": `3`, "n_heads": `6`, "activation": `"relu"`,
}

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	for _, class := range classes {
		quiet := inert
		if class == "BertConfig" || class == "DistilBertConfig" { // whose padding has a position of its own
			quiet = append([]string{"pad_token_id"}, inert...)
		}
		modeltest.EveryKey(t, signatures, class, alternatives, quiet, func(config []byte) (any, error) {
			return parseClass(class, config)
		})
	}
}

func TestConfigsThatAreRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                      `config.json is of a model of type ""; bert, roberta`,
		`{"model_type": "mpnet"}`: `type "mpnet"`,
		`{"model_type": "bert", "position_embedding_type": "relative_key"}`: "position_embedding_type",
		`{"model_type": "roberta", "pad_token_id": null}`:                   "pad_token_id is null",
		`{"model_type": "bert", "num_attention_heads": 5}`:                  "is not a multiple of its 5 attention heads",
		`{"model_type": "bert", "vocab_size": 0}`:                           "vocab_size is 0",
	} {
		_, _, err := parse([]byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

// Positions of RoBERTa begin behind that of padding, which is not counted.
func TestPositions(t *testing.T) {
	ids := map[string]nn.Array{nn.InputIDs: {Shape: []int{2, 5}, Data: []float32{0, 1, 7, 8, 9, 0, 7, 9, 1, 1}}}
	m := &Sentence{Config: Config{First: 2}}
	got, err := m.Positions(ids)
	require.NoError(t, err)
	assert.Equal(t, []float32{2, 1, 3, 4, 5, 2, 3, 4, 1, 1}, got.Data)
	got, err = (&Sentence{}).Positions(ids)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}, got.Data)
}

const three = `[{"path":"","type":"sentence_transformers.models.Transformer"},{"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},{"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]`

func folder(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{"modules.json": {Data: []byte(three)}, "1_Pooling/config.json": {Data: []byte(`{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}`)}}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fsys
}

func TestModules(t *testing.T) {
	c := Config{TextConfig: TextConfig{Layer: layer(36), Length: 514}, First: 2}
	r, _, err := readModules(nil, c)
	require.NoError(t, err)
	assert.Equal(t, Reading{Pooling: MeanPooling, Most: 512}, r)
	r, _, err = readModules(folder("sentence_bert_config.json", `{"max_seq_length": 128, "do_lower_case": true}`,
		"config_sentence_transformers.json", `{"prompts": {"query": "q: ", "passage": "p: ", "web": "w: "}, "default_prompt_name": "web"}`), c)
	require.NoError(t, err)
	assert.Equal(t, Reading{Pooling: MeanPooling, Most: 128, Lower: true, Steps: []StepConfig{{Normalize: true}}, Prompts: nn.Prompts{Query: "q: ", Document: "p: ", Any: "w: "}}, r)
	r, _, err = readModules(folder("tokenizer_config.json", `{"model_max_length": 1000000000000000019884624838656}`), c)
	require.NoError(t, err)
	assert.Equal(t, 512, r.Most)
	r, _, err = readModules(folder("1_Pooling/config.json", `{"pooling_mode": "cls", "embedding_dimension": 36, "include_prompt": true}`, "tokenizer_config.json", `{"model_max_length": 77}`), c)
	require.NoError(t, err)
	assert.Equal(t, ClassPooling, r.Pooling)
	assert.Equal(t, 77, r.Most)
}

func TestModulesThatAreRefused(t *testing.T) {
	dense := func(more string) []string {
		return []string{"modules.json", three[:len(three)-1] + `,{"path":"3_Dense","type":"sentence_transformers.models.Dense"}]`, "3_Dense/config.json", more}
	}
	for want, files := range map[string][]string{
		"modules.json: unexpected end":                          {"modules.json", `[`},
		"there is no Pooling":                                   {"modules.json", `[{"path":"","type":"a.Transformer"}]`},
		"the first is a a.CLIPModel":                            {"modules.json", `[{"path":"","type":"a.CLIPModel"}]`},
		"a a.Dense before the pooling":                          {"modules.json", `[{"path":"","type":"a.Transformer"},{"path":"x","type":"a.Dense"}]`},
		"there is no 9_Pooling/config.json":                     {"modules.json", `[{"path":"","type":"a.Transformer"},{"path":"9_Pooling","type":"a.Pooling"}]`},
		"modules.json: LSTM is not supported":                   {"modules.json", three[:len(three)-1] + `,{"path":"3","type":"a.LSTM"}]`},
		"the pooling is mean, weightedmean":                     {"1_Pooling/config.json", `{"pooling_mode_mean_tokens": true, "pooling_mode_weightedmean_tokens": true}`},
		"the pooling is lasttoken":                              {"1_Pooling/config.json", `{"pooling_mode": "lasttoken"}`},
		"include_prompt is false":                               {"1_Pooling/config.json", `{"include_prompt": false}`},
		"word_embedding_dimension is 7":                         {"1_Pooling/config.json", `{"word_embedding_dimension": 7}`},
		"max_seq_length is 2":                                   {"sentence_bert_config.json", `{"max_seq_length": 2}`},
		"query_length is 32":                                    {"sentence_bert_config.json", `{"query_length": 32}`},
		`transformer_task is "fill-mask"`:                       {"sentence_bert_config.json", `{"transformer_task": "fill-mask"}`},
		`default_prompt_name is "web"`:                          {"config_sentence_transformers.json", `{"default_prompt_name": "web"}`},
		"truncate_dim is 8":                                     {"config_sentence_transformers.json", `{"truncate_dim": 8}`},
		"activation_function is torch.nn.Weird":                 dense(`{"in_features": 36, "out_features": 5, "activation_function": "torch.nn.Weird"}`),
		"found 7 to 5 features; expected 36":                    dense(`{"in_features": 7, "out_features": 5}`),
		"module 3_Dense: open checkpoint: the folder holds no ": dense(`{"in_features": 36, "out_features": 5}`),
	} {
		_, _, err := readModules(folder(files...), Config{TextConfig: TextConfig{Layer: layer(36), Length: 512}})
		assert.ErrorContains(t, err, want)
	}
}

// Heads of classes would be left out of what is compared, so they are refused.
func TestClassifiersAreRefused(t *testing.T) {
	var tensors []*weights.Tensor
	for _, name := range []string{"bert." + words, "classifier.weight"} {
		x, err := weights.FromFloat32s(name, []float32{1}, 1, 1)
		require.NoError(t, err)
		tensors = append(tensors, x)
	}
	_, _, err := Describe(weights.With(none{}, tensors...), []byte(`{"model_type": "bert"}`))
	assert.ErrorContains(t, err, "classifier.weight: it classifies")
}

// none is a checkpoint of no tensors.
type none struct{}

func (none) Names() []string                       { return nil }
func (none) Tensor(string) (*weights.Tensor, bool) { return nil, false }
