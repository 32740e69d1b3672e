package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
)

// SigLIP's special tokens, where a checkpoint names none.
const (
	sentenceEnd     = "</s>"
	unknownSentence = "<unk>"
)

// siglip is transformers' SiglipTokenizer over spiece.model.
type siglip struct {
	model  *spiece
	added  *cutter
	upper  bool   // capitals stay
	lone   uint32 // U+2581 alone
	prefix string // the unknown token, before every text
	skip   int    // how many ids it takes
}

// openSpiece reads spiece.model as SiglipTokenizer does.
func openSpiece(data []byte, c config) (*Tokenizer, error) {
	model, err := parseSpiece(data)
	if err != nil {
		return nil, err
	}
	v := model.vocab
	s := &siglip{model: model, upper: is(c.LowerCase, false)}
	if is(c.Legacy, false) {
		model.dummyPrefix = false
	}
	names := []string{c.EOS.or(sentenceEnd), c.Unknown.or(unknownSentence), c.Pad.or(sentenceEnd)}
	var tokens []added
	for _, name := range names {
		id, err := v.find(name)
		if err != nil {
			return nil, fmt.Errorf("eos_token, unk_token and pad_token: %w", err)
		}
		v.special[id] = true
		tokens = append(tokens, added{text: name, id: id})
	}
	end, pad := tokens[0].id, tokens[2].id
	for _, a := range c.Added {
		id, err := v.find(a.Content)
		if err != nil {
			return nil, fmt.Errorf("added_tokens_decoder: %w; tokens beside those of spiece.model are not supported", err)
		}
		v.special[id] = v.special[id] || a.Special
		tokens = append(tokens, added{text: a.Content, id: id})
	}
	s.added = newCutter(tokens)
	if s.lone, err = v.find(space); err != nil {
		return nil, err
	}
	s.prefix = names[1]
	s.skip = len(model.encode(s.prefix))
	return &Tokenizer{
		vocab: v, scheme: s, after: []uint32{end}, once: true,
		pad: pad, padLeft: c.PaddingSide == "left",
	}, nil
}

// encode follows SiglipTokenizer.tokenize: a mark before the text; what stands
// between added tokens is canonicalised and encoded after the unknown token, of
// which the ids are dropped; a lone mark before a special token goes.
func (s *siglip) encode(text string, _ int) []uint32 {
	var ids []uint32
	for i, part := range s.added.cut(space + strings.ReplaceAll(text, space, " ")) {
		if part.token == nil {
			inner := s.model.encode(s.prefix + s.canonical(part.text))
			if len(inner) >= s.skip {
				inner = inner[s.skip:]
			}
			ids = append(ids, inner...)
			continue
		}
		if i == 1 && len(ids) == 1 && ids[0] == s.lone {
			ids = ids[:0]
		}
		ids = append(ids, part.token.id)
	}
	return ids
}

// punctuation is Python's string.punctuation.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// canonical is SigLIP's clean-up: lower case, ASCII's signs dropped, each run of
// white space one space, none at the ends.
func (s *siglip) canonical(text string) string {
	if !s.upper {
		text = lowerPython(text)
	}
	text = replaceRuns(replaceEach(text, punctuation, ""), pythonSpace, " ")
	return strings.Trim(text, " ")
}

// pythonSpace is str.isspace: the four separators of ASCII too.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func (s *siglip) join(tokens []string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(tokens, ""), space, " "))
}
