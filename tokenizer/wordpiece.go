package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// continuation marks a piece that goes on with a word.
const continuation = "##"

// longestWord is how many characters a word may have that is cut into pieces.
const longestWord = 100

// bertNames are the tokens of transformers' BertTokenizer.
var bertNames = map[string]string{
	"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}

// bertClass says that transformers makes a BertTokenizer of a class.
func bertClass(class string) bool {
	return oneOf(class, "BertTokenizer", "DistilBertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer", "ConvBertTokenizer")
}

// wordPiece is BERT's tokenizer (Devlin et al. 2018, Schuster and Nakajima 2012):
// each word is cut into the longest pieces from its beginning on.
type wordPiece struct {
	added       *tokenCutter
	heads, next map[string]uint32 // pieces at a word's beginning, and after it
	longest     int               // bytes of the longest piece
	unknown     uint32
	decoder     wordPieceDecoder
}

func newWordPiece(ids map[string]uint32, unknown string) (*wordPiece, error) {
	id, ok := ids[unknown]
	if !ok {
		return nil, fmt.Errorf("the vocabulary of %d tokens has no unk_token %q", len(ids), unknown)
	}
	w := &wordPiece{heads: make(map[string]uint32, len(ids)), next: map[string]uint32{}, unknown: id}
	for text, id := range ids {
		w.heads[text] = id
		if rest, ok := strings.CutPrefix(text, continuation); ok {
			w.next[rest] = id
		}
		w.longest = max(w.longest, len(text))
	}
	return w, nil
}

func (w *wordPiece) encode(text string, n int) []uint32 {
	return w.added.encode(text, n, func(ids []uint32, text string) []uint32 {
		bertWords(text, func(word string) bool {
			ids = w.word(ids, word)
			return len(ids) < n
		})
		return ids
	})
}

// word appends the pieces of a word, or that it is unknown if it does not come out.
func (w *wordPiece) word(ids []uint32, word string) []uint32 {
	if len(word) > longestWord && utf8.RuneCountInString(word) > longestWord {
		return append(ids, w.unknown)
	}
	first, pieces := len(ids), w.heads
	for len(word) > 0 {
		end := min(len(word), w.longest)
		for end > 0 {
			if end == len(word) || utf8.RuneStart(word[end]) {
				if id, ok := pieces[word[:end]]; ok {
					ids = append(ids, id)
					break
				}
			}
			end--
		}
		if end == 0 {
			return append(ids[:first], w.unknown)
		}
		word, pieces = word[end:], w.next
	}
	return ids
}

func (w *wordPiece) join(tokens []string) string { return w.decoder.join(tokens) }

// wordPieceDecoder puts pieces together.
type wordPieceDecoder struct {
	plain   bool // pieces stand apart as they are
	cleanUp bool
}

func (d wordPieceDecoder) join(tokens []string) string {
	var b strings.Builder
	for i, s := range tokens {
		if i > 0 {
			rest, goesOn := strings.CutPrefix(s, continuation)
			if goesOn && !d.plain {
				s = rest
			} else {
				s = " " + s
			}
		}
		if d.cleanUp && !d.plain {
			s = tidy(s, " do not", " don't")
		}
		b.WriteString(s)
	}
	return b.String()
}

// tidy drops spaces before signs and in contractions, as transformers'
// clean_up_tokenization does, one kind after the other.
func tidy(text string, more ...string) string {
	if !strings.Contains(text, " ") {
		return text
	}
	pairs := append([]string{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m"}, more...)
	pairs = append(pairs, " 's", "'s", " 've", "'ve", " 're", "'re")
	for i := 0; i < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}
