// Package docs_test holds README.md and the pages of docs to what the programs do:
// their commands are run, their flags, targets and links looked up, their Go compiled.
package docs_test

import (
	"bytes"
	"image"
	"image/color"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
	"saccade/weights"
)

// root is the project's folder, seen from this package.
const root = ".."

// pages are the texts that are checked, from root.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	all := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	for _, path := range found {
		all = append(all, filepath.Join("docs", filepath.Base(path)))
	}
	return all
}

// page is a Markdown file, taken apart.
type page struct {
	text  string   // all of it
	lines []string // of indented and fenced blocks, without the indentation
	code  []string // fenced blocks of Go
	spans []string // `code` in the prose, each in one line
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	block = regexp.MustCompile(`(?m)^(?: {4}|\t)(.*)$`)
	span  = regexp.MustCompile("`([^`]+)`")
)

// read takes a page apart.
func read(t *testing.T, path string) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	p := page{text: string(data)}
	prose := fence.ReplaceAllStringFunc(p.text, func(s string) string {
		m := fence.FindStringSubmatch(s)
		if m[1] == "go" {
			p.code = append(p.code, m[2])
		} else {
			p.lines = append(p.lines, strings.Split(m[2], "\n")...)
		}
		return ""
	})
	prose = block.ReplaceAllStringFunc(prose, func(s string) string {
		p.lines = append(p.lines, s)
		return ""
	})
	for i, line := range p.lines {
		p.lines[i] = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
	}
	for _, m := range span.FindAllStringSubmatch(prose, -1) {
		p.spans = append(p.spans, strings.Join(strings.Fields(m[1]), " "))
	}
	return p
}

// commands are the lines and spans that begin with a word.
func commands(from []string, word string) []string {
	var found []string
	for _, line := range from {
		if strings.HasPrefix(line, word+" ") {
			found = append(found, line)
		}
	}
	return found
}

// TestPrograms holds what runs the programs, which are built once for all of it.
func TestPrograms(t *testing.T) {
	bin := programs(t)
	t.Run("commands", func(t *testing.T) { testCommands(t, bin) })
	t.Run("flags", func(t *testing.T) { testFlags(t, bin) })
}

// programs builds run, bench, train and serve into a folder and gives it. It looks at every file of
// the project, so that go test does not answer from its cache after one has changed.
func programs(t *testing.T) string {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if name := d.Name(); err == nil && d.IsDir() && path != root && (name == "bin" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		return err
	}))
	bin := t.TempDir()
	output(t, "go", "build", "-tags", "headless", "-ldflags=-s -w", "-o", bin+"/", "./cmd/run", "./cmd/bench", "./cmd/train", "./cmd/serve")
	return bin
}

// output runs a program in the project's folder.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s: %s", cmd, out)
	return string(out)
}

// folder has the files that the pages' commands name: x.png, images/, folder/ with a
// sub-folder a class, checkpoint/, x.wav, sounds/, a mask, and tensors.
func folder(t *testing.T, bin string) string {
	t.Helper()
	dir := t.TempDir()
	project, err := filepath.Abs(root)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(bin, filepath.Join(dir, "bin")))
	require.NoError(t, os.Symlink(filepath.Join(project, "zoo"), filepath.Join(dir, "zoo")))
	require.NoError(t, os.Symlink(filepath.Join(project, "zoo", "vit"), filepath.Join(dir, "checkpoint")))
	for to, from := range map[string]string{
		"x.png": "bird.png", "images/a.jpg": "cat.jpg", "images/b.png": "bird.png", "images/c.png": "ship.png",
		"drawings/a.png": "bird.png", "folder/bird/a.png": "bird.png", "folder/cat/a.jpg": "cat.jpg", "media/a.png": "bird.png", "parts/good/a.jpg": "cat.jpg", "parts/scratched/b.png": "bird.png",
	} {
		data, err := os.ReadFile(filepath.Join(root, "zoo", "pictures", from))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, to)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), data, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "drawings", "a.txt"), []byte("a robot"), 0o600))
	wav, err := os.ReadFile(filepath.Join(root, "golden", "sound", "src", "second.wav"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.wav"), wav, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sounds"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sounds", "a.wav"), wav, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "media", "a.wav"), wav, 0o600))
	readings := "name,speed,load\na.jpg,1,2\nb.png,2,1.5\nc.png,1.5,3\nx.png,9,9\nbird/a.png,1,2\ngood/a.jpg,1,2\nscratched/b.png,7,7\ncat/a.jpg,5,4\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "readings.csv"), []byte(readings), 0o600))
	mask := image.NewGray(image.Rect(0, 0, 64, 64))
	for x := range 32 {
		mask.SetGray(x, x, color.Gray{Y: 255})
	}
	require.NoError(t, picture.WritePNG(filepath.Join(dir, "mask.png"), picture.FromImage(mask, color.White)))
	tensors(t, filepath.Join(dir, "in.safetensors"), "pixel_values", 1, 3, 32, 32)
	tensors(t, filepath.Join(dir, "latents.safetensors"), "latents", 1, 4, 16, 16)
	return dir
}

// tensors writes a file with one tensor.
func tensors(t *testing.T, path, name string, shape ...int) {
	t.Helper()
	n := 1
	for _, side := range shape {
		n *= side
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i%7)/3 - 1
	}
	x, err := weights.FromFloat32s(name, values, shape...)
	require.NoError(t, err)
	require.NoError(t, weights.Write(path, []*weights.Tensor{x}, nil))
}

// Commands that can't run to their end here stop where what they lack is looked for,
// after all flags were read and found to go together: a mistake in one is exit code 2.
var stops = []struct {
	command *regexp.Regexp
	code    int
	says    string // in the error
}{
	{regexp.MustCompile(`\s-view\b`), 1, "headless"},
	{regexp.MustCompile(`\s-(sound-)?weights [\w-]+/`), 1, "hub model"},                                                    // HF_HUB_OFFLINE
	{regexp.MustCompile(`\s-(weights |compare gan=)(\./)?[\w-]+\.(safetensors|pth|th|pt)\b`), 1, "no such file or folder"}, // a checkpoint of others
	{regexp.MustCompile(`\s-image x\.mp4\b`), 1, "no such file"},
	{regexp.MustCompile(`^bin/run (-model clip )?-index (pages|lines|media)\.index `), 1, "there is none yet"}, // which the command before makes
	// These take minutes, or do not end.
	{regexp.MustCompile(`^bin/bench .*-(models|pipelines)\b|\s-(tune|prompts)\b|^bin/run -(verify|report x.json)$|^bin/train .*-verify\b|^bin/serve `), 3, absent},
}

const absent = "an adapter of this name" // which there is none

// Every command of the pages runs, page by page in their order, each page in a folder
// of its own.
func testCommands(t *testing.T, bin string) {
	n := 0
	for _, path := range pages(t) {
		p := read(t, path)
		lines := slices.DeleteFunc(slices.Clone(p.lines), func(line string) bool { return !program.MatchString(line) })
		if n += len(lines); len(lines) == 0 {
			continue
		}
		t.Run(path, func(t *testing.T) {
			dir := folder(t, bin)
			for _, line := range lines {
				t.Run(line, func(t *testing.T) { runLine(t, dir, line) })
			}
		})
	}
	assert.Greater(t, n, 60, "commands that were found")
}

// program begins a command of a page.
var program = regexp.MustCompile(`^bin/(run|bench|train|serve) `)

// runLine has the shell run a command as it stands.
func runLine(t *testing.T, dir, line string) {
	command, _, _ := strings.Cut(line, "  #")
	command = strings.TrimSpace(command)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = dir
	cache := filepath.Join(dir, "hub")
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "HF_HOME="+cache, "HF_HUB_CACHE="+cache, "SACCADE_TUNING="+filepath.Join(dir, "tuning.json"))
	code, says := 0, ""
	for _, s := range stops {
		if s.command.MatchString(command) {
			if code, says = s.code, s.says; says == absent {
				cmd.Env = append(cmd.Env, "WGPU_ADAPTER_NAME="+absent)
			}
			break
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NotNilf(t, cmd.ProcessState, "%v", err)
	assert.Equal(t, code, cmd.ProcessState.ExitCode(), stderr.String())
	assert.Contains(t, stderr.String(), says)
}

var (
	helpFlag   = regexp.MustCompile(`(?m)^  -([a-z][\w-]*)`)
	spanFlag   = regexp.MustCompile(`(?:^| )-([a-z][\w-]*)`)
	ofCommands = regexp.MustCompile(`^(-|(bin/)?(run|bench|train|serve) )`)
)

// A flag that the prose names is one of run, bench, train or serve.
func testFlags(t *testing.T, bin string) {
	known := map[string]bool{"tags": true} // of go build
	for _, help := range []string{output(t, bin+"/run", "-h", "all"), output(t, bin+"/bench", "-h"), output(t, bin+"/train", "-h"), output(t, bin+"/serve", "-h")} {
		for _, m := range helpFlag.FindAllStringSubmatch(help, -1) {
			known[m[1]] = true
		}
	}
	for _, name := range []string{"model", "explain-method", "leaderboard", "json"} {
		require.Truef(t, known[name], "-%s is in the help", name)
	}
	n := 0
	for _, path := range pages(t) {
		for _, s := range read(t, path).spans {
			if !ofCommands.MatchString(s) {
				continue
			}
			for _, m := range spanFlag.FindAllStringSubmatch(s, -1) {
				n++
				assert.Truef(t, known[m[1]], "%s: `%s`: -%s is no flag of run, bench, train or serve", path, s, m[1])
			}
		}
	}
	assert.Greater(t, n, 60, "flags that were found")
}

// make has the targets that pages name.
func TestTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	n := 0
	for _, path := range pages(t) {
		p := read(t, path)
		for _, line := range commands(slices.Concat(p.lines, p.spans), "make") {
			n++
			for _, word := range strings.Fields(line)[1:] {
				assert.Truef(t, targets[word] || strings.Contains(word, "="), "%s: `%s`: %s is no target of the Makefile", path, line, word)
			}
		}
	}
	assert.Greater(t, n, 10, "targets that were found")
}

// go doc finds what pages name, and go run and go build find the packages.
func TestGo(t *testing.T) {
	n := 0
	for _, path := range pages(t) {
		p := read(t, path)
		for _, line := range commands(slices.Concat(p.lines, p.spans), "go") {
			words := strings.Fields(line)
			switch words[1] {
			case "doc":
				output(t, "go", words[1:]...)
			case "run", "build":
				output(t, "go", "list", words[2])
			case "work": // of somebody else's module
			default:
				assert.Failf(t, "unknown", "%s: %s", path, line)
			}
			n++
		}
	}
	assert.Greater(t, n, 8, "commands that were found")
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Links lead to files, and to headings in them.
func TestLinks(t *testing.T) {
	for _, path := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, path).text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(path), file)
			if file == "" {
				target = path
			}
			_, err := os.Stat(filepath.Join(root, target))
			if !assert.NoErrorf(t, err, "%s: %s", path, m[1]) || anchor == "" {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(read(t, target).text, -1) {
				anchors = append(anchors, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
			}
			assert.Containsf(t, anchors, anchor, "%s: %s", path, m[1])
		}
	}
}

// The README has what scripts and readers count on, and stays short.
func TestREADME(t *testing.T) {
	p := read(t, "README.md")
	assert.LessOrEqual(t, strings.Count(p.text, "\n"), 200)
	for _, target := range []string{"run", "test"} {
		assert.Regexp(t, "(?m)^\\| `make "+target+"` \\|", p.text)
	}
}

var assigned = regexp.MustCompile(`(?m)^(\w+)(?:, err)? :=`)

// Go in the pages compiles: programs as they are, lines as a function's body.
func TestCode(t *testing.T) {
	n := 0
	for _, path := range pages(t) {
		for _, code := range read(t, path).code {
			n++
			if !strings.HasPrefix(code, "package ") {
				code = function(code)
			}
			file := filepath.Join(t.TempDir(), "main.go")
			require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
			output(t, "go", "vet", "-tags", "headless", file)
		}
	}
	assert.GreaterOrEqual(t, n, 3)
}

// function makes a program of lines: what they import, and uses of what they assign.
func function(body string) string {
	out := "package main\n\nimport (\n\t\"context\"\n"
	for _, path := range []string{"fmt", "saccade/models", "saccade/models/diffusion", "saccade/picture", "saccade/zoo"} {
		if strings.Contains(body, filepath.Base(path)+".") {
			out += "\t\"" + path + "\"\n"
		}
	}
	out += "\t\"saccade/gpu\"\n)\n\nfunc main() {}\n\nvar dev *gpu.Device\n\nfunc lines(ctx context.Context"
	out += ") (err error) {\n" + body
	for _, m := range assigned.FindAllStringSubmatch(body, -1) {
		out += "\t_ = " + m[1] + "\n"
	}
	return out + "\treturn err\n}\n"
}
