package sounds

import (
	"errors"
	"fmt"
	"io/fs"

	"saccade/models/ast"
	"saccade/models/clap"
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/sound"
	"saccade/weights"
)

// Family is the networks.
var Family = nn.Family{
	Name:          "sound",
	About:         "what sounds are: AST by classes, CLAP by texts",
	Embedded:      "ast",
	Weights:       "a folder or hub id of transformers (ASTForAudioClassification, ASTModel, ClapModel)",
	Architectures: []string{"ast_base", "clap_htsat", "clap_htsat_fused"},
	Attention:     true,
	Sounds:        true,
	Texts:         true,
	Describe:      describe,
	Standard:      standard,
}

func describe(in nn.Checkpoint) (*nn.Description, error) {
	const spectrogram, dual = "audio-spectrogram-transformer", "clap"
	kind, err := checkpoint.ModelType(in.Config, "network of sounds", spectrogram, dual)
	switch {
	case err != nil:
		return nil, err
	case kind == dual:
		return describeCLAP(in)
	}
	return describeAST(in)
}

// preprocessor reads preprocessor_config.json, nil if it is not there.
func preprocessor(files fs.FS) ([]byte, error) {
	if files == nil {
		return nil, nil
	}
	data, err := weights.ReadFile(files, "preprocessor_config.json", weights.ConfigLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func describeAST(in nn.Checkpoint) (*nn.Description, error) {
	c, named, err := ast.Describe(in.Tensors, in.Config)
	if err != nil {
		return nil, err
	}
	data, err := preprocessor(in.Files)
	if err != nil {
		return nil, err
	}
	f, err := ast.ParseFeatures(data, c)
	if err != nil {
		return nil, err
	}
	return &nn.Description{Tensors: named, Make: c.Layers, Labels: c.Labels, Scores: c.Scores,
		Sounds: &nn.Sounds{Rate: sound.FbankRate, About: fmt.Sprintf("%+v", f), Features: f.Of, Spectrogram: c.Spectrogram()}}, nil
}

func describeCLAP(in nn.Checkpoint) (*nn.Description, error) {
	c, named, err := clap.Describe(in.Tensors, in.Config)
	if err != nil {
		return nil, err
	}
	data, err := preprocessor(in.Files)
	if err != nil {
		return nil, err
	}
	f, err := clap.ParseFeatures(data, c.Audio)
	if err != nil {
		return nil, err
	}
	return &nn.Description{Tensors: named, Make: c.Layers, Sounds: &nn.Sounds{Rate: f.Rate, About: fmt.Sprintf("%+v", f), Features: f.Of}}, nil
}

func standard(name string) (nn.Make, error) {
	if name == "ast_base" {
		return nn.StandardOf(ast.Standard)(name)
	}
	return nn.StandardOf(clap.Standard)(name)
}
