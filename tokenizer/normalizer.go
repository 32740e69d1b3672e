package tokenizer

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The most that a step of a clean-up may put in place of a text, and the steps that
// there may be, so that a file does not blow texts up.
const (
	maxReplacement = 1024
	maxSteps       = 32
)

// normalizer is the steps of a clean-up as tokenizer.json names them.
type normalizer []func(string) string

// newNormalizer makes functions of steps; those that no family here has are refused.
func newNormalizer(steps []step) (normalizer, error) {
	var out normalizer
	for _, s := range steps {
		if s.Type == "" {
			continue
		}
		f, err := s.function()
		if err != nil {
			return nil, fmt.Errorf("normalizer: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (n normalizer) apply(text string) string {
	for _, f := range n {
		text = f(text)
	}
	return text
}

func (s step) function() (func(string) string, error) {
	switch s.Type {
	case "NFC":
		return norm.NFC.String, nil
	case "Lowercase":
		return lowerAll, nil
	case "Replace":
		return s.replace()
	case "Precompiled":
		m, err := newCharsmap(s.Charsmap)
		if err != nil {
			return nil, err
		}
		return m.graphemes, nil
	case "Strip":
		return func(text string) string {
			if s.StripLeft {
				text = strings.TrimLeftFunc(text, unicode.IsSpace)
			}
			if s.StripRight {
				text = strings.TrimRightFunc(text, unicode.IsSpace)
			}
			return text
		}, nil
	}
	return nil, fmt.Errorf("%q is not supported; NFC, Lowercase, Replace, Strip and Precompiled are", s.Type)
}

// replace knows a text, runs of white space, and a set of ASCII signs.
func (s step) replace() (func(string) string, error) {
	p := s.Pattern
	if len(s.Content) > maxReplacement {
		return nil, fmt.Errorf("a Replace puts %d bytes in place of %.40q; expected at most %d", len(s.Content), p.String+p.Regex, maxReplacement)
	}
	switch {
	case p.String != "":
		return func(text string) string { return strings.ReplaceAll(text, p.String, s.Content) }, nil
	case p.Regex == ` {2,}` && s.Content == " ":
		return func(text string) string {
			return replaceRuns(text, func(r rune) bool { return r == ' ' }, " ")
		}, nil
	case p.Regex == `\s+`:
		return func(text string) string { return replaceRuns(text, unicode.IsSpace, s.Content) }, nil
	}
	set, ok := signs(p.Regex)
	if !ok {
		return nil, fmt.Errorf(`pattern %.80q of Replace is not supported; a text, \s+ and a set of signs in brackets are`, p.Regex)
	}
	return func(text string) string { return replaceEach(text, set, s.Content) }, nil
}

// signs reads a set like [!\.\]], of signs alone: no ranges or classes.
func signs(pattern string) (set string, ok bool) {
	inner, opens := strings.CutPrefix(pattern, "[")
	inner, closes := strings.CutSuffix(inner, "]")
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		escaped := c == '\\'
		if escaped {
			if i++; i == len(inner) {
				return "", false
			}
			c = inner[i]
		}
		if c <= ' ' || c > '~' || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) || !escaped && strings.IndexByte(`[]^-&`, c) >= 0 {
			return "", false
		}
		set += string(rune(c))
	}
	return set, opens && closes && set != ""
}

func replaceEach(text, set, with string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		if strings.ContainsRune(set, r) {
			b.WriteString(with)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// replaceRuns puts one text in place of each run of some characters.
func replaceRuns(text string, is func(rune) bool, with string) string {
	var b strings.Builder
	b.Grow(len(text))
	in := false
	for _, r := range text {
		if !is(r) {
			b.WriteRune(r)
		} else if !in {
			b.WriteString(with)
		}
		in = is(r)
	}
	return b.String()
}
