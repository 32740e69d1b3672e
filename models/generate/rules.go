package generate

import (
	"slices"

	"saccade/ops"
)

// Rule bans ranges of tokens as a kind of model has it.
type Rule struct {
	// Ranges are those, each from its first token to before its second, that must not
	// follow a text which began with so many tokens; Most is how many there are at most.
	Ranges func(text []uint32, begun int) [][2]uint32
	Most   int
	// Times is the first of the tokens that are times, of which one follows as
	// [ops.Timestamps] has it; 0: there are none.
	Times int
}

// repeats says that tokens that have occurred are made less likely.
func (c Config) repeats() bool { return c.Repetition != 0 && c.Repetition != 1 }

// bans is the most tokens that may be banned at a time from texts of so many.
func (c Config) bans(room int) int {
	n := len(c.Suppress) + len(c.First)
	if c.MinLength > 0 || c.MinTokens > 0 {
		n += len(c.End)
	}
	if c.NoRepeat > 0 {
		n += room
	}
	return n
}

// banned are the tokens that must not follow a text.
func (s *session) banned(text []uint32) []uint32 {
	c := s.Config
	all := slices.Clone(c.Suppress)
	if len(text) == s.first {
		all = append(all, c.First...)
	}
	if len(text) < s.least {
		all = append(all, c.End...)
	}
	return append(all, repeating(text, c.NoRepeat)...)
}

// ranges are what the rule bans from each text, filled up with empty ones.
func (s *session) ranges(texts [][]uint32) []uint32 {
	all := make([]uint32, 0, len(texts)*s.Config.Rule.Most*2)
	for _, text := range texts {
		ranges := s.Config.Rule.Ranges(text, s.begun)
		for _, r := range ranges {
			all = append(all, r[0], r[1])
		}
		for range s.Config.Rule.Most - len(ranges) {
			all = append(all, ops.NoRow, ops.NoRow)
		}
	}
	return all
}

// repeating are the tokens that would repeat an n-gram of a text behind it.
func repeating(text []uint32, n int) []uint32 {
	if n < 1 || len(text) < n {
		return nil
	}
	last := text[len(text)-n+1:]
	var all []uint32
	for i := range len(text) - n + 1 {
		if slices.Equal(text[i:i+n-1], last) {
			all = append(all, text[i+n-1])
		}
	}
	return all
}

// occurred are the tokens of a text, each once.
func occurred(text []uint32) []uint32 {
	all := slices.Clone(text)
	slices.Sort(all)
	return slices.Compact(all)
}

// forced is the token that must follow a text of so many, if one must.
func (s *session) forced(length int) (id uint32, ok bool) {
	c := s.Config
	switch {
	case c.ForcedLast != nil && length == s.greatest-1:
		return c.ForcedLast[0], true
	case c.ForcedFirst != nil && length == 1:
		return *c.ForcedFirst, true
	}
	return 0, false
}
