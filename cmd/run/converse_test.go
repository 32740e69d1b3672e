package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

const chatDir = "../../golden/chat"

// Turns about a picture, in tiles or whole, and what does not go together.
func TestConverse(t *testing.T) {
	image := filepath.Join("../../golden/picture/src", "tall.png")
	r := call(t, "-model", "smolvlm", "-weights", chatDir, "-image", image, "-chat", "-prompt", "how many 12 hearts are there?", "-prompt", "why?", "-precision", "f32", "-json")
	requireFine(t, r)
	var doc writingJSON
	requireJSON(t, r, &doc)
	x := doc.Images[0]
	assert.Equal(t, 7, x.Tiles)
	assert.Equal(t, 28, x.PictureTokens)
	require.Len(t, x.Turns, 2)
	assert.Equal(t, "why?", x.Turns[1].Prompt)
	assert.Equal(t, []uint32{193, 108, 3}, x.Turns[0].Tokens)
	assert.EqualValues(t, "eos", x.Turns[0].Stopped)
	assert.Equal(t, x.Turns[1].Tokens, x.Tokens)
	assert.Equal(t, 10, doc.Tokens)
	assert.GreaterOrEqual(t, doc.Memory.MaxTokens, 89+7)

	r = call(t, "-model", "smolvlm", "-weights", chatDir, "-image", image, "-prompt", "why?", "-tiles", "1")
	requireFine(t, r)
	assert.Contains(t, r.stderr, "1 tile, 4 picture tokens")
	r = call(t, "-model", "smolvlm", "-weights", chatDir, "-image", image, "-prompt", "why?")
	requireFine(t, r)
	assert.Contains(t, r.stderr, "7 tiles, 3 rows of 2 and the whole picture: 28 picture tokens; -tiles 1 takes the whole alone")

	for _, args := range [][]string{
		{"-model", "smolvlm", "-weights", chatDir, "-image", image},
		{"-model", "smolvlm", "-weights", chatDir, "-image", image, "-chat"},
		{"-model", "smolvlm", "-weights", chatDir, "-image", image, "-prompt", "a", "-prompt", "b"},
		{"-model", "smolvlm", "-weights", chatDir, "-image", image, "-prompt", "a", "-tiles", "2"},
		{"-model", "smolvlm", "-weights", chatDir, "-image", image, "-prompt", "a", "-explain", "x.png"},
		{"-model", "blip", "-image", image, "-tiles", "1"},
		{"-model", "vit", "-image", image, "-chat"},
	} {
		assert.Equal(t, cli.ExitUsage, call(t, args...).code, args)
	}
}
