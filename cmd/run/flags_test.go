package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"saccade/cmd/internal/cli"

	"github.com/stretchr/testify/assert"
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
	for _, flag := range []string{"-h", "--help"} {
		r := call(t, flag)
		requireFine(t, r)
		assert.Empty(t, r.stderr)
		for _, name := range []string{"-model NAME", "-list-devices", "-precision f16|f32", "WGPU_ADAPTER_NAME", "Exit codes"} {
			assert.Contains(t, r.stdout, name)
		}
	}
	r := call(t, "-version")
	requireFine(t, r)
	assert.Contains(t, r.stdout, "saccade")
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
