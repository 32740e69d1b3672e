package weights

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"blocks.0.weight":   "blocks.0.weight",
		"größe 猫 \\ \"'":    "größe 猫 \\ \"'",
		"a\x1b[31m\n\t\x00": `a\x1b[31m\n\t\x00`,
		"\u202egnp.exe":     `\u202egnp.exe`,
		"a\xffb\uFFFD":      `a\xffb` + "\uFFFD",
		"\x9b31m":           `\x9b31m`,
	} {
		assert.Equal(t, want, Printable(text))
	}
	for _, long := range []string{strings.Repeat("x", 1<<20), strings.Repeat("猫", 1<<20), strings.Repeat("\x00", 1<<20)} {
		shown := Printable("begin" + long + "end")
		assert.LessOrEqual(t, len(shown), maxShown)
		assert.True(t, utf8.ValidString(shown))
		assert.Contains(t, shown, "begin")
		assert.Contains(t, shown, "end")
		line := Line(errors.New("open " + long + ": no such file"))
		assert.LessOrEqual(t, len(line), 500)
		assert.True(t, utf8.ValidString(line))
		assert.Contains(t, line, "open ")
		assert.Contains(t, line, ": no such file")
	}
	assert.Equal(t, `one; two\x1b`, Line(errors.New("one\ntwo\x1b\n")))
}

// checkLine fails on an error that is not one short line without control
// characters.
func checkLine(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); len(text) > 1000 || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		t.Fatalf("no short line: %.2000q", text)
	}
}
