package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/cmd/internal/kernels"
	"saccade/gpu"
)

func main() { cli.Main("proof", run) }

// proof is one call of the command.
type proof struct {
	stdout  io.Writer
	folder  string // of what it writes
	only    string
	without bool
	classes string
	with    string        // the compiler of DirectX 12 that is asked, both if it is empty
	uses    []kernels.Use // that are looked at, of one text each
}

// run is the command but for the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	checks := map[string]func(*proof, context.Context) error{"races": (*proof).races, "portable": (*proof).portable, "hlsl": (*proof).hlsl, "validation": (*proof).validation}
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	check, ok := checks[word]
	if !ok {
		return errors.New("the first argument says what is done: races, portable, hlsl or validation")
	}
	p := &proof{stdout: stdout}
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&p.folder, "work", "bin/proof", "`FOLDER` of tools and of what is written for them")
	f.StringVar(&p.only, "only", "", "kernels, or rounds of validation, whose name begins with `TEXT`, or with one of several: matmul,conv2d")
	f.BoolVar(&p.without, "without", false, "with races: leave out each barrier in turn")
	f.StringVar(&p.with, "with", "", "with hlsl: the `COMPILER` that is asked, dxc or fxc; both if it is not given")
	f.StringVar(&p.classes, "class", "amd,apple,cpu", "`CLASSES` of adapters whose kernels are looked at")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if err := os.MkdirAll(p.folder, 0o777); err != nil {
		return err
	}
	return check(p, ctx)
}

// looksAt says whether a kernel or a round of this name is asked for.
func (p *proof) looksAt(name string) bool {
	return slices.ContainsFunc(strings.Split(p.only, ","), func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// extensions are those of WGSL that kernels may be in need of.
var extensions = []string{"f16", "subgroups"}

// collect finds the kernels in use for classes of adapters that have extensions.
func (p *proof) collect(classes string, extensions []string) error {
	for class := range strings.SplitSeq(classes, ",") {
		if err := p.collectFor(gpu.Class(class), extensions); err != nil {
			return err
		}
	}
	if len(p.uses) == 0 {
		return fmt.Errorf("no kernel's name begins with %q", p.only)
	}
	return nil
}

// collectFor adds the kernels in use for a class of adapters, recorded on whatever adapter there is
// as if it had the extensions.
func (p *proof) collectFor(class gpu.Class, extensions []string) error {
	dev, err := gpu.Open(gpu.Options{Class: class, Extensions: extensions, Tuner: &gpu.Tuner{}})
	if err != nil {
		return err
	}
	defer dev.Close()
	all, err := kernels.InUse(dev)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, u := range p.uses {
		seen[u.Kernel.WGSL] = true
	}
	for _, u := range all {
		if !seen[u.Kernel.WGSL] && p.looksAt(u.Kernel.String()) {
			p.uses = append(p.uses, u)
		}
	}
	return nil
}

// write writes the kernels' texts to a folder, as 0000.wgsl and so on, and for naga, which has
// the functions of subgroups but refuses the line that enables them, as 0000.naga.wgsl.
func (p *proof) write(name string) (folder string, err error) {
	folder = filepath.Join(p.folder, name)
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	for i, u := range p.uses {
		for extension, text := range map[string]string{"wgsl": u.Kernel.WGSL, "naga.wgsl": strings.Replace(u.Kernel.WGSL, "enable subgroups;\n", "", 1)} {
			if err := os.WriteFile(file(folder, i, extension), []byte(text), 0o666); err != nil {
				return "", err
			}
		}
	}
	return folder, nil
}

func file(folder string, i int, extension string) string {
	return filepath.Join(folder, fmt.Sprintf("%04d.%s", i, extension))
}

// need names the first program that is missing, and where it comes from.
func need(programs ...[2]string) error {
	for _, p := range programs {
		if _, err := exec.LookPath(p[0]); err != nil {
			return fmt.Errorf("%s is missing: %s", p[0], p[1])
		}
	}
	return nil
}

var (
	naga     = [2]string{"naga", "cargo install naga-cli"}
	oclgrind = [2]string{"oclgrind-kernel", "on Debian, apt-get install oclgrind"}
	node     = [2]string{"node", "on Debian, apt-get install nodejs"}
	spirvVal = [2]string{"spirv-val", "on Debian, apt-get install spirv-tools"}
	wine     = [2]string{"wine", "on Debian, apt-get install wine64 wine"}
	cc       = [2]string{"cc", "on Debian, apt-get install gcc libvulkan-dev"}
	mingw    = [2]string{"x86_64-w64-mingw32-gcc", "on Debian, apt-get install gcc-mingw-w64-x86-64"}
)

// said is what a program printed, in one line.
func said(out []byte, err error) string {
	text := strings.Join(strings.Fields(string(out)), " ")
	if text == "" {
		text = err.Error()
	}
	return text[:min(len(text), 300)]
}
