package dfine

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// source is a checkpoint of two classes, and of what is given by name.
func source(t *testing.T, more map[string][]float32) weights.Source {
	all := map[string][]float32{"model.enc_score_head.weight": {0, 0}}
	maps.Copy(all, more)
	var tensors []*weights.Tensor
	for name, v := range all {
		x, err := weights.FromFloat32s(name, v, len(v))
		require.NoError(t, err)
		tensors = append(tensors, x)
	}
	return weights.With(&weights.Checkpoint{}, tensors...)
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	alternatives := maps.Clone(modeltest.Hybrid)
	maps.Copy(alternatives, map[string]string{
		"backbone_config": `{"model_type": "hgnet_v2", "stage_num_blocks": [1, 1, 1, 1], "out_indices": [2, 3, 4]}`, "decoder_n_points": `[1, 2, 3]`, "eval_idx": `2`, "max_num_bins": `8`,
		"reg_scale": `8`, "up": `0.25`, "depth_mult": `0.34`, "top_prob_values": `2`, "lqe_hidden_dim": `32`, "lqe_layers": `3`,
	})
	modeltest.EveryKey(t, signatures, "DFineConfig", alternatives, inert, func(config []byte) (any, error) {
		// The strides of the maps count with anchors of a size.
		if strings.Contains(string(config), "feat_strides") {
			config = []byte(strings.Replace(string(config), "{", `{"anchor_image_size": [640, 640], `, 1))
		}
		c, _, err := Describe(source(t, nil), config)
		return c, err
	})
}

// What bins are worth is in the checkpoint; the config's is for one that has not.
func TestScales(t *testing.T) {
	c, _, err := Describe(source(t, map[string][]float32{"model.decoder.up": {-0.25}, "model.decoder.reg_scale": {8}}), []byte(`{"up": 3, "reg_scale": 3}`))
	require.NoError(t, err)
	assert.Equal(t, [2]float64{-0.25, 8}, [2]float64{c.Up, c.Scale})
}

// What the network can't be made of is refused by name.
func TestRefusals(t *testing.T) {
	for config, want := range map[string]string{
		`{"d_model": 24, "decoder_attention_heads": 4}`: "heads of a multiple of four",
		`{"max_num_bins": 7}`:                           "max_num_bins is 7", `{"top_prob_values": 34}`: "top_prob_values is 34", `{"lqe_layers": 1}`: "lqe_layers is 1", `{"reg_scale": 0}`: "reg_scale",
		`{"hidden_expansion": 0.001}`: "hidden_expansion", `{"decoder_n_points": [1, 2]}`: "decoder_n_points are [1 2]", `{"depth_mult": -1}`: "depth_mult", `{"lqe_hidden_dim": 0}`: "lqe_hidden_dim",
	} {
		c, _, err := Describe(source(t, nil), []byte(config))
		if err == nil {
			err = c.check()
		}
		assert.ErrorContains(t, err, want, config)
	}
	_, _, err := Describe(source(t, map[string][]float32{"model.decoder.layers.1.encoder_attn.num_points_scale": {1, 1, 1}}), []byte(`{}`))
	assert.ErrorContains(t, err, "num_points_scale is not what decoder_n_points [4 4 4] make")
}
