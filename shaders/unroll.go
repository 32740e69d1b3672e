package shaders

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// unroll expands the blocks between `// unroll <var> <CONST>` and `// end`
// (each alone on its line): a block is repeated as many times as the module
// constant says, and in copy i every identifier part `_<var>` becomes `_i`
// (acc_r_c with r: acc_3_c) and every literal `0u /*<var>*/` becomes `iu`.
// Blocks nest; a constant of 0 drops its block. The two marks themselves go.
//
// Unexpanded text is copy 0 with other names, hence valid WGSL where every
// constant is 1.
func unroll(text string) (string, error) {
	u := unroller{constants: constants(text), lines: strings.Split(text, "\n")}
	out, err := u.block(0)
	if err != nil {
		return "", err
	}
	return strings.Join(out, "\n"), nil
}

type unroller struct {
	constants constantList // of the whole file
	lines     []string
	next      int // first line not yet read
}

var (
	unrollPattern = regexp.MustCompile(`^\s*// unroll ([a-z]\w*) (\w+)\s*$`)
	startsUnroll  = regexp.MustCompile(`^\s*// unroll\b`)
	endPattern    = regexp.MustCompile(`^\s*// end\s*$`)
)

// block reads lines up to the end of the file (depth 0) or up to the mark
// that closes the block, and returns them with inner blocks expanded.
func (u *unroller) block(depth int) ([]string, error) {
	start := u.next
	var out []string
	for u.next < len(u.lines) {
		line := u.lines[u.next]
		u.next++
		mark := unrollPattern.FindStringSubmatch(line)
		switch {
		case mark != nil:
			inner, err := u.repeat(mark[1], mark[2], depth)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		case startsUnroll.MatchString(line):
			return nil, fmt.Errorf("line %d: %q: want `// unroll <var> <CONST>`", u.next, strings.TrimSpace(line))
		case endPattern.MatchString(line) && depth == 0:
			return nil, fmt.Errorf("line %d: `// end` closes no unroll block", u.next)
		case endPattern.MatchString(line):
			return out, nil
		default:
			out = append(out, line)
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("line %d: unroll block without `// end`", start)
	}
	return out, nil
}

// repeat reads the block after its opening mark and returns all its copies.
func (u *unroller) repeat(variable, count string, depth int) ([]string, error) {
	line := u.next
	c, err := u.constants.only(count)
	if err != nil {
		return nil, fmt.Errorf("line %d: unroll %s %s: %w", line, variable, count, err)
	}
	n, err := strconv.Atoi(c.number)
	if err != nil || n > 256 {
		return nil, fmt.Errorf("line %d: unroll %s %s: %s copies, want at most 256", line, variable, count, c.number)
	}
	inner, err := u.block(depth + 1)
	if err != nil {
		return nil, err
	}
	mark := "0u /*" + variable + "*/"
	literal := regexp.MustCompile(`\b` + regexp.QuoteMeta(mark))
	out := make([]string, 0, n*len(inner))
	for i := range n {
		for _, line := range inner {
			if strings.Contains(line, mark) {
				line = literal.ReplaceAllString(line, strconv.Itoa(i)+"u")
			}
			if strings.Contains(line, "_"+variable) {
				line = renamePart(line, variable, strconv.Itoa(i))
			}
			out = append(out, line)
		}
	}
	return out, nil
}

// renamePart replaces, in every identifier of line, each part after an
// underscore that equals part.
func renamePart(line, part, by string) string {
	return wordPattern.ReplaceAllStringFunc(line, func(word string) string {
		parts := strings.Split(word, "_")
		for i := 1; i < len(parts); i++ {
			if parts[i] == part {
				parts[i] = by
			}
		}
		return strings.Join(parts, "_")
	})
}
