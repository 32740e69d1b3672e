package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is sentencepiece's precompiled_charsmap, by which it normalizes: the
// length of a trie in bytes, the trie, and the texts that it leads to, each
// ended by a zero. The trie is a double array as Darts-clone writes it: 32 bits a
// unit, of which 0-7 and 31 are the label, 8 says that a value follows, 9 and
// 10-31 are the offset to the children.
type charsmap struct {
	units []uint32
	texts string
}

// newCharsmap reads a map; an empty one changes nothing.
func newCharsmap(data []byte) (*charsmap, error) {
	if len(data) == 0 {
		return &charsmap{}, nil
	}
	if len(data) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap: found %d bytes, expected at least 4", len(data))
	}
	size := int64(binary.LittleEndian.Uint32(data))
	if size > int64(len(data)-4) || size%4 != 0 {
		return nil, fmt.Errorf("precompiled_charsmap: found a trie of %d bytes in %d, expected a multiple of 4 within", size, len(data))
	}
	for text := range bytes.SplitSeq(data[4+size:], []byte{0}) {
		if len(text) > maxReplacement {
			return nil, fmt.Errorf("precompiled_charsmap: found a text of %d bytes to put in place of one, expected at most %d", len(text), maxReplacement)
		}
	}
	m := &charsmap{units: make([]uint32, size/4), texts: string(data[4+size:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(data[4+4*i:])
	}
	return m, nil
}

// match finds a beginning of text that is mapped, the longest or the shortest,
// and what it becomes.
func (m *charsmap) match(text string, longest bool) (length int, to string) {
	if len(m.units) == 0 {
		return 0, ""
	}
	at := offset(m.units[0])
	for i := 0; i < len(text) && text[i] != 0; i++ {
		at ^= uint32(text[i])
		if int64(at) >= int64(len(m.units)) {
			break
		}
		u := m.units[at]
		if u&(1<<31|0xff) != uint32(text[i]) {
			break
		}
		at ^= offset(u)
		if u>>8&1 == 0 || int64(at) >= int64(len(m.units)) {
			continue
		}
		if v := int(m.units[at] & (1<<31 - 1)); v < len(m.texts) {
			length = i + 1
			to, _, _ = strings.Cut(m.texts[v:], "\x00")
			if !longest {
				break
			}
		}
	}
	return length, to
}

func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// next is what the beginning of a text becomes: of the longest match, else a
// character that stays, and how much of the text that is.
func (m *charsmap) next(text string) (to string, length int) {
	if length, to = m.match(text, true); length > 0 {
		return to, length
	}
	_, length = utf8.DecodeRuneInString(text)
	return text[:length], length
}

// graphemes normalizes as the library tokenizers does, other than sentencepiece:
// of a grapheme shorter than 6 bytes that begins with something mapped, the
// shortest such beginning is mapped and the rest is lost; else each character is
// mapped for itself.
func (m *charsmap) graphemes(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	state := -1
	for len(text) > 0 {
		var g string
		g, text, _, state = uniseg.FirstGraphemeClusterInString(text, state)
		if len(g) < 6 {
			if n, to := m.match(g, false); n > 0 {
				b.WriteString(to)
				continue
			}
		}
		for _, r := range g {
			c := string(r)
			if n, to := m.match(c, false); n > 0 {
				c = to
			}
			b.WriteString(c)
		}
	}
	return b.String()
}
