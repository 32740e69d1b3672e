package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models"
)

// The codes are a contract with scripts.
func TestExitCodes(t *testing.T) {
	ended, stop := context.WithCancel(context.Background())
	stop()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		code int
		line string
	}{
		{"fine", context.Background(), nil, 0, ""},
		{"failure", context.Background(), errors.New("no such file"), 1, "no such file"},
		{"lines", context.Background(), errors.Join(errors.New("one"), errors.New("two\n")), 1, "one; two"},
		{"usage", context.Background(), Usagef("-size %d", 0), 2, "-size 0"},
		{"wrapped usage", context.Background(), fmt.Errorf("flags: %w", Usage(errors.New("x"))), 2, "flags: x"},
		{"unknown model", context.Background(), &models.UnknownModelError{Name: "vti", Nearest: "vit"}, 2, `the nearest is "vit"`},
		{"no adapter", context.Background(), fmt.Errorf("%w: none", gpu.ErrNoAdapter), 3, "none"},
		{"mismatch", context.Background(), fmt.Errorf("%w: add", ErrMismatch), 4, "verification failed: add"},
		{"interrupted", ended, fmt.Errorf("forward: %w", context.Canceled), 130, "interrupted"},
		{"failure before the interrupt", ended, errors.New("no such file"), 1, "no such file"},
		{"canceled by something else", context.Background(), context.Canceled, 1, "canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			assert.Equal(t, c.code, Exit(c.ctx, &stderr, "run", c.err))
			if c.err == nil {
				assert.Empty(t, stderr.String())
				return
			}
			assert.True(t, strings.HasPrefix(stderr.String(), "run: "), stderr.String())
			assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
			assert.Contains(t, stderr.String(), c.line)
		})
	}
}

func TestParse(t *testing.T) {
	flags := func() (f *flag.FlagSet, n *int) {
		f, n = NewFlagSet("run"), new(int)
		f.Bool("json", false, "")
		f.Bool("h", false, "")
		f.String("model", "", "")
		f.Func("top", "", Whole(n, 0, 9))
		return f, n
	}
	for _, c := range []struct{ args, want string }{
		{"-modle x", "flag -modle is unknown; the nearest is -model (-h prints all)"},
		{"--modle=x", "flag -modle is unknown; the nearest is -model (-h prints all)"},
		{"-model", "flag needs an argument: -model"},
		{"---model", "bad flag syntax: ---model"},
		{"-json=perhaps", `-json "perhaps": expected true or false`},
		{"-top x", `-top "x": expected a whole number from 0 to 9`},
		{`-top "for":-top:1`, `-top "\"for\":-top:1": expected a whole number from 0 to 9`},
		{"-top -1", `-top "-1": expected a whole number from 0 to 9`},
		{"-top 10", `-top "10": expected a whole number from 0 to 9`},
	} {
		f, _ := flags()
		err := Parse(f, strings.Fields(c.args))
		require.EqualError(t, err, c.want, c.args)
		var usage usageError
		assert.ErrorAs(t, err, &usage, c.args)
	}
	f, n := flags()
	require.NoError(t, Parse(f, strings.Fields("--model vit -top 9 -h a.png -json")))
	assert.Equal(t, 9, *n)
	assert.Equal(t, []string{"a.png", "-json"}, f.Args())
}

func TestOptional(t *testing.T) {
	for args, want := range map[string]Optional{
		"":                     {},
		"-upscale":             {Given: true},
		"-upscale -json":       {Given: true},
		"-upscale x.pth -json": {Given: true, Value: "x.pth"},
		"--upscale=x.pth":      {Given: true, Value: "x.pth"},
		"-model -upscale":      {},
	} {
		f := NewFlagSet("run")
		var got Optional
		f.Var(&got, "upscale", "")
		f.String("model", "", "")
		f.Bool("json", false, "")
		require.NoError(t, Parse(f, strings.Fields(args)), args)
		assert.Equal(t, want, got, args)
	}
}

func TestChoice(t *testing.T) {
	environment := func(pairs map[string]string) func(string) string {
		return func(name string) string { return pairs[name] }
	}
	c := Choice{}
	name, err := c.BackendName(environment(map[string]string{"WGPU_BACKEND": "Primary"}))
	require.NoError(t, err)
	assert.Empty(t, name, "the platform's")
	all := environment(map[string]string{"WGPU_BACKEND": "GL", "WGPU_ADAPTER_NAME": "llvmpipe"})
	name, err = c.BackendName(all)
	require.NoError(t, err)
	assert.Equal(t, "gl", name)
	assert.Equal(t, "llvmpipe", c.AdapterText(all))

	f := NewFlagSet("run")
	c.Flags(f)
	require.NoError(t, Parse(f, strings.Fields("-backend Vulkan -adapter nvidia")))
	name, err = c.BackendName(all)
	require.NoError(t, err)
	assert.Equal(t, "vulkan", name, "flags come first")
	assert.Equal(t, "nvidia", c.AdapterText(all), "flags come first")
	assert.EqualError(t, Parse(f, strings.Fields("-backend vulcan")), `-backend "vulcan": expected vulkan, metal, dx12 or gl; the nearest is vulkan`)

	for variable, want := range map[string]string{
		"WGPU_BACKEND":          `WGPU_BACKEND "wrong": expected vulkan, metal, dx12 or gl`,
		"WGPU_POWER_PREFERENCE": `WGPU_POWER_PREFERENCE "wrong": expected low, high or none`,
		"SACCADE_DEBUG":         "SACCADE_DEBUG: ",
	} {
		c := Choice{}
		_, err := c.Open(environment(map[string]string{variable: "wrong"}), os.Stderr)
		var usage usageError
		require.ErrorAs(t, err, &usage, variable)
		assert.ErrorContains(t, err, want)
	}
}

func TestIsTerminal(t *testing.T) {
	assert.False(t, IsTerminal(new(bytes.Buffer)))
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer file.Close()
	assert.False(t, IsTerminal(file))
}
