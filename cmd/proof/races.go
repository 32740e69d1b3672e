package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"saccade/cmd/internal/kernels"
	"saccade/cmd/proof/opencl"
	"saccade/gpu"
)

const (
	// patience is how long one may take.
	patience = 5 * time.Minute
	// most is the largest buffer that is given to the interpreter, in bytes, and few that
	// of a kernel's second shape and third.
	most, few = 64 << 20, 1 << 20
	// memory is how much the interpreter may take, in bytes.
	memory = 8 << 30
)

// raced is a row of the table.
type raced struct {
	runs, barriers int
	races, wild    int   // reports: data races, accesses outside of a buffer
	without        []int // reports where a barrier is left out
	err            string
}

// races runs kernels with barriers in Oclgrind.
func (p *proof) races(ctx context.Context) error {
	if err := need(naga, oclgrind); err != nil {
		return err
	}
	if err := p.collect(p.classes, extensions); err != nil {
		return err
	}
	left := verdict{tool: "Oclgrind"}
	p.uses = slices.DeleteFunc(p.uses, func(u kernels.Use) bool {
		return !strings.Contains(u.Kernel.WGSL, "workgroupBarrier()") || left.leaves(u, extensions) // it knows no subgroups, and naga no halves in GLSL
	})
	folder, err := p.write("races")
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "kernel\tprecision\tbarriers\tshapes\traces\toutside\twithout each barrier\t")
	bad := 0
	for i, u := range p.uses {
		r := p.race(ctx, folder, i)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.err != "" || r.races+r.wild > 0 {
			bad++
		}
		fmt.Fprintf(tab, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", u.Kernel, u.Precision, r.barriers, r.runs, r.races, r.wild, strings.Trim(fmt.Sprint(r.without), "[]"), r.err)
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	left.printLeft(p.stdout)
	fmt.Fprintf(p.stdout, "%d kernels with barriers, %d with races, accesses outside of buffers or errors\n", len(p.uses), bad)
	if bad > 0 {
		return fmt.Errorf("%d of %d kernels are wrong or could not be run", bad, len(p.uses))
	}
	return nil
}

// race runs a kernel in the shapes of least work.
func (p *proof) race(ctx context.Context, folder string, i int) (r raced) {
	glsl := file(folder, i, "comp")
	if out, err := exec.CommandContext(ctx, "naga", file(folder, i, "naga.wgsl"), glsl, "--profile", "core430").CombinedOutput(); err != nil {
		r.err = "naga: " + said(out, err)
		return r
	}
	text, err := os.ReadFile(glsl)
	if err != nil {
		r.err = err.Error()
		return r
	}
	for _, x := range p.uses[i].Dispatches {
		limit := int64(most)
		if r.runs > 0 {
			limit = few
		}
		if slices.ContainsFunc(x.Bind, func(v gpu.View) bool { return v.Bytes() > limit }) {
			continue
		}
		k, err := opencl.Translate(string(text), 0)
		if err != nil {
			r.err = err.Error()
			return r
		}
		r.barriers = k.Barriers
		races, wild, err := simulate(ctx, file(folder, i, "sim"), k, x)
		if err != nil {
			r.err = err.Error()
			return r
		}
		r.runs, r.races, r.wild = r.runs+1, r.races+races, r.wild+wild
		for n := 1; p.without && n <= k.Barriers; n++ {
			k, err := opencl.Translate(string(text), n)
			if err == nil {
				races, _, err = simulate(ctx, file(folder, i, "sim"), k, x)
			}
			if err != nil {
				r.err = err.Error()
				return r
			}
			if len(r.without) < n {
				r.without = append(r.without, 0)
			}
			r.without[n-1] += races
		}
	}
	if r.runs == 0 {
		r.err = "no recorded operation is small enough"
	}
	return r
}

// simulate has Oclgrind run the first and the last workgroup of a dispatch, and counts reports.
func simulate(ctx context.Context, path string, k opencl.Kernel, x gpu.Dispatch) (races, wild int, err error) {
	source := strings.TrimSuffix(path, ".sim") + ".cl"
	if err := os.WriteFile(source, []byte(k.Source), 0o666); err != nil {
		return 0, 0, err
	}
	description, err := describe(filepath.Base(source), k.Bindings, x)
	if err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(path, description, 0o666); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	run := fmt.Sprintf(`ulimit -v %d && exec oclgrind-kernel --data-races --quick --local-mem-size 65536 --build-options -w "$0"`, memory>>10)
	cmd := exec.CommandContext(ctx, "sh", "-c", run, filepath.Base(path))
	cmd.Dir = filepath.Dir(path)
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return 0, 0, fmt.Errorf("not done after %s", patience)
	case bytes.Contains(out, []byte("bad_alloc")) || bytes.Contains(out, []byte("terminate called")):
		return 0, 0, fmt.Errorf("the interpreter wants more than %d GiB", memory>>30)
	case bytes.Contains(out, []byte("Build failure")) || bytes.Contains(out, []byte("OCLGRIND FATAL ERROR")):
		if at := bytes.Index(out, []byte("error: ")); at >= 0 {
			out = out[at:]
		}
		return 0, 0, errors.New(said(out, errors.New("it was not compiled")))
	case err != nil:
		return 0, 0, errors.New(said(out, err))
	}
	return bytes.Count(out, []byte("data race at local")), bytes.Count(out, []byte("Invalid read")) + bytes.Count(out, []byte("Invalid write")), nil
}

// describe is Oclgrind's description of a run. Buffers hold ones, of ids zeros.
func describe(source string, bindings []int, x gpu.Dispatch) ([]byte, error) {
	var b bytes.Buffer
	var global [3]int
	for d := range global {
		global[d] = max(1, x.Groups[d]) * x.Kernel.Workgroup[d]
	}
	fmt.Fprintf(&b, "%s\nentry\n%d %d %d\n%d %d %d\n", source, global[0], global[1], global[2], x.Kernel.Workgroup[0], x.Kernel.Workgroup[1], x.Kernel.Workgroup[2])
	params, err := x.Kernel.Encode(x.Params)
	if err != nil {
		return nil, err
	}
	for _, n := range bindings {
		if n == 0 {
			fmt.Fprintf(&b, "<size=%d uint>\n", len(params))
			for i := 0; i < len(params); i += 4 {
				fmt.Fprintf(&b, "%d ", binary.LittleEndian.Uint32(params[i:]))
			}
			b.WriteByte('\n')
			continue
		}
		v := x.Bind[n-1] // bindings are numbered 1, 2, …
		fill := map[gpu.DType]uint32{gpu.F16: 0x3c003c00, gpu.F32: 0x3f800000}[v.Tensor.Type]
		if x.Kernel.Bindings[n-1].Write {
			fill = 0
		}
		fmt.Fprintf(&b, "<size=%d uint fill=%d>\n", (v.Bytes()+15)&^15, fill)
	}
	return b.Bytes(), nil
}
