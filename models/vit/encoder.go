package vit

import (
	"fmt"

	"saccade/weights"
)

// EncoderConfig is that of a ViTModel or DeiTModel within another model, by its own part
// of config.json: without heads and pooler.
func EncoderConfig(config []byte) (Config, error) {
	h, kind, err := parseTransformers(config)
	if err != nil {
		return Config{}, err
	}
	if kind != "" && kind != "vit" && kind != "deit" {
		return Config{}, fmt.Errorf("config.json: model_type is %q; expected vit or deit, others are not supported", kind)
	}
	c, err := h.config()
	if c.Placed = 1; kind == "deit" {
		c.Distilled, c.Placed = true, 2
	}
	return c, err
}

// BackboneConfig is that of a Dinov2Backbone within another model, by its own part of
// config.json, with the checkpoint's layer scales, which are below a prefix, folded in.
func BackboneConfig(src weights.Source, config []byte) (Config, weights.Source, error) {
	h, kind, err := parseTransformers(config)
	if err != nil {
		return Config{}, nil, err
	}
	if kind != "dinov2" {
		return Config{}, nil, fmt.Errorf("config.json: backbone_config is of type %q; dinov2 is supported", kind)
	}
	c, err := dinov2Config(h, false)
	if err != nil {
		return Config{}, nil, err
	}
	src, err = c.foldScales(src, transformersScales)
	c.Pooled, c.Placed = false, 1
	return c, src, err
}

// EncoderNames bring transformers' names of its parameters, below the prefix from, to
// this package's below to.
func EncoderNames(from, to string) []weights.Rule {
	rules := []weights.Rule{{From: from + "pooler.**", To: ""}} // nobody reads what it gives
	for _, r := range transformersNames {
		if r.To != "" {
			r.To = to + r.To
		}
		rules = append(rules, weights.Rule{From: from + r.From, To: r.To})
	}
	return rules
}
