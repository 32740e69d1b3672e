package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"saccade/cmd/internal/cli"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsageErrors(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 8, 8, 1)
	for _, c := range []struct {
		args  string
		parts []string
	}{
		{"", []string{"no model", "-list-models"}},
		{"-model vit", []string{"no input", "-image"}},
		{"-image " + pic, []string{"no model"}},
		{"-modle vit", []string{"-modle", "nearest is -model"}},
		{"--imge x", []string{"nearest is -image"}},
		{"-model vti -image " + pic, []string{`"vti"`, `nearest is "vit"`}},
		{"-model vit_b16 -image " + pic, []string{`nearest is "vit_b_16"`}},
		{"-model vit -image", []string{"needs an argument", "-image"}},
		{"-model vit -image " + pic + " extra", []string{`"extra"`}},
		{"-model vit -image " + pic + " -top x", []string{`-top "x"`, "whole number"}},
		{"-model vit -image " + pic + " -top -1", []string{`-top "-1"`, "at least 0"}},
		{"-model vit -image " + pic + " -batch 0", []string{`-batch "0"`, "at least 1"}},
		{"-model vit -image " + pic + " -precision f64", []string{"f64", "f16 or f32"}},
		{"-model vit -image " + pic + " -backend vulcan", []string{"vulcan", "nearest is vulkan"}},
		{"-model vit -image " + pic + " -json=perhaps", []string{"-json", "true or false"}},
		{"-model vit -image " + pic + " -size 0", []string{"-size", "HxW"}},
		{"-model vit -image " + pic + " -size big", []string{"-size"}},
		{"-model vit -image " + pic + " -crop 7x", []string{"-crop", "fraction"}},
		{"-model vit -image " + pic + " -mean 1,2", []string{"-mean", "three"}},
		{"-model vit -image " + pic + " -std a", []string{"-std", "three"}},
		{"-model vit -image " + pic + " -std 0", []string{"-std"}},
		{"-model vit -image " + pic + " -background 1,2,300", []string{"-background", "0…255"}},
		{"-model vit -image " + pic + " -input x", []string{"exclude each other"}},
		{"-model vit -image " + pic + " -attention", []string{"-attention needs -save"}},
		{"-model vit -eval x -save y", []string{"-save"}},
		{"-model vit -eval x -verify", []string{"-eval"}},
		{"-verify -image " + pic, []string{"no model"}},
		{"---model", []string{"bad flag syntax"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			requireError(t, call(t, strings.Fields(c.args)...), cli.ExitUsage, c.parts...)
		})
	}
}

func TestEnvironmentErrors(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 8, 8, 1)
	for variable, c := range map[string]struct {
		value string
		parts []string
	}{
		"WGPU_BACKEND":          {"vulcan", []string{"WGPU_BACKEND", "vulkan"}},
		"WGPU_POWER_PREFERENCE": {"none at all", []string{"WGPU_POWER_PREFERENCE", "low"}},
		"SACCADE_DEBUG":         {"posion", []string{"SACCADE_DEBUG", "posion", "poison"}},
	} {
		getenv := func(name string) string {
			if name == variable {
				return c.value
			}
			return ""
		}
		requireError(t, callWith(t, context.Background(), getenv, "-model", "vit", "-image", pic), cli.ExitUsage, c.parts...)
	}
}

func TestHelp(t *testing.T) {
	for _, c := range []struct {
		args    []string
		has     []string
		without []string
	}{
		{[]string{"-h"}, []string{"-model NAME", "-prompt TEXT", "run -h all"}, []string{"-clip-skip", "WGPU_ADAPTER_NAME"}},
		{[]string{"--help"}, []string{"-model NAME"}, []string{"-clip-skip"}},
		{[]string{"-h", "all"}, []string{"-list-devices", "-precision f16|f32", "-clip-skip", "WGPU_ADAPTER_NAME", "Exit codes"}, nil},
		{[]string{"-model", "vit", "-h"}, []string{"vision transformers", "-crop"}, []string{"-prompt TEXT", "-text TEXT", "-tiled"}},
		{[]string{"-model", "clip", "-h"}, []string{"-text TEXT", "-similar"}, []string{"-prompt TEXT"}},
		{[]string{"-model", "sd", "-h"}, []string{"-prompt TEXT", "-tiled"}, []string{"-crop", "-text TEXT", "-similar"}},
		{[]string{"-model", "vae", "-h"}, []string{"-tiled", "-input"}, []string{"-prompt TEXT", "-crop"}},
	} {
		r := call(t, c.args...)
		requireFine(t, r)
		assert.Empty(t, r.stderr)
		for _, name := range c.has {
			assert.Contains(t, r.stdout, name, c.args)
		}
		for _, name := range c.without {
			assert.NotContains(t, r.stdout, name, c.args)
		}
	}
	requireError(t, call(t, "-model", "vti", "-h"), cli.ExitUsage, `"vit"`)
	r := call(t, "-version")
	requireFine(t, r)
	assert.Contains(t, r.stdout, "saccade "+cli.Version)
}

// Every flag stands in the table of tasks once.
func TestTasks(t *testing.T) {
	var inTable []string
	for _, task := range tasks {
		inTable = append(inTable, slices.Concat(task.everyday, task.more)...)
	}
	flags := slices.Collect(maps.Keys(flagTable()))
	flags = slices.DeleteFunc(flags, func(name string) bool { return name == "help" }) // -h by its other name
	assert.ElementsMatch(t, flags, inTable)
}

// What bash offers after some words; the other shells' scripts name every flag.
func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  []string
	}{
		{[]string{"run", "-mo"}, []string{"-model"}},
		{[]string{"run", "-model", "siglip"}, []string{"siglip", "siglip_b_16", "siglip_b_16_text"}},
		{[]string{"run", "--precision", ""}, []string{"f16", "f32"}},
		{[]string{"run", "-json", "-verif"}, []string{"-verify"}},
	} {
		r := call(t, "-completion", "bash")
		requireFine(t, r)
		script := fmt.Sprintf("%s\nCOMP_WORDS=(%s \"%s\"); COMP_CWORD=%d; _saccade_run; printf '%%s\\n' \"${COMPREPLY[@]}\"", r.stdout, strings.Join(c.words[:len(c.words)-1], " "), c.words[len(c.words)-1], len(c.words)-1)
		out, err := exec.Command("bash", "-c", script).CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Subset(t, strings.Fields(string(out)), c.want)
		assert.LessOrEqual(t, len(strings.Fields(string(out))), len(c.want)+1)
	}
	for _, shell := range []string{"zsh", "fish"} {
		r := call(t, "-completion", shell)
		requireFine(t, r)
		for name := range flagTable() {
			if name != "help" {
				assert.Regexp(t, `(-o |\*-)`+name+`[ \[]`, r.stdout)
			}
		}
	}
	requireError(t, call(t, "-completion", "bsh"), cli.ExitUsage, "bash")
}

func TestBothDashes(t *testing.T) {
	requireFine(t, call(t, "--list-models", "--json"))
}

func TestAdapterChoice(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 8, 8, 1)
	requireError(t, call(t, "-model", "vit", "-image", pic, "-adapter", "no such adapter", "-json"), cli.ExitNoAdapter, `"no such adapter"`, "there are")
	requireError(t, call(t, "-list-devices", "-adapter", "no such adapter"), cli.ExitNoAdapter, `"no such adapter"`)
	getenv := func(name string) string {
		if name == "WGPU_ADAPTER_NAME" {
			return "no such adapter"
		}
		return os.Getenv(name)
	}
	requireError(t, callWith(t, context.Background(), getenv, "-model", "vit", "-image", pic), cli.ExitNoAdapter, `"no such adapter"`)
	var doc struct{ Devices []map[string]any }
	all := call(t, "-list-devices", "-json")
	requireFine(t, all)
	requireJSON(t, all, &doc)
	name := doc.Devices[0]["name"].(string)
	requireFine(t, call(t, "-model", "vit", "-image", pic, "-adapter", strings.ToUpper(name)))
}

func TestNoAdapter(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 8, 8, 1)
	none := []string{"VK_DRIVER_FILES=/nonexistent", "VK_ICD_FILENAMES=/nonexistent", "WGPU_BACKEND="}
	for _, args := range [][]string{{"-model", "vit", "-image", pic, "-json"}, {"-list-devices"}, {"-verify"}} {
		requireError(t, finish(t, subprocess(t, none, args...)), cli.ExitNoAdapter, "mesa-vulkan-drivers")
	}
}
