package ppocr

import "strings"

// Decode is the text of probabilities [T, classes], the likeliest at each place: what is
// the same as before it and the first class, none, are left out. score is the mean
// probability of the characters, 0 of no text.
func Decode(probability []float32, characters []string) (text string, score float64) {
	var b strings.Builder
	last, n := -1, 0
	for at := 0; at < len(probability); at += len(characters) {
		row := probability[at : at+len(characters)]
		best := 0
		for i, p := range row {
			if p > row[best] {
				best = i
			}
		}
		if best != 0 && best != last {
			b.WriteString(characters[best])
			score += float64(row[best])
			n++
		}
		last = best
	}
	if n > 0 {
		score /= float64(n)
	}
	return b.String(), score
}
