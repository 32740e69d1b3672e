package models

import (
	"strings"

	"saccade/models/clip"
	"saccade/ops"
	"saccade/weights"
	"saccade/zoo"
)

var clipFamily = Family{
	Name:          "clip",
	About:         "pictures and texts compared: CLIP",
	Weights:       "a folder or hub id of transformers (CLIPModel, OpenCLIP's too)",
	architectures: clipArchitectures(),
	embedded:      zoo.CLIP(),
	attention:     true,
	texts:         true,
	open:          openClip,
	standard:      standardClip,
}

var siglipFamily = Family{
	Name:      "siglip",
	About:     "pictures and texts compared: SigLIP",
	Weights:   "a folder or hub id of transformers (SiglipModel)",
	attention: true,
	texts:     true,
	open:      openClip,
}

var textEncoderFamily = Family{
	Name:    "text_encoder",
	About:   "CLIP's text tower alone, a part of diffusion models",
	Weights: "a folder or hub id of transformers (CLIPTextModel, CLIPTextModelWithProjection), or that of a whole pipeline of diffusers, or its single file",
	texts:   true,
	part:    true,
	open: func(b *ops.Builder, src weights.Source, config []byte, _ string) (opened, error) {
		c, named, err := clip.DescribeText(src, config)
		if err != nil {
			return opened{}, err
		}
		t, err := clip.NewText(b, c)
		if err != nil {
			return opened{}, err
		}
		return opened{text: t, layers: t, src: named}, nil
	},
}

func openClip(b *ops.Builder, src weights.Source, config []byte, _ string) (opened, error) {
	c, named, err := clip.Describe(src, config)
	if err != nil {
		return opened{}, err
	}
	m, err := clip.New(b, c)
	if err != nil {
		return opened{}, err
	}
	return opened{net: m.Vision, text: m.Text, pairing: m, layers: m, src: named}, nil
}

// textSuffix ends the name under which bench times a text tower.
const textSuffix = "_text"

// clipArchitectures are the published sizes, each tower on its own.
func clipArchitectures() []string {
	var names []string
	for _, name := range clip.StandardNames() {
		names = append(names, name, name+textSuffix)
	}
	return names
}

func standardClip(b *ops.Builder, name string) (opened, error) {
	tower, text := strings.CutSuffix(name, textSuffix)
	c, _ := clip.Standard(tower)
	m, err := clip.New(b, c)
	if err != nil {
		return opened{}, err
	}
	if text {
		return opened{text: m.Text, layers: m.Text}, nil
	}
	return opened{net: m.Vision}, nil
}
