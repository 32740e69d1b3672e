package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// -tune fills the table on the way, later calls take what it found and can say why.
func TestTune(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuning.json")
	args := []string{"-model", "resnet", "-image", "../../zoo/pictures/cat.jpg", "-top", "1", "-tuning", file}
	standard := call(t, args...)
	require.Equal(t, cli.ExitFine, standard.code)
	assert.NoFileExists(t, file, "nothing is written without -tune")

	first := call(t, append(args, "-tune", "-tune-budget", "1ms")...)
	require.Equal(t, cli.ExitFine, first.code)
	assert.Contains(t, first.stderr, "tuned 1 operations")
	assert.Contains(t, first.stderr, "are left, for the next -tune or a longer -tune-budget")
	rest := call(t, append(args, "-tune")...)
	require.Equal(t, cli.ExitFine, rest.code)
	assert.NotContains(t, rest.stderr, "are left")
	nothing := call(t, append(args, "-tune")...)
	assert.Contains(t, nothing.stderr, "tuned 0 operations")

	tuned := call(t, append(args, "-why")...)
	require.Equal(t, cli.ExitFine, tuned.code)
	assert.Contains(t, tuned.stderr, "the default")
	assert.Contains(t, tuned.stderr, "the fastest that is right")
	assert.NotContains(t, tuned.stderr, "it was not tuned")
	assert.Contains(t, tuned.stdout, "cat")

	plain := call(t, append(args, "-why", "-tuning", "off")...)
	assert.Contains(t, plain.stderr, "by default: it was not tuned")
	assert.Equal(t, standard.stdout, plain.stdout)
}

// A table that can't be read is one line, and the call goes on without it.
func TestDamagedTuning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuning.json")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	env := func(name string) string {
		if name == "SACCADE_TUNING" {
			return file
		}
		return os.Getenv(name)
	}
	r := callWith(t, context.Background(), env, "-model", "vit", "-image", "../../zoo/pictures/cat.jpg", "-json")
	assert.Equal(t, cli.ExitFine, r.code)
	assert.Equal(t, 1, strings.Count(r.stderr, file), r.stderr)
	assert.Contains(t, r.stderr, "is ignored")
	assert.True(t, strings.HasPrefix(r.stdout, "{"))
	assert.FileExists(t, file)

	for _, args := range [][]string{{"-tune", "-tuning", "off"}, {"-tune-budget", "0s"}, {"-tune-budget", "soon"}} {
		r = call(t, append([]string{"-model", "vit", "-image", "../../zoo/pictures/cat.jpg"}, args...)...)
		assert.Equal(t, cli.ExitUsage, r.code, args)
		assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	}
}
