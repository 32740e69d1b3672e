package checkpoint

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/diffusion"
	"saccade/weights"
)

// mergeScale is golden/generate_checkpoints.py's.
const mergeScale = 0.75

func openTiny(t *testing.T, file string) *Pipeline {
	t.Helper()
	p, err := Open(context.Background(), writeSingle(t, file), nil, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// values are a pipeline's tensors, but for the autoencoder's, as float32.
func values(t *testing.T, p *Pipeline) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, name := range []string{UNet, TextEncoder, TextEncoder2} {
		if !p.Has(name) {
			continue
		}
		part, err := p.Part(name)
		require.NoError(t, err)
		for _, n := range part.Source.Names() {
			tensor, ok := part.Source.Tensor(n)
			require.True(t, ok)
			v := make([]float32, tensor.Len())
			require.NoError(t, tensor.Float32s(v))
			all[name+"."+n] = v
		}
	}
	return all
}

// What diffusers' fuse_lora gives, in every way of naming layers. The sums are
// exact, so that there is no tolerance.
func TestMerge(t *testing.T) {
	for _, c := range []struct{ file, format string }{
		{"sd1.ckpt", "peft"}, {"sd1.ckpt", "lora_layers"}, {"sd1.ckpt", "processors"}, {"sd1.ckpt", "kohya"},
		{"sdxl.safetensors", "peft"}, {"sdxl.safetensors", "kohya_original"},
	} {
		name := strings.TrimSuffix(c.file, filepath.Ext(c.file))
		t.Run(name+" "+c.format, func(t *testing.T) {
			golden, err := weights.OpenBytes(name, unpack(t, "lora/"+name+".safetensors"))
			require.NoError(t, err)
			p := openTiny(t, c.file)
			want := values(t, p)
			changed := 0
			for _, n := range golden.Names() {
				if c.format == "processors" && !strings.Contains(n, ".attn") {
					continue // which that format has not
				}
				tensor, _ := golden.Tensor(n)
				require.NoError(t, tensor.Float32s(want[n]), n)
				changed++
			}
			file := goldens + "lora/" + name + "." + c.format + ".safetensors"
			require.NoError(t, p.Merge(file, mergeScale))
			assert.Equal(t, []LoRA{{File: file, Scale: mergeScale, Layers: changed}}, p.LoRAs())
			for n, got := range values(t, p) {
				assert.Equal(t, want[n], got, n)
			}
		})
	}
}

// Merged twice with opposite scales the weights are as they were.
func TestMergeSeveral(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	want := values(t, p)
	for _, scale := range []float64{2, -1, -1} {
		require.NoError(t, p.Merge(goldens+"lora/sd1.kohya.safetensors", scale))
	}
	assert.Equal(t, want, values(t, p))
	assert.Len(t, p.LoRAs(), 3)
}

// Projections that are joined have one data type, though a LoRA changes some.
func TestMergedProjectionsJoin(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	require.NoError(t, p.Merge(goldens+"lora/sd1.peft.safetensors", 1))
	part, err := p.Part(UNet)
	require.NoError(t, err)
	joined, ok := diffusion.Renamed(part.Source).Tensor("down_blocks.0.attentions.0.transformer_blocks.0.attn1.qkv.weight")
	require.True(t, ok)
	assert.Equal(t, weights.F32, joined.DType)
	assert.Equal(t, []int{96, 32}, joined.Shape)
	assert.Len(t, joined.Bytes(), 96*32*4)
	other, ok := part.Source.Tensor("mid_block.attentions.0.proj_in.weight")
	require.True(t, ok)
	assert.Equal(t, weights.F16, other.DType, "what no LoRA changes is as it was")
}

// lora writes a LoRA file of tensors by shape.
func lora(t *testing.T, shapes map[string][]int) string {
	t.Helper()
	var tensors []*weights.Tensor
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		tensor, err := weights.FromFloat32s(name, make([]float32, n), shape...)
		require.NoError(t, err)
		tensors = append(tensors, tensor)
	}
	path := filepath.Join(t.TempDir(), "lora.safetensors")
	require.NoError(t, weights.Write(path, tensors, nil))
	return path
}

func TestUnmatchedLayers(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	require.NoError(t, p.Merge(lora(t, map[string][]int{
		"lora_unet_conv_in.lora_down.weight": {1, 4, 3, 3}, "lora_unet_conv_in.lora_up.weight": {32, 1, 1, 1},
		"lora_te2_text_model_x.lora_down.weight": {1, 4}, "lora_te2_text_model_x.lora_up.weight": {32, 1},
	}), 1))
	assert.Equal(t, 1, p.LoRAs()[0].Layers)
	assert.Equal(t, []string{"lora_te2_text_model_x"}, p.LoRAs()[0].Unmatched)
}

func TestBadLoRAs(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	want := values(t, p)
	const q = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
	for name, c := range map[string]struct {
		shapes map[string][]int
		want   string
	}{
		"another base": {map[string][]int{q + ".lora_A.weight": {2, 40}, q + ".lora_B.weight": {32, 2}},
			"its layer " + q + " is for a weight [32 40], but " + q + ".weight of pipeline " + p.Name + " is [32 16]: it is for another base than this one"},
		"no layer": {map[string][]int{"unet.x.lora_A.weight": {2, 4}, "unet.x.lora_B.weight": {4, 2}},
			"none of its 1 layers is one of pipeline " + p.Name + " (StableDiffusionPipeline), so that it is for another; its first are [unet.x]"},
		"one half":         {map[string][]int{q + ".lora_A.weight": {2, 16}}, "its layer " + q + " has one of the two factors alone"},
		"two ranks":        {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 3}}, "the factors [32 3] and [2 16], which do not fit each other"},
		"rank 0":           {map[string][]int{q + ".lora_A.weight": {0, 16}, q + ".lora_B.weight": {32, 0}}, "which do not fit each other"},
		"a vector":         {map[string][]int{q + ".lora_A.weight": {2}, q + ".lora_B.weight": {32, 2}}, "found shape [2], expected a matrix"},
		"many alphas":      {map[string][]int{q + ".alpha": {2}}, ".alpha: found shape [2], expected one number"},
		"Tucker":           {map[string][]int{"lora_unet_conv_in.lora_mid.weight": {2, 2, 3, 3}}, "it has lora_unet_conv_in.lora_mid.weight, as a LoRA in Tucker's form (lora_mid) has, which is not supported"},
		"DoRA":             {map[string][]int{"lora_unet_x.dora_scale": {2}}, "as DoRA has"},
		"PEFT's DoRA":      {map[string][]int{q + ".lora_magnitude_vector": {2}}, "as DoRA has"},
		"LoHa":             {map[string][]int{"lora_unet_x.hada_w1_a": {2}}, "as LoHa has"},
		"LoKr":             {map[string][]int{"lora_unet_x.lokr_w1": {2}}, "as LoKr has"},
		"other":            {map[string][]int{"conv1.weight": {2}}, "it is no LoRA: among its 1 tensors is conv1.weight; expected names such as lora_unet_….lora_down.weight or unet.….lora_A.weight"},
		"one factor twice": {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora.down.weight": {2, 16}}, " are the same factor of one layer"},
		"one layer twice": {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 2},
			strings.TrimPrefix(q, "unet.") + ".lora.down.weight": {2, 16}, strings.TrimPrefix(q, "unet.") + ".lora.up.weight": {32, 2}}, "are both for " + q + ".weight"},
	} {
		file := lora(t, c.shapes)
		err := p.Merge(file, 1)
		require.ErrorContains(t, err, "merge LoRA "+file+": ", name)
		assert.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
	assert.ErrorContains(t, p.Merge("./none.safetensors", 1), "merge LoRA ./none.safetensors: open checkpoint none.safetensors: no such file")
	assert.ErrorContains(t, p.Merge(goldens+"lora/sd1.kohya.safetensors", math.NaN()), "a scale of NaN is no number")
	assert.ErrorContains(t, p.Merge(goldens+"lora/sdxl.peft.safetensors", 1), "it is for another base than this one")
	assert.Empty(t, p.LoRAs())
	assert.Equal(t, want, values(t, p), "nothing is merged")
}

// What PEFT's configuration says of alphas.
func TestAdapterMetadata(t *testing.T) {
	a, err := readAdapters(`{"unet.lora_alpha": 8, "unet.r": 4, "unet.alpha_pattern": {"attn1.to_q": 2, "to_q": 3}, "text_encoder.use_rslora": true, "text_encoder.lora_alpha": 6}`)
	require.NoError(t, err)
	down, err := weights.FromFloat32s("down", make([]float32, 4), 4, 1)
	require.NoError(t, err)
	for key, want := range map[string]float64{"unet.a.to_k": 2, "unet.a.attn1.to_q": 0.5, "unet.a.attn2.to_q": 0.75, "text_encoder.x": 3, "text_encoder_2.x": 1} {
		l := newLayer(key)
		l.down = down
		require.NoError(t, a.apply(l))
		assert.Equal(t, want, l.scaling(), key)
	}
	_, err = readAdapters("{")
	assert.ErrorContains(t, err, "its metadata lora_adapter_metadata: ")
	a, err = readAdapters(`{"unet.use_dora": true}`)
	require.NoError(t, err)
	assert.ErrorContains(t, a.apply(newLayer("unet.a")), "as DoRA has")
}

// Text encoders are saved with and without text_model., LoRAs name them either
// way.
func TestTextLayerNames(t *testing.T) {
	for _, prefix := range []string{"", "text_model."} {
		name := prefix + "encoder.layers.3.self_attn.q_proj.weight"
		names := layerNames(TextEncoder, zeros{map[string][]int{name: {2, 2}, "text_projection.weight": {2, 2}}, memory})
		for _, layer := range []string{"text_model_encoder_layers_3_self_attn_q_proj", "encoder_layers_3_self_attn_q_proj", "text_model_encoder_layers_3_self_attn_to_q"} {
			assert.Equal(t, name, names[layer], layer)
		}
		assert.Equal(t, "text_projection.weight", names["text_projection"])
	}
}

// Names of the networks' first publication, by diffusers' own for every layer:
// the readers of single files give back what originalNames makes.
func TestOriginalNames(t *testing.T) {
	for _, name := range []string{"sd1", "sd2", "sdxl", "sdxl_refiner"} {
		tensors := readPublished(t, name).Parts[UNet].Tensors
		var modules []string
		for n := range tensors {
			if m, ok := strings.CutSuffix(n, ".weight"); ok {
				modules = append(modules, m)
			}
		}
		original := originalNames(modules)
		for _, m := range modules {
			assert.Equal(t, strings.TrimSuffix(tensors[m+".weight"].Origin, ".weight"), unetPrefix+original(m), "%s: %s", name, m)
		}
	}
}
