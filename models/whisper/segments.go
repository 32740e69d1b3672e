package whisper

// Segment is a part of what was said.
type Segment struct {
	Start, End float64 // seconds
	Tokens     []uint32
}

// window is a part of a spectrogram, frames of it from seek on.
type window struct{ seek, frames int }

// segments parts the tokens of a window where two times follow each other, and says how
// many frames the next window is behind this one's beginning: all of them, or where the
// last segment, which the window's end may have cut, began. first is the first time.
func (w window) segments(tokens []uint32, first uint32) (all []Segment, advance int) {
	isTime := func(i int) bool { return i >= 0 && i < len(tokens) && tokens[i] >= first }
	at := func(token uint32) float64 { return w.start() + float64(int(token)-int(first))*timesStep }
	n := len(tokens)
	var ends []int
	for i := range n {
		if isTime(i) && isTime(i+1) {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 {
		end := float64(int(float64(w.frames) * framesStep / timesStep))
		if i := lastTime(tokens, first); i >= 0 && tokens[i] != first {
			end = float64(tokens[i] - first)
		}
		return []Segment{{w.start(), w.start() + end*timesStep, tokens}}, w.frames
	}
	whole := isTime(n-1) && !isTime(n-2) // nothing is said behind the last time
	if whole {
		ends = append(ends, n)
	} else {
		ends[len(ends)-1]++ // the last of the pair shows that it is one
	}
	from := 0
	for i, end := range ends {
		part, last := tokens[from:end], 1
		if i == len(ends)-1 && !whole {
			last = 2
		}
		all = append(all, Segment{at(part[0]), at(part[len(part)-last]), part})
		from = end
	}
	if whole {
		return all, w.frames
	}
	return all, int(tokens[from-2]-first) * stride
}

// start is the window's first second.
func (w window) start() float64 { return float64(w.seek) * timesStep / stride }
