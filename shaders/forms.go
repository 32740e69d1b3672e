package shaders

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A form is another way to write some declarations of a kernel, such as for floats
// in place of halves. It stands in the file between `// form <name>` and `// end`,
// under names that end in its own:
//
//	alias Packed = vec2<u32>;
//
//	// form f32
//	alias Packed_f32 = vec4<f32>;
//	// end
//
// Where the form is taken, each of its declarations replaces that without the
// ending, and takes its name. That may stand in another form: so they combine.
// Forms that are not taken are left out. One that is in need of an extension of WGSL
// begins with `// form <name> enables <extension>`: where it is taken, the text begins
// with `enable <extension>;`.

var (
	formPattern = regexp.MustCompile(`(?ms)^// form (\w+)(?: enables (\w+))?\n(.*?)^// end\n`)
	declared    = regexp.MustCompile(`(?m)^(?:const|alias|fn|@group[^\n]*? var<[^\n]*?>)\s+(\w+)`)
)

// takeForms replaces declarations of text by those of forms, in turn.
func takeForms(text string, forms []string) (string, error) {
	for _, name := range forms {
		var err error
		if text, err = takeForm(text, name); err != nil {
			return "", fmt.Errorf("form %s: %w", name, err)
		}
	}
	return regexp.MustCompile(`\n\n\n+`).ReplaceAllString(formPattern.ReplaceAllString(text, ""), "\n\n"), nil
}

func takeForm(text, name string) (string, error) {
	var found []string
	var form []string // the match
	for _, match := range formPattern.FindAllStringSubmatch(text, -1) {
		if found = append(found, match[1]); match[1] == name {
			if form != nil {
				return "", fmt.Errorf("it stands there twice")
			}
			form = match
		}
	}
	if form == nil {
		return "", fmt.Errorf("it is not there (there are %s)", strings.Join(found, ", "))
	}
	text = enabled(strings.Replace(text, form[0], "", 1), form[2])
	block := form[3]
	names := declarations(block)
	for _, d := range names {
		base, ok := strings.CutSuffix(d.name, "_"+name)
		if !ok {
			return "", fmt.Errorf("it declares %s: want a name that ends in _%s", d.name, name)
		}
		all := slices.DeleteFunc(declarations(text), func(other declaration) bool { return other.name != base })
		if len(all) != 1 {
			return "", fmt.Errorf("%s is declared %d times: want exactly once", base, len(all))
		}
		by := block[d.from:d.to]
		for _, other := range names {
			by = regexp.MustCompile(`\b`+other.name+`\b`).ReplaceAllString(by, strings.TrimSuffix(other.name, "_"+name))
		}
		text = text[:all[0].from] + by + text[all[0].to:]
	}
	return text, nil
}

// enabled is text that enables an extension, if one is named, once.
func enabled(text, extension string) string {
	line := "enable " + extension + ";\n"
	if extension == "" || strings.Contains(text, line) {
		return text
	}
	return line + text
}

// declaration is where a declaration begins and ends.
type declaration struct {
	name     string
	from, to int
}

// declarations are those of the module that are of one line, and its functions.
func declarations(text string) []declaration {
	var all []declaration
	for _, at := range declared.FindAllStringSubmatchIndex(text, -1) {
		d := declaration{name: text[at[2]:at[3]], from: at[0]}
		line, _, _ := strings.Cut(text[d.from:], "\n")
		d.to = d.from + len(line)
		if strings.HasPrefix(line, "fn ") && !strings.HasSuffix(strings.TrimSpace(line), "}") {
			if end := strings.Index(text[d.from:], "\n}"); end >= 0 {
				d.to = d.from + end + len("\n}")
			}
		} else if i := strings.Index(line, "; //"); i >= 0 { // the comment stays
			d.to = d.from + i + 1
		}
		all = append(all, d)
	}
	return all
}
