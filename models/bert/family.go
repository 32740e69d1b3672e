package bert

import (
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// Family is the text encoders.
var Family = nn.Family{
	Name:          "text",
	About:         "texts as vectors: BERT, RoBERTa, XLM-R, DistilBERT, and sentence-transformers' folders of them",
	Weights:       "a folder or hub id of transformers or sentence-transformers (BertModel, RobertaModel, XLMRobertaModel, DistilBertModel)",
	Architectures: standardNames(),
	Attention:     true,
	Texts:         true,
	Sentences:     true,
	Files:         files,
	Standard:      standard,
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		c, named, err := Describe(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		r, layers, err := readModules(in.Files, c)
		if err != nil {
			return nil, err
		}
		return &nn.Description{Tensors: weights.With(named, layers...), Make: func(b *ops.Builder) (*nn.Layers, error) { return layersOf(b, c, r) }}, nil
	},
}

// layersOf makes the layers with their network.
func layersOf(b *ops.Builder, c Config, r Reading) (*nn.Layers, error) {
	m, err := New(b, c, r)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{m.network()}}, nil
}
