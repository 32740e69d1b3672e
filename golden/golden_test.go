package golden

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCasesAreComplete(t *testing.T) {
	all := Cases()
	require.GreaterOrEqual(t, len(all), 12)
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			assert.NotEmpty(t, c.Architecture)
			assert.NotEmpty(t, c.Source)
			assert.Subset(t, []string{"pixel_values", "input_ids", "attention_mask", "timestep", "encoder_hidden_states", "class_labels", "text_embeds", "time_ids", "timestep_cond",
				InputPrefix + "sample", InputPrefix + "latents", "decoder_input_ids", "decoder_attention_mask", "input_features", "pixel_attention_mask", "pixel_mask", "token_type_ids",
				"sample", "controlnet_cond", "input_values", "is_longer", "z", "w", "input_points", "input_labels", "input_boxes", "multimask_output"}, c.Inputs)
			if len(c.Layers) == 0 { // the authors' code has no names of them, or there are none
				assert.Contains(t, []string{"sam", "Compact"}, c.Architecture)
			} else {
				assert.Contains(t, []string{"embeddings", "stem", "layer.0", "text.embeddings", "time_embedding", "encoder.conv_in", "encoder.layers.0", "encoder.aifi.0.layers.0", "input_proj.0", "feature_maps.0", "bottleneck", "question.embeddings", "encoder_layer.0", "main.0", "convs.0", "controlnet_cond_embedding", "body.0", "stages.0", "layer.3"}, c.Layers[0])
				assert.True(t, slices.ContainsFunc(c.Layers, func(name string) bool {
					return slices.Contains([]string{"layer.0", "text.layer.0", "conv_in", "decoder.conv_in", "decoder.layers.1", "decoder.layers.2", "bottleneck", "main.1", "convs.1", "down_blocks.0.resnets.0", "body.0", "stages.0", "layer.3"}, name)
				}))
			}

			g, err := Load(c)
			require.NoError(t, err)
			for name, tensor := range g.Tensors {
				n := 1
				for _, d := range tensor.Shape {
					n *= d
				}
				require.Len(t, tensor.Data, n, name)
				r := Compare(name, tensor.Data, tensor.Data, Tolerance{})
				assert.True(t, r.OK(), "%s is not equal to itself: %s", name, r)
			}
		})
	}
}

func TestCheckpointsOpen(t *testing.T) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			source, err := Checkpoint(c)
			if c.Weights != "" {
				require.ErrorContains(t, err, c.Weights)
				return
			}
			require.NoError(t, err)
			names := source.Names()
			require.NotEmpty(t, names)
			for _, name := range names {
				tensor, ok := source.Tensor(name)
				require.True(t, ok, name)
				require.NoError(t, tensor.Float32s(make([]float32, tensor.Len())))
			}
			_, ok := source.Tensor("no.such.tensor")
			assert.False(t, ok)
		})
	}
}

func TestParametersAreNotDefaults(t *testing.T) {
	for _, c := range Cases() {
		if c.Weights != "" {
			continue
		}
		source, err := Checkpoint(c)
		require.NoError(t, err)
		for _, name := range source.Names() {
			if strings.HasSuffix(name, ".relative_position_index") || strings.HasSuffix(name, ".relative_coords_table") {
				continue // of Swin Transformers: what follows from the window's size
			}
			if strings.HasSuffix(name, ".num_batches_tracked") || strings.HasSuffix(name, ".position_ids") || strings.HasSuffix(name, ".token_type_ids") {
				continue // a count of training and what counts tokens, which nothing depends on
			}
			tensor, _ := source.Tensor(name)
			values := make([]float32, tensor.Len())
			require.NoError(t, tensor.Float32s(values))
			assert.NotContains(t, values, float32(0), "%s %s", c.Name, name)
			ones := slices.Repeat([]float32{1}, len(values)) // one alone may be rounded to 1
			assert.NotEqual(t, ones, values, "%s %s", c.Name, name)
		}
	}
}

func TestTrainedModelsNameTheirPictures(t *testing.T) {
	for _, c := range Cases() {
		if unnamed := slices.Contains([]string{"detect", "cutout", "sound"}, c.Model); c.Weights == "" || unnamed {
			assert.Empty(t, c.Images, c.Name)
			continue
		}
		g, err := Load(c)
		require.NoError(t, err)
		require.Len(t, c.Images, g.Tensors["pixel_values"].Shape[0], c.Name)
		logits, ok := g.Tensors["logits"]
		if !ok {
			logits = g.Tensors["logits_per_image"]
		}
		for i, image := range c.Images {
			row := logits.Data[i*logits.Shape[1]:][:logits.Shape[1]]
			require.NotEmpty(t, image.Top)
			assert.Equal(t, slices.Index(row, slices.Max(row)), image.Top[0].Index, image.File)
		}
	}
}

func TestFind(t *testing.T) {
	c, err := Find("vit_interpolate")
	require.NoError(t, err)
	assert.Equal(t, true, c.Options["interpolate_pos_encoding"])
	assert.Equal(t, []string{"last_hidden_state"}, c.Outputs)

	_, err = Find("vit_interpolated")
	assert.ErrorContains(t, err, "vit_interpolate,")
	_, err = Load(Case{Name: "../golden"})
	assert.Error(t, err)
	_, err = Folder(Case{Name: "none"})
	assert.ErrorContains(t, err, "there is none")
}

func TestFolder(t *testing.T) {
	folder, err := Folder(Case{Name: "vit_classify"})
	require.NoError(t, err)
	for _, name := range []string{"config.json", "model.safetensors", "golden.safetensors"} {
		_, err := fs.Stat(folder, name)
		assert.NoError(t, err, name)
	}
}

// Sizes are a promise to whoever clones or embeds: 300 KiB a case, 54 MiB in
// all.
func TestSizes(t *testing.T) {
	total := map[string]int64{}
	var all int64
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner := p
		if path.Dir(p) != "ops" {
			owner = path.Dir(p)
		}
		total[owner] += info.Size()
		all += info.Size()
		return nil
	})
	require.NoError(t, err)
	for owner, size := range total {
		assert.LessOrEqual(t, size, int64(480<<10), owner)
	}
	assert.LessOrEqual(t, all, int64(54<<20))
	t.Logf("all goldens: %d KiB", all>>10)
}
