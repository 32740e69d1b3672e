package typeset

import (
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// fallback is a face that takes the glyphs its own font lacks from the fonts of the
// system.
type fallback struct {
	font.Face
	own    *sfnt.Font
	size   float64
	system func() []string // paths of fonts, asked when the first glyph is missing
	opened []face          // those that had a glyph
	found  map[rune]font.Face
	buffer sfnt.Buffer
}

// face is a font of the system in the size of the face that falls back to it.
type face struct {
	font *sfnt.Font
	font.Face
}

// of is the face that draws r; nil: none does.
func (f *fallback) of(r rune) font.Face {
	got, known := f.found[r]
	if !known {
		if got = f.Face; !f.has(f.own, r) {
			got = f.search(r)
		}
		f.found[r] = got
	}
	return got
}

// alone are the scripts whose letters stand as they are, one after the other from the
// left. In others, as Arabic or Devanagari, letters change with their neighbours, so
// that without a shaper even the right font makes a wrong word.
var alone = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Georgian,
	unicode.Ethiopic, unicode.Cherokee, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Yi, unicode.Common}

// search looks for r in the fonts of the system, those in use first.
func (f *fallback) search(r rune) font.Face {
	if !unicode.In(r, alone...) || unicode.Is(unicode.M, r) {
		return nil
	}
	for _, o := range f.opened {
		if f.has(o.font, r) {
			return o.Face
		}
	}
	for _, path := range f.system() {
		if o, ok := f.open(path, r); ok {
			f.opened = append(f.opened, o)
			return o.Face
		}
	}
	return nil
}

// open opens the font of a file that has r, if one has. A file that is no font is
// passed over: it is not what the caller asked for.
func (f *fallback) open(path string, r rune) (face, bool) {
	file, err := os.Open(path)
	if err != nil {
		return face{}, false
	}
	fonts, err := sfnt.ParseCollectionReaderAt(file)
	if err == nil {
		for i := range fonts.NumFonts() {
			parsed, err := fonts.Font(i)
			if err != nil || !f.has(parsed, r) {
				continue
			}
			if made, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull}); err == nil {
				return face{parsed, made}, true // which reads from the file as long as it is used
			}
		}
	}
	file.Close()
	return face{}, false
}

// has says that a font has a glyph for r that is made of lines: emoji of coloured
// pixels are not.
func (f *fallback) has(in *sfnt.Font, r rune) bool {
	glyph, err := in.GlyphIndex(&f.buffer, r)
	if err != nil || glyph == 0 {
		return false
	}
	lines, err := in.LoadGlyph(&f.buffer, glyph, fixed.I(int(f.size)), nil)
	return err == nil && (len(lines) > 0 || unicode.IsSpace(r))
}

// systemFonts are the upright fonts of normal weight that are installed, as far as
// their files' names tell.
func systemFonts() []string {
	home, _ := os.UserHomeDir()
	var folders []string
	switch runtime.GOOS {
	case "windows":
		folders = []string{filepath.Join(os.Getenv("WINDIR"), "Fonts"), filepath.Join(os.Getenv("LOCALAPPDATA"), "Microsoft", "Windows", "Fonts")}
	case "darwin":
		folders = []string{"/System/Library/Fonts", "/Library/Fonts", filepath.Join(home, "Library", "Fonts")}
	default:
		folders = []string{"/usr/share/fonts", "/usr/local/share/fonts", filepath.Join(home, ".local", "share", "fonts"), filepath.Join(home, ".fonts")}
	}
	return fontsIn(folders...)
}

func fontsIn(folders ...string) []string {
	var paths []string
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			name := strings.ToLower(filepath.Base(path))
			other := strings.Contains(name, "bold") || strings.Contains(name, "italic") || strings.Contains(name, "oblique")
			if err == nil && d.Type().IsRegular() && !other && slices.Contains([]string{".ttf", ".otf", ".ttc", ".otc"}, filepath.Ext(name)) {
				paths = append(paths, path)
			}
			return nil // a folder that can't be read has no fonts for us
		})
	}
	return paths
}

func (f *fallback) Glyph(dot fixed.Point26_6, r rune) (image.Rectangle, image.Image, image.Point, fixed.Int26_6, bool) {
	return f.drawer(r).Glyph(dot, r)
}

func (f *fallback) GlyphBounds(r rune) (fixed.Rectangle26_6, fixed.Int26_6, bool) {
	return f.drawer(r).GlyphBounds(r)
}

func (f *fallback) GlyphAdvance(r rune) (fixed.Int26_6, bool) { return f.drawer(r).GlyphAdvance(r) }

func (f *fallback) Kern(a, b rune) fixed.Int26_6 {
	if of := f.drawer(a); of == f.drawer(b) {
		return of.Kern(a, b)
	}
	return 0
}

// drawer is the face of r; what none has is drawn as the own font's box.
func (f *fallback) drawer(r rune) font.Face {
	if of := f.of(r); of != nil {
		return of
	}
	return f.Face
}
