// Package opencl turns compute kernels, as naga writes them in GLSL, into OpenCL C, for
// Oclgrind, which runs them and tells of data races.
//
// It knows the GLSL that naga writes for this project's kernels, and no other: what it does not
// know, OpenCL's compiler refuses.
package opencl

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed prelude.cl
var prelude string

// Kernel is a translated kernel.
type Kernel struct {
	Source   string // its entry is called "entry"
	Barriers int
	Bindings []int // of the entry's arguments in turn: naga leaves out those that a kernel does not use
}

var (
	directive = regexp.MustCompile(`(?m)^#.*$`)
	size      = regexp.MustCompile(`layout\(local_size_x = \d+, local_size_y = \d+, local_size_z = \d+\) in;`)
	binding   = regexp.MustCompile(`^_group_0_binding_(\d+)_cs$`)
	block     = regexp.MustCompile(`(?s)layout\(std(?:140|430)\) (readonly )?(?:buffer|uniform) \w+ \{ (\w+) (\w+)((?:\[\d*\])?); \};`)
	shared    = regexp.MustCompile(`(?m)^shared (\w+) (\w+)((?:\[\d+\])*);`)
	structure = regexp.MustCompile(`(?s)struct (\w+) \{(.*?)\};`)
	module    = regexp.MustCompile(`(?m)^const (\w+ \w+ = )`)
	zeroing   = regexp.MustCompile(`(?s)if \(gl_LocalInvocationID == uvec3\(0u\)\) \{.*?\n    \}\n    memoryBarrierShared\(\);\n    barrier\(\);`)
	function  = regexp.MustCompile(`(?m)^(\w+) (\w+)\(([^;{]*)\) \{`)
	word      = regexp.MustCompile(`[A-Za-z_]\w*|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+`)
	barrier   = regexp.MustCompile(`\bbarrier\(\);`)
)

// builtins are the invocation's numbers by GLSL's names.
const builtins = `
#define gl_GlobalInvocationID (c_->global_id)
#define gl_LocalInvocationID (c_->local_id)
#define gl_WorkGroupID (c_->group_id)
#define gl_NumWorkGroups (c_->groups)
#define gl_LocalInvocationIndex (c_->local_index)
`

const members = `	uint3 global_id, local_id, group_id, groups;
	uint local_index;
`

const begin = `	context c = {
		.global_id = (uint3)(get_global_id(0), get_global_id(1), get_global_id(2)),
		.local_id = (uint3)(get_local_id(0), get_local_id(1), get_local_id(2)),
		.group_id = (uint3)(get_group_id(0), get_group_id(1), get_group_id(2)),
		.groups = (uint3)(get_num_groups(0), get_num_groups(1), get_num_groups(2)),
		.local_index = get_local_id(0) + get_local_size(0) * (get_local_id(1) + get_local_size(1) * get_local_id(2)),
`

// Translate turns GLSL into OpenCL C. Without is a barrier to leave out, counted from 1, or 0:
// what finds races must find those that this makes. The zeroing of workgroup memory at the
// beginning is left out with its barrier, for kernels do not rely on it.
func Translate(glsl string, without int) (Kernel, error) {
	if !size.MatchString(glsl) || !strings.Contains(glsl, "void main() {") {
		return Kernel{}, errors.New("found no compute shader with an entry main")
	}
	s := directive.ReplaceAllString(size.ReplaceAllString(glsl, ""), "")
	s = zeroing.ReplaceAllString(s, "")

	var bindings []int
	unknown := ""
	var fields, rows, parameters, locals, values, names strings.Builder
	s = block.ReplaceAllStringFunc(s, func(text string) string {
		m := block.FindStringSubmatch(text)
		if number := binding.FindStringSubmatch(m[3]); number != nil {
			n, _ := strconv.Atoi(number[1])
			bindings = append(bindings, n)
		} else {
			unknown = m[3]
		}
		constant := "const "
		if m[1] == "" && strings.Contains(text, ") buffer ") {
			constant = ""
		}
		fmt.Fprintf(&fields, "\t__global %s%s *m_%s;\n", constant, m[2], m[3])
		if parameters.Len() > 0 {
			parameters.WriteString(", ")
		}
		fmt.Fprintf(&parameters, "__global %s%s *a_%s", constant, m[2], m[3])
		fmt.Fprintf(&values, "\t\t.m_%s = a_%s,\n", m[3], m[3])
		if m[4] == "" {
			fmt.Fprintf(&names, "#define %s (*c_->m_%s)\n", m[3], m[3])
		} else {
			fmt.Fprintf(&names, "#define %s (c_->m_%s)\n", m[3], m[3])
		}
		return ""
	})
	if unknown != "" {
		return Kernel{}, fmt.Errorf("buffer %s has a name without its binding", unknown)
	}
	s = apart(s)
	s = shared.ReplaceAllStringFunc(s, func(text string) string {
		m := shared.FindStringSubmatch(text)
		rest := "" // of the dimensions after the first
		if i := strings.Index(m[3], "]"); i >= 0 {
			rest = m[3][i+1:]
		}
		fmt.Fprintf(&rows, "typedef %s row_%s%s;\n", m[1], m[2], rest)
		fmt.Fprintf(&fields, "\t__local row_%s *m_%s;\n", m[2], m[2])
		fmt.Fprintf(&locals, "\t__local %s w_%s%s;\n", m[1], m[2], m[3])
		if m[3] == "" {
			fmt.Fprintf(&values, "\t\t.m_%s = &w_%s,\n", m[2], m[2])
			fmt.Fprintf(&names, "#define %s (*c_->m_%s)\n", m[2], m[2])
		} else {
			fmt.Fprintf(&values, "\t\t.m_%s = w_%s,\n", m[2], m[2])
			fmt.Fprintf(&names, "#define %s (c_->m_%s)\n", m[2], m[2])
		}
		return ""
	})

	var types strings.Builder
	s = structure.ReplaceAllStringFunc(s, func(text string) string {
		m := structure.FindStringSubmatch(text)
		fmt.Fprintf(&types, "typedef struct {%s} %s;\n#define %[2]s(...) ((%[2]s){__VA_ARGS__})\n", m[2], m[1])
		return ""
	})
	s = module.ReplaceAllString(s, "__constant $1")
	s = word.ReplaceAllStringFunc(s, func(text string) string { // numbers of GLSL are floats, of C doubles
		if text[0] <= '9' && strings.ContainsAny(text, ".eE") {
			return text + "f"
		}
		return text
	})

	// Each function takes the context; who calls it passes it on, by a macro.
	var calls strings.Builder
	s = function.ReplaceAllStringFunc(s, func(text string) string {
		m := function.FindStringSubmatch(text)
		if m[3] == "" {
			fmt.Fprintf(&calls, "#define %s() f_%s(c_)\n", m[2], m[2])
			return fmt.Sprintf("%s f_%s(const context *c_) {", m[1], m[2])
		}
		fmt.Fprintf(&calls, "#define %s(...) f_%s(c_, __VA_ARGS__)\n", m[2], m[2])
		return fmt.Sprintf("%s f_%s(const context *c_, %s) {", m[1], m[2], m[3])
	})

	n := 0
	s = barrier.ReplaceAllStringFunc(s, func(text string) string {
		if n++; n == without {
			return ";"
		}
		return text
	})
	source := prelude + types.String() + rows.String() + "typedef struct {\n" + fields.String() + members + "} context;\n" +
		builtins + names.String() + calls.String() + s +
		"__kernel void entry(" + parameters.String() + ")\n{\n" + locals.String() + begin + values.String() + "\t};\n\tf_main(&c);\n}\n"
	return Kernel{Source: source, Barriers: n, Bindings: bindings}, nil
}

// apart gives other names to members of structures that are called as a variable of workgroup memory is,
// whose name becomes a macro.
func apart(glsl string) string {
	for _, m := range shared.FindAllStringSubmatch(glsl, -1) {
		glsl = regexp.MustCompile(`\.`+m[2]+`\b`).ReplaceAllString(glsl, ".its_"+m[2])
		member := regexp.MustCompile(`(\w+ )` + m[2] + `((?:\[\d+\])*;)`)
		glsl = structure.ReplaceAllStringFunc(glsl, func(text string) string { return member.ReplaceAllString(text, "${1}its_"+m[2]+"$2") })
	}
	return glsl
}
