package tokenizer

import "strings"

// byteLevel is byte-pair encoding of the bytes of words (Radford et al. 2019):
// GPT-2's, and after it RoBERTa's, Whisper's, SmolLM's.
type byteLevel struct {
	added  *tokenCutter
	split  splitter
	merges merges
	bytes  [256]int64 // the tokens of bytes, -1 for none
	// unknown is the token of a byte without one, -1 where such bytes are dropped;
	// fuse makes one of several.
	unknown int64
	fuse    bool
	// whole are the words that are a token whatever the merges say; nil if none are.
	whole map[string]uint32
}

// newByteLevel makes the scheme of a vocabulary and its merges, the first first.
func newByteLevel(ids map[string]uint32, pairs [][2]string) (*byteLevel, error) {
	b := &byteLevel{unknown: -1}
	for i, letter := range byteLetter {
		b.bytes[i] = -1
		if id, ok := ids[letter]; ok {
			b.bytes[i] = int64(id)
		}
	}
	var err error
	b.merges, err = newMerges(&vocabulary{ids: ids}, pairs)
	return b, err
}

func (b *byteLevel) encode(text string, n int) []uint32 {
	var w bench
	var word []uint32
	return b.added.encode(text, n, func(ids []uint32, text string) []uint32 {
		b.split(text, func(piece string) {
			if len(ids) >= n {
				return
			}
			if b.whole != nil {
				if id, ok := b.whole[letters(piece)]; ok {
					ids = append(ids, id)
					return
				}
			}
			word = word[:0]
			for i := range len(piece) {
				id := b.bytes[piece[i]]
				if id < 0 {
					if id = b.unknown; id < 0 || b.fuse && i > 0 && b.bytes[piece[i-1]] < 0 {
						continue
					}
				}
				word = append(word, uint32(id))
			}
			ids = b.merges.apply(ids, word, &w)
		})
		return ids
	})
}

// letters is a text as a vocabulary has it: each byte a printable character.
func letters(text string) string {
	var out strings.Builder
	for i := range len(text) {
		out.WriteString(byteLetter[text[i]])
	}
	return out.String()
}

// join puts the bytes together. A token with a character that stands for no byte
// is taken as it is.
func (b *byteLevel) join(tokens []string) string {
	var out []byte
	for _, s := range tokens {
		begin := len(out)
		for _, r := range s {
			raw, ok := letterByte[r]
			if !ok {
				out = append(out[:begin], s...)
				break
			}
			out = append(out, raw)
		}
	}
	return string(out)
}
