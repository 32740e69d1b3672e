package picture

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// alternatives are other values of all keys than the defaults.
var alternatives = map[string]string{
	"do_resize": `false`, "size": `{"height":65,"width":65}`, "default_to_square": ``, "crop_size": `{"height":64,"width":64}`, "resample": `1`,
	"do_rescale": `false`, "rescale_factor": `0.5`, "do_normalize": `false`, "image_mean": `[0.1,0.2,0.3]`, "image_std": `[0.1,0.2,0.3]`,
	"do_pad": `true`, "do_center_crop": ``, "crop_pct": `0.6`, "rescale_offset": `true`, "include_top": `false`,
	"do_convert_rgb": `false`, "data_format": `"channels_first"`, "input_data_format": `"channels_last"`, "device": `"cpu"`, "return_tensors": `"pt"`,
	"disable_grouping": `true`, "image_seq_length": `577`, "do_reduce_labels": `true`, "pad_size": `{"height":2000,"width":2000}`,
	"mask_size": `{"longest_edge":64}`, "mask_pad_size": `{"height":64,"width":64}`,
	"format": `"coco_panoptic"`, "do_convert_annotations": `false`, "keep_aspect_ratio": `true`, "ensure_multiple_of": `7`, "size_divisor": `9`,
}

func referenceSignatures(t *testing.T) map[string]map[string]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/signatures.json")
	require.NoError(t, err)
	var all map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// Every key that transformers' processors take has an effect, is known to have none
// or is refused; and what they take for absent keys is taken here.
func TestEveryKeyOfProcessors(t *testing.T) {
	all := referenceSignatures(t)
	delete(all, "PretrainedCfg")
	for class := range tilerClasses {
		delete(all, class)
	}
	require.Len(t, all, len(classes))
	for class, keys := range all {
		parse := func(change map[string]string) (*Processor, error) {
			config := map[string]any{"image_processor_type": class + "ImageProcessor"}
			for key, value := range change {
				config[key] = json.RawMessage(value)
			}
			text, err := json.Marshal(config)
			require.NoError(t, err)
			return ParsePreprocessor(text, "")
		}
		plain, err := parse(nil)
		require.NoError(t, err)
		full := map[string]string{}
		for key, value := range keys {
			full[key] = string(value)
		}
		got, err := parse(full)
		require.NoError(t, err, class)
		assert.Equal(t, plain, got, "%s with its defaults", class)
		for key, value := range keys {
			require.Contains(t, alternatives, key, "%s has a key that no test knows", class)
			change := map[string]string{key: alternatives[key]}
			base := plain
			switch key {
			case "default_to_square": // tells what a size of one number is
				square := string(value) == "true"
				base, err = parse(map[string]string{"size": "65"})
				if class == "PoolFormer" || classes[class].pad != "" { // which takes a square for the shorter side, or no number
					continue
				}
				require.NoError(t, err)
				change = map[string]string{"size": "65", key: map[bool]string{true: "false", false: "true"}[square]}
			case "size":
				if classes[class].pad != "" {
					change[key] = `{"longest_edge":65}`
				}
			case "do_pad":
				if classes[class].pad != "" {
					change[key] = "false"
				}
			case "do_normalize":
				change[key] = map[bool]string{true: "true", false: "false"}[classes[class].raw]
			case "do_center_crop":
				change[key] = map[bool]string{true: "false", false: "true"}[string(value) == "true"]
			case "crop_size":
				change["do_center_crop"] = "true"
			}
			p, err := parse(change)
			switch {
			case classes[class].smooth && (key == "pad_size" || key == "do_pad"): // it pads to a square or not
				require.NoError(t, err)
			case classes[class].pads && key == "do_pad": // of one picture nothing
				require.NoError(t, err)
			case classes[class].pads && key == "pad_size":
				require.ErrorContains(t, err, "pad_size")
			case slices.Contains(inert, key) && !(key == "pad_size" && classes[class].pad != ""):
				require.NoError(t, err, "%s %s", class, key)
				assert.Equal(t, base, p, "%s %s", class, key)
			case err == nil:
				assert.NotEqual(t, base, p, "%s: %s has an effect or is refused", class, key)
			}
		}
	}
}

// timmElsewhere are keys of timm's pretrained_cfg that are no business of pictures,
// or that its inference leaves aside: where weights come from, what they are called,
// the network's own keys, and the larger pictures of some tests.
var timmElsewhere = []string{
	"url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source", "architecture", "tag", "custom_load", "license", "description", "origin_url",
	"paper_name", "paper_ids", "notes", "test_input_size", "min_input_size", "fixed_input_size", "test_crop_pct", "num_classes", "label_offset", "label_names",
	"label_descriptions", "pool_size", "test_pool_size", "first_conv", "classifier",
}

// Every key of timm's pretrained_cfg is read or known.
func TestEveryKeyOfTimm(t *testing.T) {
	var read []string
	for i := range reflect.TypeFor[timmConfig]().NumField() {
		read = append(read, reflect.TypeFor[timmConfig]().Field(i).Tag.Get("json"))
	}
	for key := range referenceSignatures(t)["PretrainedCfg"] {
		assert.True(t, slices.Contains(read, key) != slices.Contains(timmElsewhere, key), "pretrained_cfg has %s, which is read or known, not both", key)
	}
}

// An image_processor in processor_config.json is read; one that has none says
// nothing of pictures.
func TestParseProcessor(t *testing.T) {
	want, err := ParsePreprocessor([]byte(`{"image_processor_type":"CLIPImageProcessor","size":96}`), "")
	require.NoError(t, err)
	got, err := ParseProcessor([]byte(`{"image_processor":{"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":96}},"processor_class":"CLIPProcessor"}`), "")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	got, err = ParseProcessor([]byte(`{"processor_class":"CLIPProcessor"}`), "clip")
	require.NoError(t, err)
	assert.Nil(t, got)
	for config, want := range map[string]string{
		`{"image_processor":{"size":"big"}}`: `processor_config.json: image_processor: size: "big"; expected a number`,
		`[]`:                                 "processor_config.json: image_processor: found a JSON array",
	} {
		_, err := ParseProcessor([]byte(config), "clip")
		assert.ErrorContains(t, err, want)
	}
}
