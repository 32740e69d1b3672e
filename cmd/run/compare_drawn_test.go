package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/picture"
)

// A generator beside pipelines on one sheet, of the same seeds; what does not fit is refused.
func TestCompareDrawn(t *testing.T) {
	styled, plain := filepath.Join("..", "..", "golden", "models", "gan_stylegan2", "model.pt"), filepath.Join("..", "..", "golden", "models", "gan_dcgan", "model.pt")
	sd, ddpm, dir := pipelineFolder(t, "sd1_tiny"), pipelineFolder(t, "ddpm_tiny"), t.TempDir()
	out := filepath.Join(dir, "sheet.png")
	all := fmt.Sprintf("gan=%s,sd=%s,ddpm=%s", styled, sd, ddpm)
	args := []string{"-prompt", "a red apple", "-seed", "4", "-batch", "2", "-steps", "2", "-scheduler", "ddim", "-o", out}
	r := call(t, append([]string{"-compare", all, "-truncation", "0.7", "-json"}, args...)...)
	requireFine(t, r)
	var doc sheetJSON
	requireJSON(t, r, &doc)
	assert.Equal(t, []uint64{4, 5}, doc.Seeds)
	require.Len(t, doc.Models, 3)
	assert.Equal(t, []any{"gan", 16, 16, 1}, []any{doc.Models[0].Model, doc.Models[0].Width, doc.Models[0].Height, doc.Models[0].Steps})
	assert.Equal(t, []any{"sd", 40, 40, 2}, []any{doc.Models[1].Model, doc.Models[1].Width, doc.Models[1].Height, doc.Models[1].Steps})
	assert.Equal(t, "ddpm", doc.Models[2].Model)
	for _, m := range doc.Models {
		assert.Positive(t, m.Image)
	}
	img, err := picture.Open(out, picture.DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, [2]int{doc.Written.Width, doc.Written.Height}, [2]int{img.W, img.H})
	assert.Greater(t, img.W, 3*128)

	bad := func(code int, want, models string, more ...string) {
		t.Helper()
		requireError(t, call(t, append([]string{"-compare", models}, more...)...), code, want)
	}
	both := fmt.Sprintf("gan=%s,sd=%s", plain, sd)
	bad(cli.ExitUsage, "the generator has no styles", both, append(args, "-truncation", "0.5")...)
	bad(cli.ExitUsage, "which makes no pictures", both+",vit", args...)
	bad(cli.ExitUsage, "two models or more", "sd="+sd, args...)
	bad(cli.ExitUsage, "0 prompts", both, "-o", out)
	bad(cli.ExitUsage, "needs -o FILE.png", both, "-prompt", "a")
	bad(cli.ExitUsage, "none of the models takes one", fmt.Sprintf("gan=%s,ddpm=%s", plain, ddpm), args...)
	bad(cli.ExitUsage, "-truncation goes with", fmt.Sprintf("sd=%s,ddpm=%s", sd, ddpm), append(args, "-truncation", "0.5")...)
	bad(cli.ExitUsage, "-image does not go with", both, append(args, "-image", "x.png")...)
	bad(cli.ExitUsage, "at most 8 seeds", both, "-prompt", "a", "-o", out, "-batch", "9")
	bad(cli.ExitUsage, "the nearest is", both, "-prompt", "a", "-o", out, "-scheduler", "dim")
	bad(cli.ExitUsage, "multiples of 8", both, append(args, "-width", "30")...)
	bad(cli.ExitUsage, "it draws videos", both+",video", args...)
}
