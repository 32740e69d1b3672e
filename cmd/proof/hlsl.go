package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"saccade/cmd/internal/kernels"
	"saccade/gpu"
)

// slow is how long a compiler of DirectX 12 may take for a kernel, in seconds.
const slow = 2.0

// tooLong is when a compiler is not waited for any more.
const tooLong = 30 * time.Second

// hlsl has Microsoft's compilers translate one kernel of each name and variant: DXC those of all
// classes, FXC those of its own, for it compiles no others.
func (p *proof) hlsl(ctx context.Context) error {
	if err := need(naga, mingw, wine); err != nil {
		return err
	}
	var all []verdict
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "compiler\tseconds\tkernel\t")
	for _, c := range []dxCompiler{{"dxc", "62", p.classes, extensions}, {"fxc", "51", string(gpu.ClassFXC), nil}} {
		if p.with != "" && p.with != c.name {
			continue
		}
		q := *p
		took, some, err := q.by(ctx, c)
		if err != nil {
			return err
		}
		all = append(all, some...)
		for i, u := range q.uses {
			fmt.Fprintf(tab, "%s\t%s\t%s\t\n", c.name, took[i], u.Kernel)
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("-with %q: expected dxc or fxc", p.with)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	return p.judge(all)
}

// A dxCompiler is one of DirectX 12's, with naga's name of its shader model, the classes of adapters
// whose kernels it compiles, and the extensions of WGSL that those have then.
type dxCompiler struct {
	name, model, classes string
	extensions           []string
}

// by gathers the kernels that a compiler may have to compile, and has it do so.
func (p *proof) by(ctx context.Context, c dxCompiler) (took []string, all []verdict, err error) {
	if err := p.collect(c.classes, c.extensions); err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	p.uses = slices.DeleteFunc(p.uses, func(u kernels.Use) bool {
		again := seen[u.Kernel.String()]
		seen[u.Kernel.String()] = true
		return again
	})
	folder, err := p.write("hlsl-" + c.name)
	if err != nil {
		return nil, nil, err
	}
	if err := p.hlslTools(ctx, folder); err != nil {
		return nil, nil, err
	}
	translated, err := p.each(ctx, "naga: HLSL for "+c.name, nil, func(i int) []string {
		return []string{"naga", file(folder, i, "naga.wgsl"), file(folder, i, "hlsl"), "--shader-model", c.model}
	})
	if err != nil {
		return nil, nil, err
	}
	took, compiled, err := p.compile(ctx, folder, c.name)
	return took, []verdict{translated, compiled}, err
}

// hlslTools builds scripts/proof/hlsl.c beside the compilers' libraries, which the npm package has.
func (p *proof) hlslTools(ctx context.Context, folder string) error {
	out, err := exec.CommandContext(ctx, mingw[0], "-O1", "-Wall", "-o", filepath.Join(folder, "hlsl.exe"), "scripts/proof/hlsl.c").CombinedOutput()
	if err != nil {
		return fmt.Errorf("compiling scripts/proof/hlsl.c: %s", said(out, err))
	}
	for _, name := range []string{"d3dcompiler_47.dll", "dxcompiler.dll"} {
		data, err := os.ReadFile(filepath.Join(p.folder, "node_modules", "webgpu", "dist", "win32-x64", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), data, 0o666)
		}
		if err != nil {
			return fmt.Errorf("%w; the npm package webgpu has it", err)
		}
	}
	return nil
}

// compile has one compiler translate all files, in one process that is started again after a file
// for which it took too long, and at one where it ended, once. Took are the seconds of each.
func (p *proof) compile(ctx context.Context, folder, compiler string) (took []string, v verdict, err error) {
	v.tool = compiler
	took = make([]string, len(p.uses))
	for next := 0; next < len(p.uses); {
		cmd := exec.CommandContext(ctx, "wine", append([]string{"hlsl.exe", compiler}, p.names(next)...)...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "WINEDEBUG=-all", "WINEDLLOVERRIDES=d3dcompiler_47=n", "DISPLAY=")
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			return nil, v, err
		}
		if err := cmd.Start(); err != nil {
			return nil, v, err
		}
		began := next
		lines := bufio.NewScanner(pipe)
		for next < len(p.uses) {
			timer := time.AfterFunc(tooLong, func() { cmd.Process.Kill() })
			more := lines.Scan()
			if waiting := timer.Stop(); !more {
				if waiting && ctx.Err() == nil && next > began {
					break
				}
				if waiting || ctx.Err() != nil {
					return nil, v, errors.Join(ctx.Err(), fmt.Errorf("%s ended at %s", compiler, p.uses[next].Kernel))
				}
				took[next] = fmt.Sprintf("> %.0f", tooLong.Seconds())
				v.wrong = append(v.wrong, wrongly(p.uses[next], next, "not done after "+tooLong.String()))
				next++
				break
			}
			fields := strings.SplitN(lines.Text(), "\t", 3)
			if len(fields) != 3 {
				return nil, v, fmt.Errorf("%s printed %q", compiler, lines.Text())
			}
			took[next] = fields[1]
			if seconds, err := strconv.ParseFloat(fields[1], 64); fields[2] != "ok" || err != nil || seconds > slow {
				v.wrong = append(v.wrong, wrongly(p.uses[next], next, fmt.Sprintf("%s s, %s", fields[1], fields[2][:min(len(fields[2]), 300)])))
			}
			next++
		}
		v.judged += next - began
		_ = cmd.Wait() // it may have been killed
	}
	return took, v, nil
}

// names are those of the HLSL files from one on.
func (p *proof) names(from int) []string {
	var all []string
	for i := from; i < len(p.uses); i++ {
		all = append(all, filepath.Base(file("", i, "hlsl")))
	}
	return all
}
