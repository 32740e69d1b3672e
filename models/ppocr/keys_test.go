package ppocr

import (
	"strings"
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
	"reduce_factor": `1`, "intraclass_block_number": `3`, "intraclass_block_config": `{"reduce_channel": 1}`, "scale_factor": `4`, "scale_factor_list": `[1, 2, 4, 4]`,
	"num_channels": `1`, "stem_strides": `[1, 1, 1, 1, 1]`, "stem_type": `"small"`, "use_learnable_affine_block": `true`,
}

// quiet are keys that are inert there: the number of branches is the file's, of V4 the
// scale is read by no layer; out_features and out_indices go under other names.
var quiet = append([]string{"_out_features", "_out_indices", "conv_symmetric_num"}, inert...)

// largeKeys are those without which there is no large detector; a config's own count.
const largeKeys = `"scale_factor_list": [1, 2, 4, 8], "kernel_list": [3, 2, 2], "backbone_config": {"model_type": "hgnet_v2", "out_indices": [1, 2, 3, 4]},
	"intraclass_block_config": {"reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0],
	"vertical_long_to_small_conv_longratio": [[7, 1], [1, 1], [3, 0]], "vertical_long_to_small_conv_midratio": [[5, 1], [1, 1], [2, 0]], "vertical_long_to_small_conv_shortratio": [[3, 1], 1, [1, 0]],
	"horizontal_small_to_long_conv_longratio": [[1, 7], [1, 1], [0, 3]], "horizontal_small_to_long_conv_midratio": [[1, 5], [1, 1], [0, 2]], "horizontal_small_to_long_conv_shortratio": [[1, 3], 1, [0, 1]],
	"symmetric_conv_long_longratio": [[7, 7], [1, 1], [3, 3]], "symmetric_conv_long_midratio": [[5, 5], [1, 1], [2, 2]], "symmetric_conv_long_shortratio": [3, 1, 1]}`

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	for name, k := range kinds {
		read := func(config []byte) (any, error) {
			switch {
			case k.large():
				return parseDetector(nil, k, front(config, largeKeys))
			case k.detector:
				return parseDetector(nil, k, config)
			}
			return parseRecogniser(nil, k, config)
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
			return parseBackbone(nil, behind(config, modelType), "", lcnetV3, lcnetV4)
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
		`{"model_type": "pp_ocrv9_server_det"}`: "pp_ocrv5_mobile_det, pp_ocrv5_server_det, pp_ocrv6_medium_det, pp_ocrv6_small_det",
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
		_, err := parseDetector(nil, kinds["pp_ocrv5_mobile_det"], []byte(config))
		assert.ErrorContains(t, err, want, config)
	}
	for config, want := range map[string]string{
		`{"intraclass_block_config": null}`:                  "there is no intraclass_block_config",
		`{"intraclass_block_config": {}}`:                    "symmetric_conv_long_longratio is ",
		`{"kernel_list": null}`:                              "kernel_list is []",
		`{"scale_factor_list": null}`:                        "scale_factor_list []",
		`{"scale_factor": 4}`:                                "scale_factor is 4",
		`{"neck_out_channels": 8}`:                           "", // two channels within
		`{"neck_out_channels": 4}`:                           "neck_out_channels is 4 and reduce_factor 2",
		`{"backbone_config": {"model_type": "pp_lcnet_v3"}}`: "hgnet_v2 or pp_lcnet_v4 is expected",
		`{"backbone_config": {"model_type": "hgnet_v2"}}`:    "the stages [4] are asked for",
		strings.Replace("{"+largeKeys+"}", "[[1, 5], [1, 1], [0, 2]]", "[[1, 3], [1, 1], [0, 1]]", 1): "horizontal_small_to_long_conv_midratio is",
		strings.Replace("{"+largeKeys+"}", `"return_channel"`, `"more": 1, "return_channel"`, 1):      "has 12 keys",
	} {
		_, err := parseDetector(nil, kinds["pp_ocrv5_server_det"], front([]byte(config), largeKeys))
		if want == "" {
			assert.NoError(t, err, config)
			continue
		}
		assert.ErrorContains(t, err, want, config)
	}
}

// front is a config with more keys, of which its own count.
func front(config []byte, more string) []byte {
	text := strings.TrimPrefix(string(config), "{")
	if strings.TrimSpace(text) == "}" {
		return []byte("{" + more + "}")
	}
	return []byte("{" + more + ", " + text)
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
