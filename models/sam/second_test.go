package sam

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/modeltest"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// shapesOf are the tensors of a published file, by shape.
func shapesOf(t *testing.T, file string) map[string][]int {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var shapes map[string][]int
	require.NoError(t, json.NewDecoder(z).Decode(&shapes))
	return shapes
}

// zeros is a checkpoint of such tensors.
func zeros(t *testing.T, shapes map[string][]int) weights.Source {
	t.Helper()
	var all []*weights.Tensor
	values := make([]float32, 1<<23)
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, err := weights.FromFloat32s(name, values[:n], shape...)
		require.NoError(t, err)
		all = append(all, x)
	}
	return weights.With(&weights.Checkpoint{}, all...)
}

// The authors' files are read whole: what they hold beside is of classes and of videos.
func TestAuthorsFiles(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	for file, want := range map[string]int{"sam2.1_hiera_tiny.json.gz": 31436549, "mobile_sam.json.gz": 9804280} {
		shapes := shapesOf(t, file)
		c, named, err := Describe(zeros(t, shapes), nil)
		require.NoError(t, err, file)
		b := ops.NewBuilder(dev, gpu.F16)
		m, err := New(b, c)
		require.NoError(t, err, file)
		require.NoError(t, b.Bind(m, named), file)
		assert.Equal(t, want, modeltest.Parameters(t, m, "running"), file)
		delete(shapes, "no_mem_embed")
		delete(shapes, "image_encoder.layers.3.blocks.1.attn.norm.bias")
		_, named, err = Describe(zeros(t, shapes), nil)
		require.NoError(t, err, file)
		require.ErrorContains(t, b.Bind(m, named), map[bool]string{true: "no_mem_embed", false: "layers.3.blocks.1.attn.norm.bias"}[strings.HasPrefix(file, "sam2")])
		b.Close()
	}
	c, _, err := Describe(zeros(t, shapesOf(t, "sam2.1_hiera_tiny.json.gz")), nil)
	require.NoError(t, err)
	assert.Equal(t, SecondTiny(), c)
	c, _, err = Describe(zeros(t, shapesOf(t, "mobile_sam.json.gz")), nil)
	require.NoError(t, err)
	assert.Equal(t, Mobile(), c)
}

// The image encoders cost what the published ones do, a few elementwise operations aside.
func TestFLOPs(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	for name, want := range map[string]float64{secondEncoder: 291e9, mobileEncoder: 79e9} {
		make, err := Standard(name)
		require.NoError(t, err)
		b := ops.NewBuilder(dev, gpu.F16)
		l, err := make(b)
		require.NoError(t, err)
		in, err := l.Networks[0].Example(1, nil, 1)
		require.NoError(t, err)
		all, err := nn.Record(dev, gpu.F16, l.Networks[0], in)
		require.NoError(t, err)
		sum := 0.0
		for _, op := range all {
			for _, d := range op.Dispatches {
				sum += d.FLOPs + d.Saved
			}
		}
		assert.InEpsilon(t, want, sum, 0.01, name)
		b.Close()
	}
}

// secondShapes are the tensors by which a folder of Sam2Model is known, with those that are
// taken apart.
func secondShapes() map[string][]int {
	shapes := map[string][]int{"vision_encoder.backbone.pos_embed_window": {1, 96, 8, 8}, "prompt_encoder.point_embed.weight": {4, 8}, "prompt_encoder.not_a_point_embed.weight": {1, 8}}
	for i := range 20 {
		shapes[fmt.Sprintf("vision_encoder.backbone.blocks.%d.attn.qkv.weight", i)] = []int{6, 2}
		shapes[fmt.Sprintf("vision_encoder.backbone.blocks.%d.attn.qkv.bias", i)] = []int{6}
	}
	return shapes
}

// secondAlternatives are other values of the keys of SAM 2's classes.
var secondAlternatives = map[string]string{
	"hidden_size": `48`, "num_channels": `1`, "patch_kernel_size": `[8, 8]`, "patch_stride": `8`, "patch_padding": `[2, 2]`, "query_stride": `[4, 4]`,
	"window_positional_embedding_background_size": `[5, 6]`, "num_query_pool_stages": `2`, "blocks_per_stage": `[1, 2, 8, 2]`, "embed_dim_per_stage": `[96, 192, 384, 800]`,
	"num_attention_heads_per_stage": `[2, 2, 4, 8]`, "window_size_per_stage": `[8, 4, 14, 8]`, "global_attention_blocks": `[5]`, "mlp_ratio": `2`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"backbone_config": `{"mlp_ratio": 3}`, "backbone_channel_list": `[768, 384, 192, 90]`, "backbone_feature_sizes": `[[256, 256], [128, 128], [32, 32]]`, "fpn_hidden_size": `128`,
	"fpn_kernel_size": `3`, "fpn_stride": `2`, "fpn_padding": `1`, "fpn_top_down_levels": `[2]`, "num_feature_levels": `2`,
	"image_size": `512`, "patch_size": `8`, "num_point_embeddings": `5`,
	"mlp_dim": `64`, "num_hidden_layers": `3`, "num_attention_heads": `4`, "attention_downsample_rate": `4`, "num_multimask_outputs": `2`, "iou_head_depth": `2`, "iou_head_hidden_dim": `64`,
	"dynamic_multimask_via_stability": `false`, "dynamic_multimask_stability_delta": `0.1`, "dynamic_multimask_stability_thresh": `0.5`,
}

// Every key of SAM 2's classes has an effect, is inert or is refused.
func TestEveryKeyOfSecond(t *testing.T) {
	src := zeros(t, secondShapes())
	for class, of := range map[string]struct {
		config string
		inert  []string
	}{
		"Sam2VisionConfig":        {`{"vision_config": %s}`, secondInert},
		"Sam2HieraDetConfig":      {`{"vision_config": {"backbone_config": %s}}`, hieraInert},
		"Sam2PromptEncoderConfig": {`{"prompt_encoder_config": %s}`, secondInert},
		"Sam2MaskDecoderConfig":   {`{"mask_decoder_config": %s}`, secondInert},
	} {
		modeltest.EveryKey(t, signatures, class, secondAlternatives, of.inert, func(config []byte) (any, error) {
			text := fmt.Sprintf(of.config, config)
			if strings.Contains(text, "patch_stride") { // maps of the same size of larger pictures
				text = strings.Replace(text, "{", `{"prompt_encoder_config": {"image_size": 2048, "patch_size": 32}, `, 1)
			}
			c, _, err := Describe(src, []byte(text))
			return c, err
		})
	}
}

func TestSecondRefuses(t *testing.T) {
	for want, config := range map[string]string{
		`of type "sam"`: `{"model_type": "sam"}`,
		"blocks_per_stage, embed_dim_per_stage, num_attention_heads_per_stage and window_size_per_stage are of 2, 4, 4 and 4": `{"vision_config": {"backbone_config": {"blocks_per_stage": [1, 2]}}}`,
		"block 3 pools queries and is among global_attention_blocks":                                                          `{"vision_config": {"backbone_config": {"global_attention_blocks": [3]}}}`,
		"a multiple of the first windows' 6":                                                                                  `{"vision_config": {"backbone_config": {"window_size_per_stage": [6, 4, 14, 7]}}}`,
		"[1 1] in stage 2, which do not divide by the [2 2]":                                                                  `{"prompt_encoder_config": {"image_size": 16}, "vision_config": {"backbone_config": {"window_size_per_stage": [4, 4, 4, 4]}}}`,
		"mlp_ratio is 0; expected above 0":                                                                                    `{"vision_config": {"backbone_config": {"mlp_ratio": 0}}}`,
		"backbone_config: hidden_act: ":                                                                                       `{"vision_config": {"backbone_config": {"hidden_act": "x"}}}`,
		"image_size is [512 1024]; expected a square":                                                                         `{"prompt_encoder_config": {"image_size": [512, 1024]}}`,
	} {
		_, _, err := Describe(zeros(t, secondShapes()), []byte(config))
		assert.ErrorContains(t, err, want)
	}
	_, _, err := Describe(zeros(t, secondShapes()), nil)
	assert.ErrorContains(t, err, "no config.json beside the checkpoint")
	shapes := shapesOf(t, "sam2.1_hiera_tiny.json.gz")
	delete(shapes, "image_encoder.trunk.blocks.11.norm1.weight")
	_, _, err = Describe(zeros(t, shapes), nil)
	assert.ErrorContains(t, err, "11 blocks, the first of 96 channels, which is no published SAM 2")
	shapes = shapesOf(t, "mobile_sam.json.gz")
	shapes["image_encoder.layers.1.blocks.0.attn.attention_biases"] = []int{4, 50}
	_, _, err = Describe(zeros(t, shapes), nil)
	assert.ErrorContains(t, err, "layers.1.blocks.0.attn.attention_biases has 50 columns, which are the distances of no square window")
}

// The mask for one thing gives way to the best of the others where it is not stable.
func TestSingle(t *testing.T) {
	masks := nn.Array{Shape: []int{3, 3, 1, 4}, Data: []float32{
		2, 0.3, 0, -2 /* one of three, */, 1, 1, 1, 1, 2, 2, 2, 2,
		2, 2, 2, 0.3 /* three of four, */, 1, 1, 1, 1, 2, 2, 2, 2,
		-2, -2, -2, -2 /* and none of none */, 1, 1, 1, 1, 2, 2, 2, 2,
	}}
	scores := nn.Array{Shape: []int{3, 3}, Data: []float32{1, 0.2, 0.3, 0, 0.9, 0.8, 0, 0.5, 0.5}}
	of := func(s *Stability) (all []int) {
		from := Config{Second: &SecondConfig{Stability: s}}.single(masks, scores)
		for row := range 3 {
			all = append(all, from(row))
		}
		return all
	}
	assert.Equal(t, []int{2, 0, 0}, of(&Stability{0.5, 0.75}))
	assert.Equal(t, []int{2, 1, 0}, of(&Stability{0.5, 0.76}))
	assert.Equal(t, []int{0, 0, 0}, of(&Stability{0.1, 0.5}))
	assert.Equal(t, []int{0, 0, 0}, of(nil))
}

// Pictures that the networks do not take are refused by size.
func TestSizes(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	c, _, err := Describe(zeros(t, shapesOf(t, "mobile_sam.json.gz")), nil)
	require.NoError(t, err)
	b := ops.NewBuilder(dev, gpu.F16)
	defer b.Close()
	l, err := c.layers(b)
	require.NoError(t, err)
	for want, size := range map[string][2]int{"40×40 is no square of a multiple of 16": {40, 40}, "32×48 is no square": {32, 48}} {
		_, err := l.Networks[0].Prepare(nn.Images(nn.Array{Shape: []int{1, 3, size[0], size[1]}, Data: make([]float32, 3*size[0]*size[1])}))
		assert.ErrorContains(t, err, want)
	}
	maps := map[string]nn.Array{embeddings: {Shape: []int{1, 256, 3, 3}, Data: make([]float32, 9*256)}, inputPoints: {Shape: []int{1, 1, 1, 2}, Data: []float32{23.5, 11.5}}}
	f, err := l.Networks[1].Prepare(maps)
	require.NoError(t, err)
	assert.Equal(t, []float32{0.5, 0.25}, f.Values()[pointsInput].([]float32)[:2], "in a picture of 48 pixels, from the middle of a pixel")
}
