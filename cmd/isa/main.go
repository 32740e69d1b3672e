package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/cmd/internal/kernels"
)

func main() { cli.Main("isa", run) }

// run is the command but for the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("isa", flag.ContinueOnError)
	f.SetOutput(stderr)
	folder := f.String("tools", "bin/isa", "`FOLDER` of what scripts/isa is built into")
	path := f.String("table", "cmd/isa/accepted.tsv", "`FILE` of the accepted table")
	icd := f.String("icd", "", "`FILE`: the manifest of another Mesa's driver, radeon_icd*.json (default: the installed one)")
	accept := f.Bool("accept", false, "write the table to that file, if nothing spills, in place of comparing with it")
	only := f.String("only", "", "`NAME` of a kernel, to look at its variants alone (default: all kernels)")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if *accept && *only != "" {
		return errors.New("-accept takes the table of all kernels: leave -only away")
	}
	t, err := compiled(ctx, tools(*folder), *icd, *only)
	if err != nil {
		return err
	}
	if err := t.print(stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s\n%s", t.compiler, t.summary())
	if len(t.left) > 0 {
		fmt.Fprintf(stdout, "left out, for want of an extension of WGSL, which BINDING=29 has on most adapters: %s\n", strings.Join(t.left, "; "))
	}
	var before accepted
	if !*accept {
		if before, err = loadAccepted(*path); err != nil {
			return err
		}
		if before.compiler != "" && before.compiler != t.compiler {
			fmt.Fprintf(stderr, "isa: the accepted table is of another compiler: %s\n", before.compiler)
		}
	}
	if found := t.problems(before); len(found) > 0 {
		return fmt.Errorf("%d problems; if a lower occupancy is meant, make isa-accept takes it:\n  %s", len(found), strings.Join(found, "\n  "))
	}
	if *accept {
		return t.save(*path)
	}
	return nil
}

// loadAccepted reads the accepted table; one that is not there accepts all.
func loadAccepted(path string) (accepted, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return accepted{}, nil
	}
	if err != nil {
		return accepted{}, err
	}
	defer file.Close()
	a, err := readAccepted(file)
	if err != nil {
		return a, fmt.Errorf("reading %s: %w", path, err)
	}
	return a, nil
}

// compiled is the table of all kernels in use, or of those of a name, by the driver of a
// manifest; "" is the installed one.
func compiled(ctx context.Context, t tools, icd, only string) (table, error) {
	if icd == "" {
		var err error
		if icd, err = radvICD(); err != nil {
			return table{}, err
		}
	}
	dir, err := os.MkdirTemp("", "isa")
	if err != nil {
		return table{}, err
	}
	defer os.RemoveAll(dir)
	kept := filepath.Join(dir, "last.spv")
	dev, err := t.open(kept)
	if err != nil {
		return table{}, err
	}
	defer dev.Close()
	all, err := kernels.InUse(dev)
	if err != nil {
		return table{}, err
	}
	if only != "" {
		if all = slices.DeleteFunc(all, func(u kernels.Use) bool { return u.Kernel.Name != only }); len(all) == 0 {
			return table{}, fmt.Errorf("no kernel in use is called %s", only)
		}
	}
	args, all, left, err := spirv(dev, kept, dir, all)
	if err != nil {
		return table{}, err
	}
	out := table{left: left}
	var names []string
	for _, c := range chips {
		r, err := t.compile(ctx, c, icd, args, all)
		if err != nil {
			return table{}, err
		}
		names = append(names, fmt.Sprintf("%s as %s", c.name, strings.Trim(strings.TrimPrefix(r.device, "Null hardware"), " ()")))
		out.compiler = fmt.Sprintf("%s: %s", r.driver, strings.Join(names, ", "))
		for i, u := range all {
			out.rows = append(out.rows, row{key: key{u.Kernel.Name, u.Variant(), u.Precision, c.name}, figures: r.kernels[i], uses: u.Uses, example: u.Example})
		}
	}
	slices.SortFunc(out.rows, func(a, b row) int { return compareKeys(a.key, b.key) })
	return out, nil
}
