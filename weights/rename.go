package weights

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rule maps names of a checkpoint to names of a model. Names are cut at dots
// into parts.
//
// In From a part `*` matches any one part, a `*` inside a part matches digits
// (`encoder_layer_*`), and a part `**` matches one or more parts. What they
// matched fills the same stars of To, in order.
//
//	{"encoder.layer.*.intermediate.dense.*", "blocks.*.mlp.fc1.*"}
//	{"vit.**", "**"}                       strips a prefix
//	{"**.num_batches_tracked", ""}         leaves tensors out on purpose
//	{"encoder.layer.*.attention.attention.query.*", "blocks.*.attn.qkv.*#0"}
//	{"encoder.layer.*.attention.attention.key.*", "blocks.*.attn.qkv.*#1"}
//	{"encoder.layer.*.attention.attention.value.*", "blocks.*.attn.qkv.*#2"}
//
// A To that ends in #0, #1, … is part 0, 1, … of a tensor joined along its
// first dimension. An empty To counts a tensor as used.
type Rule struct{ From, To string }

// Rename shows a source under other names: each name by the first rule that
// matches it, unchanged where none does. Nothing is copied but joined tensors.
// Rules are program text: Rename panics if one is malformed.
//
// Where two names become one the second keeps its own, so that Bind reports it
// as unknown.
func Rename(src Source, rules []Rule) Source {
	r := &renamed{src: src, parts: map[string][]string{}}
	for _, rule := range rules {
		r.rules = append(r.rules, compile(rule))
	}
	for _, origin := range src.Names() {
		name, part, ok := r.apply(origin)
		if !ok || !r.put(name, part, origin) {
			r.put(origin, -1, origin)
		}
	}
	return r
}

// Below are rules for names below a prefix, which they bring below another.
func Below(from, to string, rules []Rule) []Rule {
	below := make([]Rule, len(rules))
	for i, r := range rules {
		if r.To != "" {
			r.To = to + r.To
		}
		below[i] = Rule{From: from + r.From, To: r.To}
	}
	return below
}

// StripPrefix shows a source without the first of the prefixes that a name
// begins with, such as "module." or "vit.". Others keep their names.
func StripPrefix(src Source, prefixes ...string) Source {
	var rules []Rule
	for _, p := range prefixes {
		p = strings.TrimSuffix(p, ".") + "."
		// A rule for a prefix that is not in use would misname what is missing.
		if slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasPrefix(n, p) }) {
			rules = append(rules, Rule{p + "**", "**"})
		}
	}
	return Rename(src, rules)
}

// renamed is a Source seen through rules.
type renamed struct {
	src   Source
	rules []rule
	names []string
	// parts holds the origins of each name: one, or those of a joined
	// tensor, "" where a part is not there.
	parts map[string][]string
}

// put notes that origin gives name, or part part ≥ 0 of it. It refuses when
// something else does already.
func (r *renamed) put(name string, part int, origin string) bool {
	if name == "" {
		return true
	}
	list, there := r.parts[name]
	if there && (part < 0 || part < len(list) && list[part] != "") {
		return false
	}
	if !there {
		r.names = append(r.names, name)
	}
	for len(list) <= part || len(list) == 0 {
		list = append(list, "")
	}
	list[max(part, 0)] = origin
	r.parts[name] = list
	return true
}

// apply renames one name by the first rule that matches. ok is false where none
// does.
func (r *renamed) apply(origin string) (name string, part int, ok bool) {
	for _, rule := range r.rules {
		if name, ok := rule.forward(origin); ok {
			return name, rule.part, true
		}
	}
	return origin, -1, false
}

// Names lists the new names in the order of the old ones. A joined tensor is
// listed if any of its parts is there.
func (r *renamed) Names() []string { return slices.Clone(r.names) }

// Tensor finds a tensor by its new name, joining it if it is made of several.
func (r *renamed) Tensor(name string) (*Tensor, bool) {
	t, ok := r.head(name)
	if ok && t.join != nil {
		t.Data, t.join = t.join(), nil
	}
	return t, ok
}

// head is Tensor, but leaves joining to Tensor.Bytes.
func (r *renamed) head(name string) (*Tensor, bool) {
	tensors, missing, problem := r.pieces(name)
	if len(tensors) == 0 || len(missing) > 0 || problem != "" {
		return nil, false
	}
	t := *tensors[0]
	t.Name = name
	if len(tensors) == 1 {
		return &t, true
	}
	origins := make([]string, len(tensors))
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = 0
	for i, p := range tensors {
		origins[i] = p.Origin
		t.Shape[0] += p.Shape[0]
	}
	t.Origin, t.Data = braces(origins), nil
	t.join = func() []byte {
		data := make([]byte, 0, t.Len()*t.DType.Size())
		for _, p := range tensors {
			data = append(data, p.Bytes()...)
		}
		return data
	}
	return &t, true
}

// pieces finds the tensors that make name, which of its origins are missing,
// and why they cannot be joined.
func (r *renamed) pieces(name string) (tensors []*Tensor, missing []string, problem string) {
	origins, ok := r.parts[name]
	if !ok {
		return nil, nil, ""
	}
	want := r.origins(name)
	for i := range max(len(origins), len(want)) {
		if i >= len(origins) || origins[i] == "" {
			missing = append(missing, want[i])
			continue
		}
		t, ok := headOf(r.src, origins[i])
		if !ok {
			missing = append(missing, origins[i])
			if _, why := explain(r.src, origins[i]); why != "" {
				problem = why
			}
			continue
		}
		tensors = append(tensors, t)
	}
	for _, t := range tensors {
		first := tensors[0]
		if len(tensors) > 1 && (len(t.Shape) == 0 || len(t.Shape) != len(first.Shape) ||
			!slices.Equal(t.Shape[1:], first.Shape[1:]) || t.DType != first.DType) {
			problem = fmt.Sprintf("parts %v %v and %v %v that cannot be joined", first.DType, first.Shape, t.DType, t.Shape)
		}
	}
	return tensors, missing, problem
}

// origins are the names of src that would give name by the rules: one, or one
// for each part of a joined tensor.
func (r *renamed) origins(name string) []string {
	var parts []string
	for _, rule := range r.rules {
		origin, ok := rule.backward(name)
		switch {
		case !ok:
		case rule.part < 0 && len(parts) == 0:
			return []string{origin}
		case rule.part >= 0:
			for len(parts) <= rule.part {
				parts = append(parts, "")
			}
			if parts[rule.part] == "" {
				parts[rule.part] = origin
			}
		}
	}
	if parts == nil {
		return []string{name}
	}
	for i, p := range parts {
		if p == "" { // the rules have a gap
			parts[i] = name + "#" + strconv.Itoa(i)
		}
	}
	return parts
}

// explain says by which name of the checkpoint a missing tensor is missed, and
// what is wrong with one that is there.
func (r *renamed) explain(name string) (origin, problem string) {
	_, missing, problem := r.pieces(name)
	if problem != "" {
		return name, problem
	}
	if len(missing) == 0 {
		missing = r.origins(name)
	}
	for i, origin := range missing {
		missing[i], _ = explain(r.src, origin)
	}
	return braces(missing), ""
}

// explain asks a renamed source; a plain one has nothing to say.
func explain(src Source, name string) (origin, problem string) {
	switch s := src.(type) {
	case *renamed:
		return s.explain(name)
	case level:
		return explain(s.Source, name)
	}
	return name, ""
}

// headOf finds a tensor without joining it.
func headOf(src Source, name string) (*Tensor, bool) {
	switch s := src.(type) {
	case *renamed:
		return s.head(name)
	case level:
		return headOf(s.Source, name)
	}
	return src.Tensor(name)
}

// originOf is the checkpoint's name of a tensor.
func originOf(src Source, name string) string {
	switch s := src.(type) {
	case *renamed:
		var origins []string
		for _, o := range s.parts[name] {
			if o != "" {
				origins = append(origins, originOf(s.src, o))
			}
		}
		return braces(origins)
	case level:
		return originOf(s.Source, name)
	}
	return name
}

// braces writes names that differ in one place as a.{b,c}.d.
func braces(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	var split [][]string
	for _, n := range names {
		split = append(split, strings.Split(n, "."))
	}
	first := split[0]
	at := -1
	for i := range first {
		for _, s := range split {
			if len(s) != len(first) || s[i] != first[i] && at >= 0 && at != i {
				return strings.Join(names, ", ")
			}
			if s[i] != first[i] {
				at = i
			}
		}
	}
	if at < 0 || len(first) == 1 {
		return strings.Join(names, ", ")
	}
	var middle []string
	for _, s := range split {
		middle = append(middle, s[at])
	}
	whole := slices.Clone(first)
	whole[at] = "{" + strings.Join(middle, ",") + "}"
	return strings.Join(whole, ".")
}

// rule is a compiled Rule.
type rule struct {
	from, to         *regexp.Regexp
	fromText, toText string
	part             int // of a joined tensor, else -1
}

func compile(r Rule) rule {
	to, part := r.To, -1
	if i := strings.LastIndexByte(to, '#'); i >= 0 {
		n, err := strconv.ParseUint(to[i+1:], 10, 8)
		if err != nil {
			panic(fmt.Sprintf("weights.Rename: rule %+v: %q is no part's number", r, to[i:]))
		}
		to, part = to[:i], int(n)
	}
	if !slices.Equal(stars.FindAllString(r.From, -1), stars.FindAllString(to, -1)) && to != "" {
		panic(fmt.Sprintf("weights.Rename: rule %+v: the stars of both sides differ", r))
	}
	return rule{from: pattern(r.From), to: pattern(to), fromText: r.From, toText: to, part: part}
}

var stars = regexp.MustCompile(`\*+`)

// pattern is the regular expression of one side of a rule.
func pattern(text string) *regexp.Regexp {
	parts := strings.Split(text, ".")
	for i, p := range parts {
		switch p {
		case "*":
			parts[i] = `([^.]+)`
		case "**":
			parts[i] = `(.+)`
		default:
			if strings.Contains(p, "**") {
				panic(fmt.Sprintf("weights.Rename: rule for %q: ** is a whole part or nothing", text))
			}
			parts[i] = strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `([0-9]+)`)
		}
	}
	return regexp.MustCompile(`^` + strings.Join(parts, `\.`) + `$`)
}

// forward is the new name of an origin that the rule matches.
func (r *rule) forward(origin string) (string, bool) { return translate(r.from, r.toText, origin) }

// backward is the origin of a new name that the rule can give.
func (r *rule) backward(name string) (string, bool) {
	if r.toText == "" {
		return "", false
	}
	return translate(r.to, r.fromText, name)
}

func translate(from *regexp.Regexp, to, name string) (string, bool) {
	m := from.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	i := 0
	return stars.ReplaceAllStringFunc(to, func(string) string { i++; return m[i] }), true
}
