package masks

import (
	"encoding/json"
	"fmt"
)

// RLE is a mask as COCO encodes it: the lengths of runs, column by column from the left,
// each from above; runs of pixels that do not belong and that do take turns, and the first
// is of those that do not.
type RLE struct {
	Height, Width int
	Runs          []int
}

// Encode finds the runs of a mask. Only the first can be empty.
func Encode(m Mask) RLE {
	r := RLE{Height: m.Height, Width: m.Width}
	run, on := 0, false
	for x := range m.Width {
		for i := x; i < len(m.On); i += m.Width {
			if m.On[i] != on {
				r.Runs = append(r.Runs, run)
				run, on = 0, !on
			}
			run++
		}
	}
	r.Runs = append(r.Runs, run)
	return r
}

// Area is the number of pixels that belong.
func (r RLE) Area() int {
	n := 0
	for i := 1; i < len(r.Runs); i += 2 {
		n += r.Runs[i]
	}
	return n
}

// Mask is the mask that r encodes. The runs must fill it, as those of [Encode] and
// [ParseRLE] do.
func (r RLE) Mask() Mask {
	m := Mask{r.Height, r.Width, make([]bool, r.Height*r.Width)}
	at, on := 0, false
	for _, run := range r.Runs {
		if on {
			for i := at; i < at+run; i++ {
				m.On[i%r.Height*r.Width+i/r.Height] = true
			}
		}
		at, on = at+run, !on
	}
	return m
}

// A character of COCO's "counts" holds five bits of a number, the lowest first; the sixth
// says that more follow, and the highest bit of the last is the sign.
const (
	digitBits = 5
	digitMask = 1<<digitBits - 1
	more      = 1 << digitBits
	sign      = 1 << (digitBits - 1)
	firstChar = '0'
	// Characters of a number that fits an int: 13 times five bits.
	maxDigits = 13
)

// Counts is the string that pycocotools calls "counts". From the fourth run on a number is
// the difference from the run before last, which is of the same kind.
func (r RLE) Counts() string {
	var s []byte
	for i, v := range r.Runs {
		if i > 2 {
			v -= r.Runs[i-2]
		}
		for following := true; following; {
			c := v & digitMask
			v >>= digitBits
			following = v != 0
			if c&sign != 0 {
				following = v != -1
			}
			if following {
				c |= more
			}
			s = append(s, byte(c)+firstChar)
		}
	}
	return string(s)
}

// ParseRLE reads COCO's "counts" of a mask of a height and a width.
func ParseRLE(height, width int, counts string) (RLE, error) {
	r := RLE{Height: height, Width: width}
	if height < 0 || width < 0 || width > 0 && height > maxPixels/width {
		return RLE{}, fmt.Errorf("a mask of %d×%d pixels; expected sizes from 0 and at most %d pixels", height, width, maxPixels)
	}
	left := height * width
	for at := 0; at < len(counts); {
		v, n := digits(counts[at:])
		if n == 0 {
			return RLE{}, fmt.Errorf("counts of a mask are no run lengths from character %d on: %.20q", at, counts[at:])
		}
		at += n
		if len(r.Runs) > 2 {
			v += r.Runs[len(r.Runs)-2]
		}
		if v < 0 || v > left {
			return RLE{}, fmt.Errorf("run %d of a mask of %d×%d is %d pixels long, and %d are left", len(r.Runs), height, width, v, left)
		}
		left -= v
		r.Runs = append(r.Runs, v)
	}
	if left > 0 {
		return RLE{}, fmt.Errorf("the runs of a mask of %d×%d end %d pixels before it does", height, width, left)
	}
	return r, nil
}

// maxPixels bounds what a mask may be said to have, so that sums of runs do not overflow.
const maxPixels = 1 << 31

// digits reads the number that s begins with, and how many characters it takes: 0 if s
// begins with none.
func digits(s string) (v, n int) {
	for n < len(s) && n < maxDigits {
		c := int(s[n]) - firstChar
		if c < 0 || c > digitMask|more {
			return 0, 0
		}
		v |= c & digitMask << (digitBits * n)
		n++
		if c&more == 0 {
			if c&sign != 0 {
				v |= -1 << (digitBits * n)
			}
			return v, n
		}
	}
	return 0, 0
}

// coco is how pycocotools writes a mask.
type coco struct {
	Size   [2]int `json:"size"` // height, width
	Counts string `json:"counts"`
}

// MarshalJSON implements [json.Marshaler]: {"size":[height,width],"counts":"…"}.
func (r RLE) MarshalJSON() ([]byte, error) {
	return json.Marshal(coco{[2]int{r.Height, r.Width}, r.Counts()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *RLE) UnmarshalJSON(data []byte) error {
	var c coco
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("a mask in COCO's form: %w", err)
	}
	parsed, err := ParseRLE(c.Size[0], c.Size[1], c.Counts)
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
