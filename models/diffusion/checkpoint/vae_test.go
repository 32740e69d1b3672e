package checkpoint

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// autoencoderFile writes what of a pipeline's single file has the prefix, or has not,
// under names that cut says.
func autoencoderFile(t *testing.T, file string, keep func(name string) bool, cut string) string {
	t.Helper()
	c, err := weights.Open(writeSingle(t, file))
	require.NoError(t, err)
	defer c.Close()
	var tensors []*weights.Tensor
	for _, name := range c.Names() {
		if keep(name) {
			tensor, _ := c.Tensor(name)
			of := *tensor
			of.Name = strings.TrimPrefix(name, cut)
			tensors = append(tensors, &of)
		}
	}
	require.NotEmpty(t, tensors)
	path := filepath.Join(t.TempDir(), "part.safetensors")
	require.NoError(t, weights.Write(path, tensors, nil))
	return path
}

// A pruned file takes its autoencoder from a file with either prefix, from a folder
// of it, or from one of a pipeline, and the tensors are the same.
func TestVAEFromElsewhere(t *testing.T) {
	ctx := context.Background()
	isVAE := func(name string) bool { return strings.HasPrefix(name, vaePrefix) }
	whole := openTiny(t, "sd1.ckpt")
	own, err := whole.Part(VAE)
	require.NoError(t, err)
	pruned := autoencoderFile(t, "sd1.ckpt", func(name string) bool { return !isVAE(name) }, "")
	_, err = Open(ctx, pruned, nil, Options{})
	require.ErrorContains(t, err, "it is a pipeline without an autoencoder: among its ")
	require.ErrorContains(t, err, "give one of its kind (-vae SOURCE)")

	alone := autoencoderFile(t, "sd1.ckpt", isVAE, vaePrefix)
	c, err := weights.Open(alone)
	require.NoError(t, err)
	require.NoError(t, fits(VAE, &Part{Source: c}), "as the network's package has it, without a config.json")
	require.NoError(t, c.Close())
	folder, pipeline := t.TempDir(), t.TempDir()
	for _, dir := range []string{folder, filepath.Join(pipeline, VAE)} {
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, weights.Write(filepath.Join(dir, "diffusion_pytorch_model.safetensors"), tensorsOf(own.Source), nil))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), own.Config, 0o666))
	}
	for _, src := range []string{alone, writeSingle(t, "sd1.ckpt"), folder, filepath.Join(folder, "diffusion_pytorch_model.safetensors"), pipeline} {
		p, err := Open(ctx, pruned, nil, Options{VAE: src})
		require.NoError(t, err, src)
		part, err := p.Part(VAE)
		require.NoError(t, err, src)
		assert.Equal(t, "AutoencoderKL", part.Class)
		assert.Equal(t, floats(t, own.Source), floats(t, part.Source), src)
		assert.JSONEq(t, string(own.Config), string(part.Config))
		require.NoError(t, p.Close())
	}
	for src, want := range map[string]string{
		pruned: "part.safetensors has no config.json beside it, and is no autoencoder",
		filepath.Join(folder, "none.safetensors"): "none.safetensors",
		t.TempDir(): "holds config.json",
	} {
		p, err := Open(ctx, pruned, nil, Options{VAE: src})
		if err == nil {
			_, err = p.Part(VAE)
			require.NoError(t, p.Close())
		}
		assert.ErrorContains(t, err, want, src)
	}
}

// tensorsOf are all tensors of a source.
func tensorsOf(src weights.Source) []*weights.Tensor {
	var all []*weights.Tensor
	for _, name := range src.Names() {
		t, _ := src.Tensor(name)
		all = append(all, t)
	}
	return all
}

func floats(t *testing.T, src weights.Source) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, tensor := range tensorsOf(src) {
		v := make([]float32, tensor.Len())
		require.NoError(t, tensor.Float32s(v))
		all[tensor.Name] = v
	}
	return all
}

// A folder that lacks the part takes it too, and a file that says no scaling has
// that of the pipeline.
func TestVAEScale(t *testing.T) {
	ctx := context.Background()
	alone := autoencoderFile(t, "sd1.ckpt", func(name string) bool { return strings.HasPrefix(name, vaePrefix) }, vaePrefix)
	for class, want := range map[string]float64{"StableDiffusionPipeline": 0.18215, "StableDiffusionXLImg2ImgPipeline": 0.13025} {
		files := stableDiffusion(t)
		index := strings.Replace(string(files["model_index.json"]), "StableDiffusionPipeline", class, 1)
		index = strings.Replace(index, `"vae": ["diffusers", "AutoencoderKL"],`, `"text_encoder_2": ["transformers", "x"], "tokenizer_2": ["transformers", "x"],`, 1)
		files["model_index.json"] = []byte(index)
		delete(files, "vae/config.json")
		dir := onDisk(t, files)
		_, err := Open(ctx, dir, nil, Options{})
		require.ErrorContains(t, err, "it names no vae")
		p, err := Open(ctx, dir, nil, Options{VAE: alone})
		require.NoError(t, err)
		part, err := p.Part(VAE)
		require.NoError(t, err)
		var config struct {
			Scale float64 `json:"scaling_factor"`
		}
		require.NoError(t, json.Unmarshal(part.Config, &config))
		assert.InDelta(t, want, config.Scale, 0)
		require.NoError(t, p.Close())
	}
	files := stableDiffusion(t)
	files["vae/config.json"] = []byte(`{"_class_name": "AutoencoderKL", "scaling_factor": 0.5}`)
	p, err := Open(ctx, onDisk(t, files), nil, Options{VAE: alone})
	require.NoError(t, err)
	defer p.Close()
	assert.InDelta(t, 0.5, p.scale(), 0)
}
