package shaders

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.wgsl
var files embed.FS

// Files holds the kernels as they stand, one "<name>.wgsl" each.
func Files() fs.FS { return files }

// Names lists the kernels in alphabetical order, without ".wgsl".
func Names() []string {
	paths, err := fs.Glob(files, "*.wgsl")
	if err != nil { // only a malformed pattern can fail
		return nil
	}
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(path, ".wgsl")
	}
	return paths
}

// Spec says how a kernel differs from its file. The zero Spec changes nothing.
type Spec struct {
	// Const gives module constants another value: a file's `const TM = 1u;`
	// with {"TM": 8} becomes `const TM = 8u;`. Values are not negative.
	Const map[string]int

	// Forms of the file are taken in turn: "f32" where it is written for halves.
	Forms []string

	// Funcs replaces functions of one line, `fn name(…) … { … }`, by those of another
	// file. The new text may have many lines and should declare the name again.
	Funcs map[string]string

	// Workgroup replaces the literal workgroup size; all zero keeps the file's.
	Workgroup [3]int
}

// WithConst is s with another constant.
func (s Spec) WithConst(name string, value int) Spec {
	s.Const = with(s.Const, name, value)
	return s
}

// WithFunc is s with another function.
func (s Spec) WithFunc(name, text string) Spec {
	s.Funcs = with(s.Funcs, name, text)
	return s
}

// with is a copy of m in which key has a value.
func with[V any](m map[string]V, key string, value V) map[string]V {
	out := map[string]V{key: value}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// Source returns the kernel called name, specialised by s and with its
// unroll blocks expanded. A name in s that the file does not declare exactly
// once is an error, as is a malformed unroll block.
func Source(name string, s Spec) (string, error) {
	text, err := read(name)
	if err != nil {
		return "", err
	}
	text, err = specialise(text, s)
	if err != nil {
		return "", fmt.Errorf("shader %s: %w", name, err)
	}
	return text, nil
}

// Whole is the kernel called name as it stands, with all its forms but those in need of
// an extension of WGSL that is not given: valid WGSL, too.
func Whole(name string, extensions ...string) (string, error) {
	text, err := read(name)
	if err != nil {
		return "", err
	}
	for _, form := range formPattern.FindAllStringSubmatch(text, -1) {
		block := form[3]
		if form[2] != "" && !slices.Contains(extensions, form[2]) {
			block = ""
		}
		text = strings.Replace(text, form[0], block, 1)
		if block != "" {
			text = enabled(text, form[2])
		}
	}
	return unroll(text)
}

// Extensions are those of WGSL that a kernel's text enables.
func Extensions(text string) []string {
	var all []string
	for _, match := range enablePattern.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

var enablePattern = regexp.MustCompile(`(?m)^enable (\w+);$`)

// Func returns the text of functions of the kernel file called file
// ("activation"), followed by the functions of that file that they call, each
// once. It serves as one of Spec.Funcs.
func Func(file string, names ...string) (string, error) { return take(file, names, "", true) }

// FuncIn is Func of the file in a form.
func FuncIn(file, form, name string) (string, error) {
	return take(file, []string{name}, "", true, form)
}

// FuncAs is Func of one function, renamed to as; the functions that it calls keep
// their names.
func FuncAs(file, name, as string) (string, error) { return take(file, []string{name}, as, true) }

// Alone is Func without the functions that it calls, for a kernel that declares
// those itself.
func Alone(file, name string) (string, error) { return take(file, []string{name}, "", false) }

func take(file string, names []string, as string, called bool, forms ...string) (string, error) {
	text, err := read(file)
	if err == nil {
		text, err = takeForms(text, forms)
	}
	if err != nil {
		return "", err
	}
	text, err = takeFuncs(text, names, as, called)
	if err != nil {
		return "", fmt.Errorf("shader %s: %w", file, err)
	}
	return text, nil
}

func read(name string) (string, error) {
	text, err := files.ReadFile(name + ".wgsl")
	if err != nil {
		return "", fmt.Errorf("shader %s: no such file (there are %s)", name, strings.Join(Names(), ", "))
	}
	return string(text), nil
}

// specialise applies s to text: forms, constants, functions, then unrolling
// (whose counts are the constants), then the workgroup size.
func specialise(text string, s Spec) (string, error) {
	text, err := takeForms(text, s.Forms)
	if err != nil {
		return "", err
	}
	if text, err = setConsts(text, s.Const); err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Funcs)) {
		if text, err = setFunc(text, name, s.Funcs[name]); err != nil {
			return "", err
		}
	}
	if text, err = unroll(text); err != nil {
		return "", err
	}
	if s.Workgroup == [3]int{} {
		return text, nil
	}
	return setWorkgroup(text, s.Workgroup)
}

// setConsts gives module constants values, each of which must be declared once.
func setConsts(text string, values map[string]int) (string, error) {
	all := constants(text)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] < 0 {
			return "", fmt.Errorf("const %s = %d: want a value of at least 0", name, values[name])
		}
		if _, err := all.only(name); err != nil {
			return "", err
		}
	}
	var out strings.Builder
	done := 0
	for _, c := range all {
		if value, ok := values[c.name]; ok {
			out.WriteString(text[done:c.from] + strconv.Itoa(value))
			done = c.to
		}
	}
	return out.String() + text[done:], nil
}

func setFunc(text, name, decl string) (string, error) {
	quoted := regexp.QuoteMeta(name)
	pattern := regexp.MustCompile(`(?m)^fn\s+` + quoted + `\s*\([^\n]*\}[ \t]*$`)
	at, err := only(text, pattern, fmt.Sprintf("one-line fn %s(…) { … }", name))
	if err != nil {
		return "", err
	}
	return text[:at[0]] + strings.TrimRight(decl, "\n") + text[at[1]:], nil
}

var workgroupPattern = regexp.MustCompile(`@workgroup_size\(([^)]*)\)`)

func setWorkgroup(text string, size [3]int) (string, error) {
	for _, n := range size {
		if n < 1 {
			return "", fmt.Errorf("workgroup size %v: want three numbers of at least 1", size)
		}
	}
	at, err := only(text, workgroupPattern, "@workgroup_size(…)")
	if err != nil {
		return "", err
	}
	return text[:at[2]] + fmt.Sprintf("%d, %d, %d", size[0], size[1], size[2]) + text[at[3]:], nil
}

// constant is a module constant, whose number is bytes from to to of the text.
type constant struct {
	name, number string
	from, to     int
}

type constantList []constant

var constPattern = regexp.MustCompile(`(?m)^const\s+(\w+)\s*=\s*(\d+)[ui]?\s*;`)

// constants are the module constants of text that are whole numbers, in order.
func constants(text string) (all constantList) {
	for _, at := range constPattern.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, constant{text[at[2]:at[3]], text[at[4]:at[5]], at[4], at[5]})
	}
	return all
}

// only is the constant of a name, of which there must be exactly one.
func (all constantList) only(name string) (found constant, err error) {
	n := 0
	for _, c := range all {
		if c.name == name {
			found, n = c, n+1
		}
	}
	if n != 1 {
		return found, fmt.Errorf("const %s = …u; is declared %d times: want exactly once", name, n)
	}
	return found, nil
}

// only returns where pattern matches, which must be exactly once.
func only(text string, pattern *regexp.Regexp, what string) ([]int, error) {
	at := pattern.FindAllStringSubmatchIndex(text, -1)
	if len(at) != 1 {
		return nil, fmt.Errorf("%s is declared %d times: want exactly once", what, len(at))
	}
	return at[0], nil
}

// takeFuncs returns functions of text, the first under the name as if it has one, and
// after them, if called says so, the functions of text that they call, directly or not.
func takeFuncs(text string, names []string, as string, called bool) (string, error) {
	bodies := map[string]string{}
	for _, at := range funcPattern.FindAllStringSubmatchIndex(text, -1) {
		declared := text[at[2]:at[3]]
		if _, twice := bodies[declared]; twice {
			return "", fmt.Errorf("fn %s is declared twice: want exactly once", declared)
		}
		end := strings.Index(text[at[0]:], "\n}")
		if line, _, _ := strings.Cut(text[at[0]:], "\n"); strings.HasSuffix(strings.TrimSpace(line), "}") {
			end = len(line)
		} else if end < 0 {
			return "", fmt.Errorf("fn %s has no closing brace at the start of a line", declared)
		} else {
			end += len("\n}")
		}
		bodies[declared] = text[at[0] : at[0]+end]
	}
	for _, name := range names {
		if _, ok := bodies[name]; !ok {
			return "", fmt.Errorf("fn %s is not declared (there are %s)", name, strings.Join(slices.Sorted(maps.Keys(bodies)), ", "))
		}
	}

	order := slices.Clone(names)
	for i := 0; called && i < len(order); i++ { // grows while it is walked
		for _, word := range wordPattern.FindAllString(bodies[order[i]], -1) {
			if _, ok := bodies[word]; ok && !slices.Contains(order, word) {
				order = append(order, word)
			}
		}
	}
	if as != "" {
		bodies[names[0]] = strings.Replace(bodies[names[0]], "fn "+names[0], "fn "+as, 1)
	}
	var out []string
	for _, name := range order {
		out = append(out, bodies[name])
	}
	return strings.Join(out, "\n\n") + "\n", nil
}

var (
	funcPattern = regexp.MustCompile(`(?m)^fn\s+(\w+)\s*\(`)
	wordPattern = regexp.MustCompile(`[A-Za-z_]\w*`)
)

// Hash identifies the set of kernels, as they stand: 16 hexadecimal digits.
func Hash() string {
	h := sha256.New()
	for _, name := range Names() {
		text, err := read(name)
		if err != nil { // embedded files are there
			return ""
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
