package main

import (
	"regexp"
	"slices"
	"strings"
)

// fn is a function of a kernel's text.
type fn struct {
	name, head, body string
	from, to         int
	parameters       []string
	result           bool
	floats           bool // its parameters and its result are floats
}

var (
	comment   = regexp.MustCompile(`//[^\n]*`)
	fnHead    = regexp.MustCompile(`(?m)^fn (\w+)\(([^{;]*?)\)\s*(?:->\s*([\w<>]+))?\s*\{`)
	identity  = regexp.MustCompile(`[A-Za-z_]\w*`)
	variables = regexp.MustCompile(`(?m)^.*\bvar<([^>]*)>\s*(\w+)`)
	float     = regexp.MustCompile(`^(f32|vec[234]<f32>)$`)
	statement = regexp.MustCompile(`[^;{}]+`)
	assigned  = regexp.MustCompile(`^(?:let\s+|var\s+)?(\w+)[^=!<>]*[^=!<>]?=([^=].*)$`)
	decides   = regexp.MustCompile(`^(?:else\s+)?(?:if|for|while|switch|loop)\b`)
	index     = regexp.MustCompile(`\[.*\]`) // from the first of a statement to the last
	forHead   = regexp.MustCompile(`\bfor\s*\([^{]*`)
)

// functions are those of a text without comments.
func functions(text string) []fn {
	var all []fn
	for _, m := range fnHead.FindAllStringSubmatchIndex(text, -1) {
		f := fn{name: text[m[2]:m[3]], head: text[m[0]:m[1]], from: m[0], result: m[6] >= 0}
		f.floats = f.result && float.MatchString(text[m[6]:m[7]])
		for parameter := range strings.SplitSeq(text[m[4]:m[5]], ",") {
			if name, kind, ok := strings.Cut(parameter, ": "); ok {
				f.parameters = append(f.parameters, strings.TrimSpace(name))
				f.floats = f.floats && float.MatchString(strings.TrimSpace(kind))
			}
		}
		depth := 0
		for f.to = m[1] - 1; f.to < len(text); f.to++ {
			depth += strings.Count(text[f.to:f.to+1], "{") - strings.Count(text[f.to:f.to+1], "}")
			if depth == 0 {
				break
			}
		}
		f.body = text[m[1]:f.to]
		f.to = min(f.to+1, len(text))
		all = append(all, f)
	}
	return all
}

// outline is a kernel's text without its activations, and without comments: kernels of one outline
// touch the same memory at the same time, so that a check of that looks at one of them.
//
// An activation is a function of floats, to a float, that names no variable of the module. It may
// go where its result ends in stored numbers only: it is called, directly or not, from functions
// alone that return nothing and have to do with neither workgroup memory nor barriers, and there
// what depends on it is neither a condition nor an index, nor a variable of the module that others read.
func outline(text string) string {
	text = comment.ReplaceAllString(text, "")
	all := functions(text)
	names := func(s string) []string { return identity.FindAllString(s, -1) }
	module, shared := map[string]bool{}, map[string]bool{"workgroupBarrier": true, "storageBarrier": true, "workgroupUniformLoad": true}
	for _, m := range variables.FindAllStringSubmatch(text, -1) {
		module[m[2]] = true
		if strings.HasPrefix(m[1], "workgroup") {
			shared[m[2]] = true
		}
	}
	grow := func(set map[string]bool, of func(fn) bool) {
		for again := true; again; {
			again = false
			for _, f := range all {
				if !set[f.name] && of(f) {
					set[f.name], again = true, true
				}
			}
		}
	}
	grow(shared, func(f fn) bool { return slices.ContainsFunc(names(f.body), func(n string) bool { return shared[n] }) })
	impure := map[string]bool{}
	grow(impure, func(f fn) bool {
		return !f.floats || slices.ContainsFunc(names(f.body), func(n string) bool { return module[n] || impure[n] })
	})
	// A function is decisive if something that it returns may reach workgroup memory.
	decisive := map[string]bool{"main": true}
	calls := func(f fn, name string) bool { return slices.Contains(names(f.body), name) }
	grow(decisive, func(f fn) bool {
		return shared[f.name] || f.result && slices.ContainsFunc(all, func(caller fn) bool { return decisive[caller.name] && calls(caller, f.name) })
	})
	activation := map[string]bool{}
	for _, f := range all {
		if !impure[f.name] && !decisive[f.name] {
			activation[f.name] = true
		}
	}
	if !stored(all, module, decisive, activation) {
		return strings.Join(strings.Fields(text), " ")
	}
	var kept strings.Builder
	at := 0
	for _, f := range all {
		if activation[f.name] {
			kept.WriteString(text[at:f.from])
			at = f.to
		}
	}
	return strings.Join(strings.Fields(kept.String()+text[at:]), " ")
}

// stored says whether what depends on activations is nowhere a condition or an index, and in no variable
// of the module that decisive functions read.
func stored(all []fn, module, decisive, activation map[string]bool) bool {
	type name struct{ function, name string } // function is "" for what the module declares
	depends := map[name]bool{}
	for n := range activation {
		depends[name{"", n}] = true
	}
	for again := true; again; {
		again = false
		add := func(n name) {
			if !depends[n] {
				depends[n], again = true, true
			}
		}
		for _, f := range all {
			if activation[f.name] || decisive[f.name] {
				continue
			}
			on := func(s string) bool {
				return slices.ContainsFunc(identity.FindAllString(s, -1), func(n string) bool { return depends[name{f.name, n}] || depends[name{"", n}] })
			}
			if slices.ContainsFunc(forHead.FindAllString(f.body, -1), on) {
				return false
			}
			for _, s := range statement.FindAllString(f.body, -1) {
				s = strings.Join(strings.Fields(s), " ")
				if !on(s) {
					continue
				}
				if decides.MatchString(s) || slices.ContainsFunc(index.FindAllString(s, -1), on) {
					return false
				}
				if m := assigned.FindStringSubmatch(s); m != nil {
					add(name{f.name, m[1]})
					if module[m[1]] && slices.ContainsFunc(all, func(g fn) bool { return decisive[g.name] && slices.Contains(identity.FindAllString(g.body, -1), m[1]) }) {
						return false
					}
				} else if strings.HasPrefix(s, "return") {
					add(name{"", f.name})
				}
				for _, g := range all {
					for i, argument := range arguments(s, g.name) {
						if !activation[g.name] && i < len(g.parameters) && on(argument) {
							add(name{g.name, g.parameters[i]})
						}
					}
				}
			}
		}
	}
	return true
}

// arguments are those of the calls of a function in a statement; of several calls, of all by their places.
func arguments(s, function string) []string {
	var all []string
	for _, at := range regexp.MustCompile(`\b`+function+`\(`).FindAllStringIndex(s, -1) {
		depth, place, from := 1, 0, at[1]
		for i := at[1]; i < len(s) && depth > 0; i++ {
			switch s[i] {
			case '(', '[':
				depth++
			case ')', ']':
				depth--
			}
			if depth == 0 || depth == 1 && s[i] == ',' {
				if place == len(all) {
					all = append(all, "")
				}
				all[place] += " " + s[from:i]
				place, from = place+1, i+1
			}
		}
	}
	return all
}
