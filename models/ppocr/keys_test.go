package ppocr

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"backbone_config": `{"model_type": "pp_lcnet_v9"}`, "reduction": `2`, "neck_out_channels": `48`, "interpolate_mode": `"bilinear"`, "kernel_list": `[5, 2, 2]`,
	"layer_list_out_channels": `[1, 2, 3, 4]`, "dilated_kernel_size": `5`, "hidden_size": `80`, "mlp_ratio": `3.0`, "depth": `3`, "head_out_channels": `99`,
	"conv_kernel_size": `[1, 5]`, "qkv_bias": `false`, "num_attention_heads": `6`, "layer_norm_eps": `0.1`, "hidden_act": `"gelu"`,
	"scale": `0.5`, "block_configs": `[]`, "stem_channels": `32`, "stem_stride": `1`, "divisor": `48`, "conv_symmetric_num": `-1`,
	"num_channels": `1`, "stem_strides": `[1, 1, 1, 1, 1]`, "stem_type": `"small"`, "use_learnable_affine_block": `true`,
}

// quiet are keys that are inert there: the number of branches is the file's, of V4 the
// scale is read by no layer; out_features and out_indices go under other names.
var quiet = append([]string{"_out_features", "_out_indices", "conv_symmetric_num"}, inert...)

// fourMaps is a backbone of version 6 for a detector.
const fourMaps = `"layer_list_out_channels": [96, 96, 192, 384], "backbone_config": {"model_type": "pp_lcnet_v4", "out_features": ["stage1", "stage2", "stage3", "stage4"]}`

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	for name, k := range kinds {
		read := func(config []byte) (any, error) {
			if k.detector {
				if k.v4 {
					config = behind(config, fourMaps)
				}
				return parseDetector(k, config)
			}
			return parseRecogniser(k, config)
		}
		if name == "pp_ocrv6_small_det" { // whose keys have to fit each other
			continue
		}
		modeltest.EveryKey(t, signatures, k.class, alternatives, inert, read)
	}
	for _, v4 := range []bool{false, true} {
		class, modelType, silent := "PPLCNetV3Config", `"model_type": "pp_lcnet_v3"`, quiet
		if v4 {
			class, modelType, silent = "PPLCNetV4Config", `"model_type": "pp_lcnet_v4"`, append([]string{"scale"}, quiet...)
		}
		modeltest.EveryKey(t, signatures, class, alternatives, silent, func(config []byte) (any, error) {
			return parseBackbone(v4, behind(config, modelType), nil)
		})
	}
}

// behind is a config with more keys, of which the first count.
func behind(config []byte, more string) []byte {
	if string(config) == "{}" {
		return []byte("{" + more + "}")
	}
	return append([]byte("{"+more+", "), config[1:]...)
}

func TestConfigsThatAreRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                                    `type ""; a detector of PP-OCR is expected`,
		`{"model_type": "pp_ocrv5_server_det"}`: "HGNetV2 is not supported",
		`{"model_type": "pp_ocrv5_mobile_rec"}`: "a detector of PP-OCR is expected",
	} {
		_, _, err := DescribeDetector(nil, []byte(config))
		assert.ErrorContains(t, err, want)
	}
	_, _, err := DescribeRecogniser(nil, nil)
	assert.ErrorContains(t, err, "no config.json")
	for config, want := range map[string]string{
		`{"backbone_config": {"model_type": "pp_lcnet_v3", "block_configs": [[[3,16]],[],[],[],[]]}}`: "stage 1: found [3,16]",
		`{"backbone_config": {"model_type": "pp_lcnet_v3", "out_indices": [7]}}`:                      "stage 7 is asked for",
		`{"kernel_list": [3, 3, 2]}`:       "kernel_list is [3 3 2]",
		`{"neck_out_channels": 6}`:         "neck_out_channels is 6",
		`{"layer_list_out_channels": [1]}`: "1 layer_list_out_channels",
		`{"interpolate_mode": "bicubic"}`:  `interpolate_mode is "bicubic"`,
	} {
		_, err := parseDetector(kinds["pp_ocrv5_mobile_det"], []byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

func TestProcesses(t *testing.T) {
	p, err := DetectorProcess([]byte(`{"limit_side_len": 736, "limit_type": "min", "max_side_limit": null, "image_mean": [0.1, 0.2, 0.3]}`))
	require.NoError(t, err)
	assert.Equal(t, 736, p.Limit)
	assert.Equal(t, [3]float64{0.1, 0.2, 0.3}, p.Mean)
	r, err := RecogniserProcess([]byte(`{"image_processor_type": "PPOCRV6SmallRecImageProcessor", "character_list": ["blank", "a"]}`), false, 2)
	require.NoError(t, err)
	assert.True(t, r.BGR && r.Plain)
	for text, want := range map[string]string{
		`{"do_resize": false}`:            "do_resize is false",
		`{"resample": 3}`:                 "resample is 3",
		`{"rescale_factor": 1}`:           "rescale_factor is 1",
		`{"image_std": [0, 1, 1]}`:        "image_std is [0 1 1]",
		`{"limit_type": "least"}`:         `limit_type "least"`,
		`{"image_processor_type": "ViT"}`: `image_processor_type is "ViT"`,
		`{"do_center_crop": true}`:        "do_center_crop is true",
	} {
		_, err := DetectorProcess([]byte(text))
		assert.ErrorContains(t, err, want)
	}
	for text, want := range map[string]string{
		`{}`:                            "there is no character_list",
		`{"character_list": ["blank"]}`: "has 1 characters and the recogniser 2 classes",
		`{"character_list": ["blank", "a"], "do_pad": false}`:       "do_pad false",
		`{"character_list": ["blank", "a"], "max_image_width": 10}`: "at most 10 wide",
	} {
		_, err := RecogniserProcess([]byte(text), false, 2)
		assert.ErrorContains(t, err, want)
	}
}
