package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"saccade/cmd/internal/kernels"
	"saccade/shaders"
)

// verdict is a row of the table: what one tool says of all kernels.
type verdict struct {
	tool   string
	judged int
	wrong  []string // a line for each kernel
	left   []string // kernels that the tool is not asked about, each with the extension that it lacks
}

// leaves says whether a kernel is in need of an extension of WGSL that the tool lacks, which it notes.
func (v *verdict) leaves(u kernels.Use, lacking []string) bool {
	for _, extension := range shaders.Extensions(u.Kernel.WGSL) {
		if slices.Contains(lacking, extension) {
			v.left = append(v.left, fmt.Sprintf("%s %s (%s)", u.Kernel, u.Precision, extension))
			return true
		}
	}
	return false
}

// portable has the compilers of other systems judge the kernels.
func (p *proof) portable(ctx context.Context) error {
	if err := need(naga, node, spirvVal); err != nil {
		return err
	}
	if err := p.collect(p.classes, extensions); err != nil {
		return err
	}
	folder, err := p.write("portable")
	if err != nil {
		return err
	}
	tint, err := p.tint(ctx, folder)
	if err != nil {
		return err
	}
	all := []verdict{tint}
	for _, x := range []struct {
		name    string
		lacking []string
		command func(i int) []string
	}{
		{"naga: SPIR-V, HLSL 6.2, Metal 2.1", nil, func(i int) []string {
			return []string{"naga", file(folder, i, "naga.wgsl"), file(folder, i, "spv"), file(folder, i, "hlsl"), file(folder, i, "metal"),
				"--spirv-version", "1.3", "--shader-model", "62", "--metal-version", "2.1"}
		}},
		{"naga: GLSL 430", glslLacks, func(i int) []string {
			return []string{"naga", file(folder, i, "naga.wgsl"), file(folder, i, "comp"), "--profile", "core430"}
		}},
		{"spirv-val: Vulkan 1.1", nil, func(i int) []string {
			return []string{"spirv-val", "--target-env", "vulkan1.1", file(folder, i, "spv")}
		}},
	} {
		v, err := p.each(ctx, x.name, x.lacking, x.command)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	return p.judge(all)
}

// glslLacks: GLSL has halves by extensions that naga does not write.
var glslLacks = []string{"f16"}

// judge prints the table, and fails where something is wrong.
func (p *proof) judge(all []verdict) error {
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "tool\tkernels\twrong\tleft out\t")
	wrong := 0
	for _, v := range all {
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t\n", v.tool, v.judged, len(v.wrong), len(v.left))
		wrong += len(v.wrong)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, v := range all {
		for _, line := range v.wrong {
			fmt.Fprintf(p.stdout, "%s: %s\n", v.tool, line)
		}
		v.printLeft(p.stdout)
	}
	if wrong > 0 {
		return fmt.Errorf("%d verdicts are against a kernel", wrong)
	}
	return nil
}

// printLeft names what was left out.
func (v verdict) printLeft(w io.Writer) {
	if len(v.left) > 0 {
		fmt.Fprintf(w, "%s: left out, for what it lacks: %s\n", v.tool, strings.Join(v.left, "; "))
	}
}

// each runs a program once for each kernel, but for those in need of an extension that it lacks.
func (p *proof) each(ctx context.Context, name string, lacking []string, command func(i int) []string) (verdict, error) {
	v := verdict{tool: name}
	for i, u := range p.uses {
		if v.leaves(u, lacking) {
			continue
		}
		words := command(i)
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		v.judged++
		if err != nil {
			v.wrong = append(v.wrong, wrongly(u, i, said(out, err)))
		}
	}
	return v, nil
}

func wrongly(u kernels.Use, i int, text string) string {
	return fmt.Sprintf("%04d %s %s: %s", i, u.Kernel, u.Precision, text)
}

// tint has Chromium's compiler judge the WGSL, by the npm package in the folder of tools.
func (p *proof) tint(ctx context.Context, folder string) (verdict, error) {
	v := verdict{tool: "Tint: WGSL, uniformity"}
	modules := filepath.Join(p.folder, "node_modules")
	args := []string{"scripts/proof/tint.js", modules}
	index := map[string]int{}
	for i := range p.uses {
		path := file(folder, i, "wgsl")
		args, index[filepath.Base(path)] = append(args, path), i
	}
	cmd := exec.CommandContext(ctx, "node", args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return v, fmt.Errorf("tint, by the npm package webgpu in %s: %s", modules, said(log.Bytes(), err))
	}
	for line := range strings.Lines(string(out)) {
		var answer struct {
			File     string
			Messages []string
			Checked  int
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			return v, fmt.Errorf("tint: %w", err)
		}
		v.judged += answer.Checked
		if answer.File != "" {
			i := index[answer.File]
			v.wrong = append(v.wrong, wrongly(p.uses[i], i, strings.Join(answer.Messages, "; ")))
		}
	}
	if v.judged != len(p.uses) {
		return v, errors.New("tint: it ended too early")
	}
	return v, nil
}
