package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/diffusion"
)

// The page lists the schedulers that there are.
func TestSchedulers(t *testing.T) {
	p := read(t, filepath.Join("docs", "paint.md"))
	_, section, found := strings.Cut(p.text, "\n## Schedulers\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	list := regexp.MustCompile("(?s)`ddpm`.*?\n\n").FindString(section)
	var names []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	assert.Equal(t, diffusion.Schedulers(), names)
}
