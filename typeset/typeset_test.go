package typeset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestFit(t *testing.T) {
	bold := Bold(14)
	assert.Equal(t, "short", bold.Fit("short", 100))
	assert.Equal(t, "a b", bold.Fit("a\nb", 100))
	assert.Empty(t, bold.Fit("wide", 1))
	long := bold.Fit("a title of many words", 100)
	assert.True(t, strings.HasSuffix(long, "…") && strings.HasPrefix(long, "a title"), long)
	rapid.Check(t, func(t *rapid.T) {
		s, width := rapid.StringMatching(`[ -~äöüα-ω]{0,60}`).Draw(t, "s"), rapid.IntRange(0, 400).Draw(t, "width")
		got := bold.Fit(s, width)
		assert.LessOrEqual(t, bold.Width(got), width)
		if got != s && got != "" {
			assert.True(t, strings.HasSuffix(got, "…"))
		}
	})
}
