// Package typeset sets single lines of text in Go's own fonts, which have Latin,
// Greek and Cyrillic letters. Other scripts whose letters stand alone come from the
// fonts of the system; what needs a shaper, or has no font, is spelled: U+0628.
//
// It breaks no lines and knows no layout: packages figure and viewer do. A
// [Face] keeps buffers: it belongs to one goroutine at a time.
package typeset
