package models

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/weights"
)

// goldenPipeline is a golden pipeline's folder on a disk.
func goldenPipeline(t *testing.T, name string) string {
	t.Helper()
	files, err := golden.PipelineFS(name)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, files))
	return dir
}

// singleFile is a golden pipeline in a single file on a disk.
func singleFile(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("../golden/checkpoints", name+".gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	out, err := os.Create(path)
	require.NoError(t, err)
	defer out.Close()
	_, err = io.Copy(out, z)
	require.NoError(t, err)
	return path
}

// loadPart loads a part, runs it and gives its fingerprint.
func loadPart(t *testing.T, d *gpu.Device, part, src string) string {
	t.Helper()
	m, err := Load(t.Context(), d, part, src, Options{Precision: gpu.F32})
	require.NoError(t, err)
	defer m.Close()
	assert.Equal(t, src, m.Source)
	in, err := m.Noise(1, 1)
	require.NoError(t, err)
	_, err = m.Forward(t.Context(), in)
	require.NoError(t, err)
	print, err := m.Fingerprint()
	require.NoError(t, err)
	return print
}

// A part of a whole pipeline is the one in the part's own folder.
func TestPartsOfFolders(t *testing.T) {
	d, dir := gputest.Open(t, gpu.Options{}), goldenPipeline(t, "sdxl_tiny")
	for _, part := range []string{"unet", "vae", "text_encoder"} {
		assert.Equal(t, loadPart(t, d, part, filepath.Join(dir, part)), loadPart(t, d, part, dir), part)
	}
	assert.NotEqual(t, loadPart(t, d, "text_encoder", dir), loadPart(t, d, "text_encoder", filepath.Join(dir, "text_encoder_2")))
	// A pipeline that can't be run has parts that can.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model_index.json"), []byte(`{"_class_name": "KolorsPipeline", "vae": ["diffusers", "AutoencoderKL"]}`), 0o666))
	loadPart(t, d, "vae", dir)
}

func TestPartsOfSingleFiles(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, file := range []string{"sd1.ckpt", "sd2.safetensors", "sdxl.safetensors"} {
		path := singleFile(t, file)
		for _, part := range []string{"unet", "vae", "text_encoder"} {
			loadPart(t, d, part, path)
		}
	}
}

func TestBadPartsOfPipelines(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	fails := func(part, src string, want ...string) {
		t.Helper()
		_, err := Load(t.Context(), d, part, src, Options{})
		for _, w := range append(want, src) {
			assert.ErrorContains(t, err, w)
		}
		assert.NotContains(t, err.Error(), "\n")
	}
	fails("vae", goldenPipeline(t, "ddpm_tiny"), "(DDPMPipeline) has no part vae; it has scheduler, unet")
	dir := goldenPipeline(t, "sd1_tiny")
	require.NoError(t, os.Remove(filepath.Join(dir, "vae", "config.json")))
	fails("vae", dir, "vae: the part is missing", "config.json")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model_index.json"), []byte("{"), 0o666))
	fails("unet", dir, "model_index.json: unexpected end")
	fails("unet", filepath.Join(dir, "none"), "no such file or folder")

	one, err := weights.FromFloat32s("model.diffusion_model.out.2.weight", []float32{1}, 1)
	require.NoError(t, err)
	path := filepath.Join(dir, "alone.safetensors")
	require.NoError(t, weights.Write(path, []*weights.Tensor{one}, nil))
	fails("unet", path, "it is no pipeline in a single file", "no first_stage_model.… (the autoencoder)")
}
