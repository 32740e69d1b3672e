package golden

import (
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPipelineCasesAreComplete(t *testing.T) {
	require.Len(t, Pipelines(), 14)
	for _, name := range Pipelines() {
		cases, err := PipelineCases(name)
		require.NoError(t, err)
		require.NotEmpty(t, cases, name)
		for _, c := range cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				tensors, err := c.Load()
				require.NoError(t, err)
				checkInputs(t, c, tensors)
				checkOutputs(t, c, tensors)
			})
		}
	}
}

func checkInputs(t *testing.T, c PipelineCase, tensors map[string]Tensor) {
	require.Contains(t, tensors, "latents")
	assert.Equal(t, max(c.Batch, c.Frames), tensors["latents"].Shape[0])
	assert.Equal(t, c.InitImage, c.Strength > 0)
	require.Equal(t, c.InitImage, tensors["init_image"].Data != nil)
	if c.InitImage {
		assert.Equal(t, []int{c.Batch, 3, c.Height, c.Width}, tensors["init_image"].Shape)
	}
	require.Equal(t, c.Mask, tensors["mask"].Data != nil)
	if c.Mask {
		assert.Equal(t, []int{1, 1, c.Height, c.Width}, tensors["mask"].Shape)
		assert.Subset(t, []float32{0, 1}, tensors["mask"].Data)
	}
	if noise, ok := tensors["noise.0"]; ok {
		assert.Equal(t, tensors["latents"].Shape, noise.Shape)
		assert.Contains(t, tensors, fmt.Sprintf("noise.%d", c.Steps-1))
	}
}

func checkOutputs(t *testing.T, c PipelineCase, tensors map[string]Tensor) {
	require.Contains(t, tensors, "expected.step.0")
	last := 0
	for tensors[fmt.Sprintf("expected.step.%d", last+1)].Data != nil {
		last++
	}
	assert.Equal(t, tensors["latents"].Shape, tensors["expected.latents"].Shape)
	assert.Equal(t, tensors[fmt.Sprintf("expected.step.%d", last)], tensors["expected.latents"])
	assert.Equal(t, []int{max(c.Batch, c.Frames), 3, c.Height, c.Width}, tensors["expected.image"].Shape)
	assert.Equal(t, c.Prompt != "", tensors["expected.prompt_embeds"].Data != nil)
	assert.Equal(t, strings.Contains(c.Pipeline, "XL"), tensors["expected.pooled_prompt_embeds"].Data != nil)
	guided := c.Guidance > 1 && c.Pipeline != "LatentConsistencyModelPipeline"
	assert.Equal(t, guided, tensors["expected.negative_prompt_embeds"].Data != nil)
	for name, tensor := range tensors {
		for _, v := range tensor.Data {
			require.Less(t, math.Abs(float64(v)), 100.0, name) // NaN is not less
		}
	}
}

func TestPipelineFoldersAreDiffusers(t *testing.T) {
	for _, name := range Pipelines() {
		folder, err := PipelineFS(name)
		require.NoError(t, err)
		if cases, _ := PipelineCases(name); cases[0].Weights != "" {
			continue
		}
		for _, file := range []string{"model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"} {
			_, err := fs.Stat(folder, file)
			assert.NoError(t, err, "%s %s", name, file)
		}
	}
	_, err := PipelineCases("sd9_tiny")
	assert.ErrorContains(t, err, "sd1_tiny,")
	_, err = PipelineCase{Folder: "sd1_tiny", Name: "none"}.Load()
	assert.ErrorContains(t, err, "case none")
}

// A pipeline takes at most 1 MiB, all of them 5.5 MiB: they are part of every
// clone.
func TestPipelineSizes(t *testing.T) {
	var all int64
	for _, name := range Pipelines() {
		folder, err := PipelineFS(name)
		require.NoError(t, err)
		var size int64
		require.NoError(t, fs.WalkDir(folder, ".", func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				size += info.Size()
			}
			return err
		}))
		assert.LessOrEqual(t, size, int64(1<<20), name)
		all += size
	}
	assert.LessOrEqual(t, all, int64(22<<18))
	t.Logf("all pipelines: %d KiB", all>>10)
}
