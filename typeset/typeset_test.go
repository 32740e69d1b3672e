package typeset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/gofont/goregular"
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

// What Go Regular lacks comes from a font of the system; what no font has, and what
// would need a shaper, is spelled.
func TestFallback(t *testing.T) {
	none := Regular(14)
	none.face.system = func() []string { return nil }
	assert.Equal(t, "a U+6F22 U+5B57b", none.Fit("a 漢\ufe0f字b", 500))
	assert.Equal(t, "é", none.Fit("e\u0301", 500), "composed where one letter is both")

	// A font that lacks everything falls back to Go Regular in a folder.
	folder := t.TempDir()
	for name, data := range map[string][]byte{"a.ttf": []byte("no font"), "b Bold.ttf": goregular.TTF, "c.otf": goregular.TTF, "d.txt": goregular.TTF} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	assert.Equal(t, []string{filepath.Join(folder, "a.ttf"), filepath.Join(folder, "c.otf")}, fontsIn(folder, filepath.Join(folder, "none")))
	lacks := Regular(14)
	lacks.face.system = func() []string { return fontsIn(folder) }
	require.Nil(t, lacks.face.search('漢'))
	got := lacks.face.search('a')
	require.NotNil(t, got)
	assert.Same(t, got, lacks.face.search('b'), "one font for both")
	want, _ := lacks.face.Face.GlyphAdvance('a')
	advance, _ := got.GlyphAdvance('a')
	assert.Equal(t, want, advance)
	assert.Nil(t, lacks.face.search('ب'), "needs a shaper")
}
