package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// An IP-Adapter changes the picture as far as it has weight; what does not fit is refused.
func TestIPAdapter(t *testing.T) {
	sd, ips, dir := pipelineFolder(t, "sd1_tiny"), pipelineFolder(t, "ip_tiny"), t.TempDir()
	photo := filepath.Join("..", "..", "zoo", "pictures", "cat.jpg")
	args := []string{"-model", "sd", "-weights", sd, "-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "2", "-seed", "3"}
	draw := func(name string, more ...string) []byte {
		path := filepath.Join(dir, name+".png")
		requireFine(t, call(t, append(append([]string{}, args...), append(more, "-o", path)...)...))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	plain := filepath.Join(ips, "sd1_plain.safetensors")
	some := draw("some", "-ip-adapter", plain+":0.5", "-ip-image", photo)
	assert.Contains(t, string(some), "IP-Adapter 0: sd1_plain.safetensors:0.5")
	assert.NotEqual(t, some, draw("all", "-ip-adapter", plain, "-ip-image", photo))
	draw("two", "-ip-adapter", plain, "-ip-image", photo, "-ip-adapter", filepath.Join(ips, "sd1_plus.safetensors"), "-ip-image", photo, "-image-encoder", filepath.Join(ips, "image_encoder"))

	bad := func(code int, want string, more ...string) {
		t.Helper()
		requireError(t, call(t, append(append([]string{}, args...), append(more, "-o", filepath.Join(dir, "bad.png"))...)...), code, want)
	}
	bad(cli.ExitUsage, "0 -ip-image for 1 -ip-adapter", "-ip-adapter", plain)
	bad(cli.ExitUsage, "give -ip-adapter FILE", "-ip-image", photo)
	bad(cli.ExitUsage, "expected 0 to 100", "-ip-adapter", plain+":-1", "-ip-image", photo)
	bad(cli.ExitFailure, "it is for another base: its tokens are of width 30 and the pipeline's prompts of 20", "-ip-adapter", filepath.Join(ips, "sdxl_plain.safetensors"), "-ip-image", photo)
	bad(cli.ExitFailure, "the checkpoint is no IP-Adapter", "-ip-adapter", filepath.Join(sd, "unet", "diffusion_pytorch_model.safetensors"), "-ip-image", photo, "-image-encoder", filepath.Join(ips, "image_encoder"))
	bad(cli.ExitFailure, "there is no folder image_encoder beside it", "-ip-adapter", filepath.Join(sd, "unet", "diffusion_pytorch_model.safetensors"), "-ip-image", photo)
	bad(cli.ExitFailure, "loading the image tower", "-ip-adapter", plain, "-ip-image", photo, "-image-encoder", filepath.Join("..", "..", "golden", "models", "siglip_vision"))
	bad(cli.ExitFailure, "none.png", "-ip-adapter", plain, "-ip-image", "none.png")
}
