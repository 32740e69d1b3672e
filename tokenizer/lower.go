package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lower writes a letter in lower case, whatever stands beside it.
func lower(b *strings.Builder, r rune) {
	if r == 'İ' { // the one letter whose lower case is two characters
		b.WriteString("i\u0307")
		return
	}
	b.WriteRune(unicode.ToLower(r))
}

// lowerAll writes in lower case letter by letter.
func lowerAll(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		lower(&b, r)
	}
	return b.String()
}

// lowerPython is str.lower: a capital sigma at a word's end becomes a final one.
func lowerPython(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i, r := range text {
		if r == 'Σ' && finalSigma(text, i) {
			r = 'ς'
		}
		lower(&b, r)
	}
	return b.String()
}

// finalSigma is Unicode's condition Final_Sigma for the sigma at a place: a cased
// letter before it and none after it, ignorable characters aside.
func finalSigma(text string, at int) bool {
	before := strings.TrimRightFunc(text[:at], caseIgnorable)
	after := strings.TrimLeftFunc(text[at+utf8.RuneLen('Σ'):], caseIgnorable)
	b, _ := utf8.DecodeLastRuneInString(before)
	a, _ := utf8.DecodeRuneInString(after)
	return cased(b) && !cased(a)
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is Unicode's property: besides these categories the signs that
// may stand inside a word.
func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:·\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
