package diffusion

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/weights"
)

const folder = "../../golden/pipelines"

type goldenCase struct {
	Name      string         `json:"name"`
	Steps     int            `json:"steps"`
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Batch     int            `json:"batch"`
	Prompt    *string        `json:"prompt"`
	Negative  *string        `json:"negative_prompt"`
	Guidance  *float64       `json:"guidance"`
	Strength  *float64       `json:"strength"`
	Scheduler string         `json:"scheduler"`
	Config    map[string]any `json:"scheduler_config"`
	ClipSkip  int            `json:"clip_skip"`
	Image     bool           `json:"init_image"`
	Mask      bool           `json:"mask"`
}

// Every pipeline from prompt to pixels against diffusers.
func TestGoldens(t *testing.T) {
	dev, err := gpu.Open(gpu.Options{Backend: os.Getenv("WGPU_BACKEND")})
	require.NoError(t, err, "the tests need an adapter; on Debian: mesa-vulkan-drivers")
	defer dev.Close()
	pipelines, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range pipelines {
		path := filepath.Join(folder, entry.Name())
		for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
			t.Run(fmt.Sprintf("%s %s", entry.Name(), precision), func(t *testing.T) {
				p, err := Open(context.Background(), dev, path, Options{Precision: precision})
				require.NoError(t, err)
				defer p.Close()
				var cases []goldenCase
				data, err := os.ReadFile(filepath.Join(path, "cases.json"))
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(data, &cases))
				for _, c := range cases {
					t.Run(c.Name, func(t *testing.T) { compare(t, p, path, c) })
				}
			})
		}
	}
}

func compare(t *testing.T, p *Pipeline, path string, c goldenCase) {
	file, err := weights.Open(filepath.Join(path, "cases", c.Name+".safetensors"))
	require.NoError(t, err)
	defer file.Close()
	values := func(name string) []float32 {
		x, ok := file.Tensor(name)
		if !ok {
			return nil
		}
		v := make([]float32, x.Len())
		require.NoError(t, x.Float32s(v))
		return v
	}
	q := p.Defaults()
	q.Items, q.Height, q.Width, q.Steps, q.Negative, q.ClipSkip, q.Scheduler = c.Batch, c.Height, c.Width, c.Steps, c.Negative, c.ClipSkip, c.Scheduler
	if c.Prompt != nil {
		q.Prompts = []string{*c.Prompt}
	}
	if c.Guidance != nil {
		q.Guidance = *c.Guidance
	}
	if c.Strength != nil {
		q.Strength = *c.Strength
	}
	if c.Config != nil {
		own := p.schedule
		defer func() { p.schedule = own }()
		keys, err := json.Marshal(c.Config)
		require.NoError(t, err)
		p.schedule, err = patch(own, string(keys))
		require.NoError(t, err)
	}
	q.Latents, q.Image, q.Mask = values("latents"), values("init_image"), values("mask")
	q.Noise = func(step int) ([]float32, error) { return values(fmt.Sprintf("noise.%d", step)), nil }
	ctx := context.Background()
	r, err := p.Start(ctx, q)
	require.NoError(t, err)
	defer r.Close()
	tolerance := golden.Tolerance{NMSE: 1e-9, MaxAbs: 1e-3}
	if p.Precision == gpu.F16 {
		tolerance = golden.Tolerance{NMSE: 1e-3, MaxAbs: 1}
	}
	check := func(name string, got []float32) {
		want := values(name)
		require.Equal(t, len(want), len(got), name)
		result := golden.Compare(name, got, want, tolerance)
		t.Log(result)
		require.True(t, result.OK(), "%s", result)
	}
	before := p.dev.Stats().Readbacks
	for r.Next() {
		require.NoError(t, r.Step(ctx))
		require.Equal(t, before, p.dev.Stats().Readbacks, "read-backs in the loop")
		latents, err := r.Latents()
		require.NoError(t, err)
		check(fmt.Sprintf("expected.step.%d", r.Done()-1), latents)
		before = p.dev.Stats().Readbacks
	}
	result, err := r.Result(ctx)
	require.NoError(t, err)
	check("expected.latents", result.Latents)
	check("expected.image", result.Image)
}
