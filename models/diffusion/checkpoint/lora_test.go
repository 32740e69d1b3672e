package checkpoint

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/diffusion"
	"saccade/models/lora"
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

// loraFile writes a LoRA file of tensors by shape.
func loraFile(t *testing.T, shapes map[string][]int) string {
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
	require.NoError(t, p.Merge(loraFile(t, map[string][]int{
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
		"one half":         {map[string][]int{q + ".lora_A.weight": {2, 16}}, "its layer " + q + " has no up beside its other factors; the file is damaged"},
		"two ranks":        {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 3}}, "the factors [32 3] and [2 16], which do not fit each other"},
		"rank 0":           {map[string][]int{q + ".lora_A.weight": {0, 16}, q + ".lora_B.weight": {32, 0}}, "found shape ["},
		"a vector":         {map[string][]int{q + ".lora_A.weight": {2}, q + ".lora_B.weight": {32, 2}}, "found shape [2], expected a matrix"},
		"many alphas":      {map[string][]int{q + ".alpha": {2}}, ".alpha: found shape [2], expected one number"},
		"Tucker":           {map[string][]int{"lora_unet_conv_in.lora_mid.weight": {2, 2, 3, 3}}, "it has lora_unet_conv_in.lora_mid.weight, as a LoRA in Tucker's form (lora_mid) has, which is not supported"},
		"DoRA alone":       {map[string][]int{"lora_unet_x.dora_scale": {2}}, "none of its 0 layers is one"},
		"PEFT's DoRA":      {map[string][]int{q + ".lora_magnitude_vector": {2}}, "has no down beside its other factors"},
		"DoRA's length":    {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 2}, q + ".lora_magnitude_vector": {16}}, "lora_magnitude_vector [16]; expected one number for each of 32 rows"},
		"LoHa":             {map[string][]int{"lora_unet_conv_in.hada_w1_a": {2, 2}}, "has no hada_w1_b beside its other factors"},
		"LoHa's ranks":     {map[string][]int{"lora_unet_conv_in.hada_w1_a": {32, 2}, "lora_unet_conv_in.hada_w1_b": {2, 36}, "lora_unet_conv_in.hada_w2_a": {32, 2}, "lora_unet_conv_in.hada_w2_b": {3, 36}}, "the factors [32 2] and [3 36], which do not fit"},
		"LoKr":             {map[string][]int{"lora_unet_conv_in.lokr_w1": {2, 2}}, "has neither lokr_w2 nor its two factors"},
		"LoKr and LoRA":    {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 2}, q + ".lokr_w1": {2, 2}}, "has lokr_w1, which does not go with its other factors"},
		"Tucker's factors": {map[string][]int{"lora_unet_conv_in.lokr_w1": {2, 2}, "lora_unet_conv_in.lokr_w2_a": {2, 16}, "lora_unet_conv_in.lokr_w2_b": {2, 2}, "lora_unet_conv_in.lokr_t2": {3, 2, 3, 3}}, "the factors [3 2 3 3], [2 16] and [2 2], which do not fit"},
		"biases":           {map[string][]int{q + ".lora_B.bias": {2}}, "as a LoRA with biases has"},
		"other":            {map[string][]int{"conv1.weight": {2}}, "it is no LoRA: among its 1 tensors is conv1.weight; expected names such as lora_unet_….lora_down.weight or unet.….lora_A.weight"},
		"one factor twice": {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora.down.weight": {2, 16}}, " are the same factor of one layer"},
		"one layer twice": {map[string][]int{q + ".lora_A.weight": {2, 16}, q + ".lora_B.weight": {32, 2},
			strings.TrimPrefix(q, "unet.") + ".lora.down.weight": {2, 16}, strings.TrimPrefix(q, "unet.") + ".lora.up.weight": {32, 2}}, "are both for " + q + ".weight"},
	} {
		file := loraFile(t, c.shapes)
		err := p.Merge(file, 1)
		require.ErrorContains(t, err, "merge LoRA "+file+": ", name)
		assert.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
	assert.ErrorContains(t, p.Merge("./none.safetensors", 1), "merge LoRA ./none.safetensors: open ./none.safetensors: no such file or folder")
	assert.ErrorContains(t, p.Merge(goldens+"lora/sd1.kohya.safetensors", math.NaN()), "a scale of NaN is no number")
	assert.ErrorContains(t, p.Merge(goldens+"lora/sdxl.peft.safetensors", 1), "it is for another base than this one")
	assert.Empty(t, p.LoRAs())
	assert.Equal(t, want, values(t, p), "nothing is merged")
}

// A folder of PEFT, and one of diffusers, are found by the names in them.
func TestLoRAFolders(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	const q = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
	data, err := os.ReadFile(loraFile(t, map[string][]int{"base_model.model." + q + ".lora_A.weight": {2, 16}, "base_model.model." + q + ".lora_B.weight": {32, 2}}))
	require.NoError(t, err)
	folder := onDisk(t, map[string][]byte{"adapter_model.safetensors": data, "adapter_config.json": []byte(`{"peft_type": "LORA", "lora_alpha": 6}`)})
	require.NoError(t, p.Merge(folder, 1))
	assert.Equal(t, 1, p.LoRAs()[0].Layers)
	file, config, err := lora.Find(folder+"/adapter_model.safetensors", nil)
	require.NoError(t, err)
	assert.Equal(t, folder+"/adapter_model.safetensors", file)
	assert.NotEmpty(t, config)
	assert.ErrorContains(t, p.Merge(onDisk(t, map[string][]byte{"adapter_model.safetensors": data}), 1), "there is no adapter_config.json beside adapter_model.safetensors, which tells the scaling")
	assert.ErrorContains(t, p.Merge(t.TempDir(), 1), "the folder has no adapter_model.safetensors")
	require.NoError(t, p.Merge(onDisk(t, map[string][]byte{"pytorch_lora_weights.safetensors": data}), 1))
}

// An alpha without factors is no damage, dora_scale is left out as diffusers leaves
// it out, and textual inversions beside a LoRA are handed on.
func TestBesideLoRA(t *testing.T) {
	p := openTiny(t, "sd1.ckpt")
	require.NoError(t, p.Merge(loraFile(t, map[string][]int{
		"lora_unet_conv_in.lora_down.weight": {1, 4, 3, 3}, "lora_unet_conv_in.lora_up.weight": {32, 1, 1, 1}, "lora_unet_conv_in.dora_scale": {32, 1},
		"lora_unet_conv_out.alpha": {}, "bundle_emb.my.cat.string_to_param.*": {2, 16}, "bundle_emb.dog.clip_l": {16},
	}), 1))
	l := p.LoRAs()[0]
	assert.Equal(t, []string{"lora_unet_conv_out"}, l.Orphans)
	assert.Equal(t, []string{"lora_unet_conv_in.dora_scale"}, l.Unread)
	require.Len(t, l.Embeddings, 2)
	assert.Equal(t, "dog", l.Embeddings[0].Token)
	assert.Equal(t, TextEncoder, l.Embeddings[0].Vectors[0].Part)
	assert.Equal(t, []string{"my.cat", "my.cat_1"}, l.Embeddings[1].Tokens())
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

// LoRAs and textual inversions are fetched from the hub, and nothing else is.
func TestLoRAFromHub(t *testing.T) {
	const q = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
	data, err := os.ReadFile(loraFile(t, map[string][]int{"base_model.model." + q + ".lora_A.weight": {2, 16}, "base_model.model." + q + ".lora_B.weight": {32, 2}}))
	require.NoError(t, err)
	inversion, err := os.ReadFile(inversions + "learned_embeds.safetensors")
	require.NoError(t, err)
	hub, fetched := fakeHub(t, map[string][]byte{"adapter_model.safetensors": data, "adapter_config.json": []byte(`{"lora_alpha": 6}`), "learned_embeds.safetensors": inversion, "README.md": []byte("#")})
	p, err := Open(context.Background(), writeSingle(t, "sd1.ckpt"), hub, Options{})
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.Merge("org/name", 1))
	assert.Equal(t, []string{"adapter_config.json", "adapter_model.safetensors"}, fetched())
	e, err := p.OpenEmbedding("org/name")
	require.NoError(t, err)
	assert.Equal(t, "<cat>", e.Token)
	hub.Offline = true
	require.NoError(t, p.Merge("org/name", 1), "the cache has it")
	assert.ErrorContains(t, p.Merge("org/other", 1), "merge LoRA org/other: ")
}
