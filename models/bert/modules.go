package bert

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// Reading is what sentence-transformers does before and behind the encoder.
type Reading struct {
	Pooling Pooling
	Steps   []StepConfig
	Most    int  // tokens of a text, the rest of which is cut off
	Lower   bool // texts are written in small letters first
	Prompts nn.Prompts
}

// files are those of sentence-transformers in a folder that may come from a hub; paths of
// modules are what its versions write.
var files = []string{
	"modules.json?", "sentence_bert_config.json?", "config_sentence_transformers.json?", "1_Pooling/config.json?",
	"2_Dense/config.json?", "2_Dense/model.safetensors|2_Dense/pytorch_model.bin?", "3_Dense/config.json?", "3_Dense/model.safetensors|3_Dense/pytorch_model.bin?",
	"2_LayerNorm/config.json?", "2_LayerNorm/model.safetensors|2_LayerNorm/pytorch_model.bin?",
}

// readModules reads what a folder says of sentence-transformers, and gives the tensors
// of its layers under this package's names. Without its files, or without a folder, it is what that
// library does of a folder of transformers: mean pooling.
func readModules(fsys fs.FS, c Config) (r Reading, layers []*weights.Tensor, err error) {
	r = Reading{Pooling: MeanPooling, Most: c.tokens()}
	if fsys == nil {
		return r, nil, nil
	}
	if err := r.limits(fsys); err != nil {
		return r, nil, err
	}
	var modules []struct{ Path, Type string }
	if found, err := readJSON(fsys, "modules.json", &modules); err != nil || !found {
		return r, nil, err
	}
	width, pooled := c.Layer.Width, false
	for i, m := range modules {
		kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]
		switch {
		case i == 0 && kind == "Transformer" && m.Path == "":
		case i == 0:
			return r, nil, fmt.Errorf("modules.json: the first is a %s in folder %q; expected a Transformer in the folder itself", weights.Printable(m.Type), weights.Printable(m.Path))
		case kind == "Pooling" && !pooled:
			pooled = true
			err = r.pooling(fsys, path.Join(m.Path, "config.json"), width)
		case pooled:
			var some []*weights.Tensor
			some, width, err = r.step(fsys, kind, m.Path, width)
			layers = append(layers, some...)
		default:
			err = fmt.Errorf("modules.json: there is a %s before the pooling; that is not supported", weights.Printable(m.Type))
		}
		if err != nil {
			return r, nil, err
		}
	}
	if !pooled {
		return r, nil, errors.New("modules.json: there is no Pooling, so that a text has no vector")
	}
	return r, layers, nil
}

// limits reads how long texts may be and what is put before them.
func (r *Reading) limits(fsys fs.FS) error {
	var own struct {
		Most     *int            `json:"max_seq_length"`
		Lower    bool            `json:"do_lower_case"`
		Task     string          `json:"transformer_task"`
		Modality json.RawMessage `json:"modality_config"`
		Output   string          `json:"module_output_name"`
		Query    json.RawMessage `json:"query_length"`
		Document json.RawMessage `json:"document_length"`
		Expand   json.RawMessage `json:"query_expansion"`
		Process  map[string]struct {
			Most *int `json:"max_length"`
		} `json:"processing_kwargs"`
	}
	if _, err := readJSON(fsys, "sentence_bert_config.json", &own); err != nil {
		return err
	}
	for key, value := range map[string]json.RawMessage{"query_length": own.Query, "document_length": own.Document, "query_expansion": own.Expand} {
		if len(value) > 0 && string(value) != "null" {
			return fmt.Errorf("sentence_bert_config.json: %s is %s; vectors of several tokens are not supported", key, checkpoint.Shown(value))
		}
	}
	if own.Task != "" && own.Task != "feature-extraction" {
		return fmt.Errorf("sentence_bert_config.json: transformer_task is %q; feature-extraction is expected", own.Task)
	}
	if own.Output != "" && own.Output != "token_embeddings" {
		return fmt.Errorf("sentence_bert_config.json: module_output_name is %q; token_embeddings is expected", own.Output)
	}
	r.Lower = own.Lower
	var tokenizer struct {
		// Most is as great as 1e30 where there is no bound.
		Most *float64 `json:"model_max_length"`
	}
	if _, err := readJSON(fsys, "tokenizer_config.json", &tokenizer); err != nil {
		return err
	}
	for file, most := range map[string]*int{"sentence_bert_config.json: max_seq_length": own.Most, "tokenizer_config.json: model_max_length": whole(tokenizer.Most)} {
		if most != nil && *most < 3 {
			return fmt.Errorf("%s is %d; expected room for a text's first token, last token and one between", file, *most)
		}
	}
	r.Most = min(r.Most, *cmp.Or(own.Most, whole(tokenizer.Most), &r.Most))
	return r.prompts(fsys)
}

// whole is a number as a whole one, nil for none.
func whole(v *float64) *int {
	if v == nil {
		return nil
	}
	n := int(math.Max(math.Min(*v, 1<<30), -1))
	return &n
}

// prompts reads what is put before texts, which is in the vector unless the pooling says
// otherwise.
func (r *Reading) prompts(fsys fs.FS) error {
	var own struct {
		Prompts map[string]string `json:"prompts"`
		Default *string           `json:"default_prompt_name"`
		Cut     *int              `json:"truncate_dim"`
	}
	if _, err := readJSON(fsys, "config_sentence_transformers.json", &own); err != nil {
		return err
	}
	if own.Cut != nil {
		return fmt.Errorf("config_sentence_transformers.json: truncate_dim is %d; cut vectors are not supported", *own.Cut)
	}
	if own.Default != nil {
		text, ok := own.Prompts[*own.Default]
		if !ok {
			return fmt.Errorf("config_sentence_transformers.json: default_prompt_name is %q, which is none of its prompts", *own.Default)
		}
		r.Prompts = nn.Prompts{Any: text, Query: text, Document: text}
	}
	if text, ok := own.Prompts["query"]; ok {
		r.Prompts.Query = text
	}
	for _, name := range []string{"document", "passage", "corpus"} {
		if text, ok := own.Prompts[name]; ok {
			r.Prompts.Document = text
			break
		}
	}
	return nil
}

// older are the keys of poolings before they had one.
var older = map[string]string{
	"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max",
	"pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken",
}

// pooling reads its configuration.
func (r *Reading) pooling(fsys fs.FS, file string, width int) error {
	keys := map[string]json.RawMessage{}
	found, err := readJSON(fsys, file, &keys)
	if err == nil && !found {
		err = fmt.Errorf("modules.json names a Pooling, and there is no %s", file)
	}
	if err != nil {
		return err
	}
	var modes []string
	for key, mode := range older {
		if string(keys[key]) == "true" {
			modes = append(modes, mode)
		}
	}
	if one, ok := keys["pooling_mode"]; ok {
		var mode string
		if json.Unmarshal(one, &mode) == nil {
			modes = []string{mode}
		} else if err := json.Unmarshal(one, &modes); err != nil {
			return fmt.Errorf("%s: pooling_mode is %s; expected a text", file, checkpoint.Shown(one))
		}
	}
	slices.Sort(modes)
	if len(modes) == 0 {
		modes = []string{"mean"}
	}
	if len(modes) != 1 || modes[0] != string(MeanPooling) && modes[0] != string(ClassPooling) {
		return fmt.Errorf("%s: the pooling is %s; mean or cls is supported", file, weights.Printable(strings.Join(modes, ", ")))
	}
	if string(keys["include_prompt"]) == "false" {
		return fmt.Errorf("%s: include_prompt is false; prompts outside of the pooling are not supported", file)
	}
	for _, key := range []string{"word_embedding_dimension", "embedding_dimension"} {
		if value, ok := keys[key]; ok && string(value) != fmt.Sprint(width) {
			return fmt.Errorf("%s: %s is %s and the encoder's hidden_size %d; expected equal", file, key, checkpoint.Shown(value), width)
		}
	}
	r.Pooling = Pooling(modes[0])
	return nil
}

// activations are those of dense layers by their class.
var activations = map[string]ops.Activation{
	"torch.nn.modules.activation.Tanh": ops.Tanh, "torch.nn.modules.linear.Identity": ops.Identity, "torch.nn.modules.activation.ReLU": ops.ReLU,
	"torch.nn.modules.activation.GELU": ops.GELU, "torch.nn.modules.activation.SiLU": ops.SiLU, "torch.nn.modules.activation.Sigmoid": ops.Sigmoid,
}

// step reads a module behind the pooling, and gives its tensors and the vector's width
// behind it.
func (r *Reading) step(fsys fs.FS, kind, folder string, width int) ([]*weights.Tensor, int, error) {
	var s StepConfig
	own := struct {
		In    int    `json:"in_features"`
		Out   int    `json:"out_features"`
		Bias  *bool  `json:"bias"`
		Act   string `json:"activation_function"`
		Width int    `json:"dimension"`
		From  string `json:"module_input_name"`
		To    string `json:"module_output_name"`
	}{Act: "torch.nn.modules.activation.Tanh"}
	file := path.Join(folder, "config.json")
	found, err := readJSON(fsys, file, &own)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range []string{own.From, own.To} {
		if name != "" && name != embedding {
			return nil, 0, fmt.Errorf("%s: it works on %s; %s is supported alone", file, weights.Printable(name), embedding)
		}
	}
	layer := ""
	switch kind {
	case "Normalize":
		r.Steps = append(r.Steps, StepConfig{Normalize: true})
		return nil, width, nil
	case "Dropout": // nothing at inference
		return nil, width, nil
	case "Dense":
		act, ok := activations[own.Act]
		if !ok {
			return nil, 0, fmt.Errorf("%s: activation_function is %s; Tanh, Identity, ReLU, GELU, SiLU and Sigmoid of torch.nn are supported", file, weights.Printable(own.Act))
		}
		s = StepConfig{In: own.In, Out: own.Out, Bias: own.Bias == nil || *own.Bias, Act: act}
		layer = "linear"
		if found && (own.In != width || own.Out < 1 || own.Out > 1<<20) {
			return nil, 0, fmt.Errorf("%s: found %d to %d features; expected %d to some", file, own.In, own.Out, width)
		}
		width = own.Out
	case "LayerNorm":
		s, layer = StepConfig{Norm: own.Width}, "norm"
		if found && own.Width != width {
			return nil, 0, fmt.Errorf("%s: dimension is %d; expected %d", file, own.Width, width)
		}
	default:
		return nil, 0, fmt.Errorf("modules.json: %s is not supported; Pooling, Dense, LayerNorm, Dropout and Normalize are", weights.Printable(kind))
	}
	if !found {
		return nil, 0, fmt.Errorf("modules.json names a %s, and there is no %s", kind, file)
	}
	r.Steps = append(r.Steps, s)
	tensors, err := readLayer(fsys, folder, layer, fmt.Sprintf("steps.%d.%s.", len(r.Steps)-1, layer))
	return tensors, width, err
}

// readLayer reads a module's tensors, linear.weight or norm.weight, under the names of
// the step.
func readLayer(fsys fs.FS, folder, layer, prefix string) ([]*weights.Tensor, error) {
	within, err := fs.Sub(fsys, folder)
	if err != nil {
		return nil, err
	}
	name, err := weights.FindFS(within)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", folder, err)
	}
	file, err := weights.OpenFS(within, name)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", folder, err)
	}
	var all []*weights.Tensor
	for _, name := range file.Names() {
		t, _ := file.Tensor(name)
		rest, ok := strings.CutPrefix(name, layer+".")
		if !ok {
			return nil, fmt.Errorf("module %s: found a tensor %s; expected %s.weight and %s.bias", folder, weights.Printable(name), layer, layer)
		}
		t.Name = prefix + rest
		all = append(all, t)
	}
	return all, nil
}

// readJSON reads a file, and says whether it is there.
func readJSON(fsys fs.FS, name string, into any) (bool, error) {
	data, err := weights.ReadFile(fsys, name, weights.ConfigLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}
