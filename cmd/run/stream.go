package main

import (
	"strings"

	"saccade/cmd/internal/cli"
)

// stream is a text that is printed: on a terminal as it becomes longer.
type stream struct {
	out    *output
	live   bool
	before string // the line begins with it
	shown  string
}

// stream is one that begins with a text.
func (s *scribe) stream(before string) *stream {
	return &stream{out: s.stdout, live: !s.json && cli.IsTerminal(s.stdout.to), before: before}
}

// reach prints what words have more than those that were shown. A character that ends
// them and is not whole yet waits.
func (t *stream) reach(words string) {
	words = strings.TrimRight(words, "\ufffd")
	more, ok := strings.CutPrefix(words, t.shown)
	if !ok || more == "" {
		return
	}
	if t.shown == "" {
		t.out.printf("%s", t.before)
	}
	t.out.printf("%s", more)
	_ = t.out.w.Flush() // its error shows at the end
	t.shown = words
}

// end ends the line, when all words are there. Those that do not go on from what was
// shown stand on a line of their own.
func (t *stream) end(words string) {
	more, ok := strings.CutPrefix(words, t.shown)
	switch {
	case t.shown == "":
		t.out.printf("%s%s\n", t.before, words)
	case ok:
		t.out.printf("%s\n", more)
	default:
		t.out.printf("\n%s%s\n", t.before, words)
	}
}
