// Package typeset sets single lines of text in Go's own fonts, which have Latin,
// Greek and Cyrillic letters; of other scripts there are boxes.
//
// It breaks no lines and knows no layout: packages figure and viewer do. A
// [Face] keeps buffers: it belongs to one goroutine at a time.
package typeset
