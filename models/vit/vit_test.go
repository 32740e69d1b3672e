package vit

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/modeltest"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"hidden_size": `96`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"image_size": `64`, "patch_size": `8`, "num_channels": `1`, "qkv_bias": `false`, "pooler_output_size": `5`, "pooler_act": `"relu"`, "mlp_ratio": `2`,
	"use_swiglu_ffn": `true`, "num_register_tokens": `2`, "problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
}

// tensors are zeros by name and shape.
func tensors(t *testing.T, shapes map[string][]int) weights.Source {
	t.Helper()
	var all []*weights.Tensor
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, err := weights.FromFloat32s(name, make([]float32, n), shape...)
		require.NoError(t, err)
		all = append(all, x)
	}
	return weights.With(&weights.Checkpoint{}, all...)
}

// Every key of transformers' configs of vision transformers is read, inert or refused:
// in the network, in its pooler, or in its head.
func TestEveryKeyOfTransformers(t *testing.T) {
	for kind, class := range transformersClasses {
		if kind == "" {
			continue
		}
		modeltest.EveryKey(t, signatures, class, alternatives, transformersInert, func(config []byte) (any, error) {
			text := append([]byte(`{"model_type": "`+kind+`", `), config[1:]...)
			if string(config) == "{}" {
				text = []byte(`{"model_type": "` + kind + `"}`)
			}
			whole, _, err := Describe(tensors(t, map[string][]int{"vit.embeddings.cls_token": {1, 1, 4}, "pooler.dense.weight": {4, 4}}), text, "")
			if err != nil {
				return nil, err
			}
			rows := 2 * 768 // DINOv2's heads take two tokens
			if kind == "vit" || kind == "deit" {
				rows = 768
			} else if h, _, err := parseTransformers(text); err == nil {
				rows = 2 * h.HiddenSize
			}
			head, _, err := Describe(tensors(t, map[string][]int{"vit.embeddings.cls_token": {1, 1, 4}, "classifier.weight": {2, rows}}), text, "")
			return [2]Config{whole, head}, err
		})
	}
}

// timmAlternatives are other values of the arguments of timm's VisionTransformer.
var timmAlternatives = map[string]string{
	"img_size": `64`, "in_chans": `1`, "global_pool": `"avg"`, "num_heads": `6`, "qkv_bias": `false`, "qk_norm": `true`, "scale_attn_norm": `true`,
	"scale_mlp_norm": `true`, "proj_bias": `false`, "init_values": `1e-5`, "class_token": `false`, "pos_embed": `"none"`, "no_embed_class": `true`,
	"reg_tokens": `3`, "pre_norm": `true`, "final_norm": `false`, "fc_norm": `true`, "pool_include_prefix": `true`, "dynamic_img_pad": `true`,
	"embed_layer": `"HybridEmbed"`, "embed_norm_layer": `"layernorm"`, "norm_layer": `"LayerNorm(eps=0.1)"`, "act_layer": `"relu"`, "block_fn": `"ParallelScalingBlock"`,
	"mlp_layer": `"GluMlp(act_layer=SiLU, gate_last=False)"`, "attn_layer": `"diff"`,
}

// small is a checkpoint with timm's names: the sizes that are read.
func small(t *testing.T) weights.Source {
	return tensors(t, map[string][]int{
		"patch_embed.proj.weight": {12, 3, 16, 16}, "pos_embed": {1, 197, 12}, "blocks.0.norm1.weight": {12}, "blocks.0.attn.qkv.weight": {36, 12},
		"blocks.0.mlp.fc1.weight": {48, 12}, "blocks.0.mlp.fc2.weight": {12, 24}, "head.weight": {5, 12},
	})
}

// Every argument of timm's class is honoured, inert or refused.
func TestEveryKeyOfTimm(t *testing.T) {
	modeltest.EveryKey(t, signatures, "VisionTransformer", timmAlternatives, timmInert, func(config []byte) (any, error) {
		c, _, err := Describe(small(t), []byte(`{"architecture": "vit_base_patch16_224", "model_args": `+string(config)+`}`), "")
		return c, err
	})
}

// The arguments of every named architecture of timm are read or refused by name.
func TestTimmArchitectures(t *testing.T) {
	all, err := timmArchitectures()
	require.NoError(t, err)
	require.Greater(t, len(all), 200)
	known := 0
	for name := range all {
		a, distilled, err := argumentsOf(checkpoint.Timm{Architecture: name + ".tag"})
		require.NoError(t, err, name)
		_, notNorm := a.norm()
		_, notAct := a.act()
		if err := a.refuse(distilled); err != nil || notNorm != nil || notAct != nil {
			continue
		}
		known++
	}
	assert.Equal(t, 179, known)
}

// What the arguments say that the pictures, the tensors or the rest of the config
// contradict is refused, as is what timm does not know.
func TestTimmRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"architecture":"eva02_base_patch14_224"}`:                                                                       `architecture is "eva02_base_patch14_224"; expected one of timm's VisionTransformer`,
		`{"architecture":"vit_base_patch16_224","model_args":{"image":3}}`:                                                "model_args has image, which timm's VisionTransformer does not take",
		`{"architecture":"vit_base_patch16_224","model_args":{"num_heads":"many"}}`:                                       `config.json: model_args: num_heads is "many"; expected a whole number`,
		`{"architecture":"vit_base_patch16_224","model_args":3}`:                                                          `config.json: model_args is 3; expected an object`,
		`{"architecture":"vit_base_patch16_224","global_pool":"avg"}`:                                                     `global_pool is "avg"; by model_args and the architecture vit_base_patch16_224 it is "token"`,
		`{"architecture":"vit_base_patch16_224","model_args":{"global_pool":"map"}}`:                                      `global_pool "map" over patches behind class or register tokens`,
		`{"architecture":"vit_base_patch16_224","model_args":{"norm_layer":"rmsnorm"}}`:                                   `norm_layer is "rmsnorm", which is not supported`,
		`{"architecture":"vit_base_patch16_224","model_args":{"act_layer":"mish"}}`:                                       `act_layer: "mish" is not supported`,
		`{"architecture":"vit_base_patch16_224","pretrained_cfg":{"fixed_input_size":"no"}}`:                              `config.json: pretrained_cfg: fixed_input_size is "no"; expected true or false`,
		`{"architecture":"vit_base_patch16_224","pretrained_cfg":{"label_offset":1}}`:                                     "label_offset is 1, which is not supported",
		`{"architecture":"vit_base_patch16_224","label_names":7}`:                                                         `label_names is 7; expected a list of texts`,
		`{"architecture":"deit_tiny_distilled_patch16_224","model_args":{"global_pool":"avg"}}`:                           `a distilled network of timm has global_pool "avg"`,
		`{"architecture":"vit_base_patch16_224","pretrained_cfg":{"input_size":[3,30,50],"fixed_input_size":true,"x":1}}`: "",
	} {
		_, _, err := Describe(small(t), []byte(config), "")
		if want == "" {
			assert.NoError(t, err, config)
			continue
		}
		assert.ErrorContains(t, err, want, config)
	}
}

// A head is shown as transformers' pipeline shows it.
func TestHeads(t *testing.T) {
	for _, c := range []struct {
		classes int
		config  string
		want    nn.Scores
		err     string
	}{
		{3, `{}`, nn.Softmax, ""}, {1, `{}`, nn.Sigmoid, ""}, {3, `{"problem_type":"multi_label_classification"}`, nn.Sigmoid, ""},
		{1, `{"problem_type":"regression"}`, nn.Plain, ""}, {3, `{"problem_type":"single_label_classification"}`, nn.Softmax, ""},
		{3, `{"problem_type":"ranking"}`, 0, `problem_type is "ranking"; expected regression`},
	} {
		got, _, err := Describe(tensors(t, map[string][]int{"vit.embeddings.cls_token": {1, 1, 4}, "classifier.weight": {c.classes, 768}}), []byte(c.config), "")
		if c.err != "" {
			assert.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, got.Scores, c.config)
	}
}

// A head that somebody put in place of torchvision's is read, and said.
func TestReplacedHead(t *testing.T) {
	shapes := map[string][]int{"class_token": {1, 1, 768}, "conv_proj.weight": {768, 3, 16, 16}, "encoder.pos_embedding": {1, 197, 768}}
	for _, name := range []string{"heads", "heads.head.1"} {
		s := maps.Clone(shapes)
		s[name+".weight"], s[name+".bias"] = []int{7, 768}, []int{7}
		c, src, err := Describe(tensors(t, s), nil, "vit_b_16")
		require.NoError(t, err)
		assert.Equal(t, 7, c.Classes)
		require.Len(t, c.Notes, 1)
		assert.Contains(t, c.Notes[0], "the head is "+name)
		assert.Equal(t, 7, checkpoint.Rows(src, "head.bias"))
	}
}

// A position embedding of another size is that of a square, as timm resamples it.
func TestTimmPicture(t *testing.T) {
	c, _, err := Describe(small(t), []byte(`{"architecture":"vit_base_patch16_224","pretrained_cfg":{"input_size":[3,64,96],"fixed_input_size":true}}`), "")
	require.NoError(t, err)
	assert.Equal(t, [2]int{224, 224}, c.Image)
	assert.Equal(t, [2]int{64, 96}, c.usual())
	assert.Equal(t, ops.GELU, c.Act)
	assert.True(t, json.Valid(timmJSON))
}
