package tokenizer

import "fmt"

// maxSize bounds the ids, so that a wrong one does not take all memory.
const maxSize = 1 << 24

// vocabulary is the tokens and their ids.
type vocabulary struct {
	ids     map[string]uint32
	tokens  []string // by id
	special map[uint32]bool
}

// newVocabulary numbers the tokens by ids.
func newVocabulary(ids map[string]uint32) (*vocabulary, error) {
	v := &vocabulary{ids: ids, special: map[uint32]bool{}}
	for token, id := range ids {
		if id >= maxSize {
			return nil, fmt.Errorf("token %q has the id %d; expected less than %d", token, id, maxSize)
		}
		if int(id) >= len(v.tokens) {
			v.tokens = append(v.tokens, make([]string, int(id)+1-len(v.tokens))...)
		}
		if other := v.tokens[id]; other != "" {
			return nil, fmt.Errorf("tokens %q and %q have the same id %d", min(token, other), max(token, other), id)
		}
		v.tokens[id] = token
	}
	return v, nil
}

// token is the text of an id, "" for an unknown one.
func (v *vocabulary) token(id uint32) string {
	if int(id) >= len(v.tokens) {
		return ""
	}
	return v.tokens[id]
}

// all are the ids of tokens that must be there.
func (v *vocabulary) all(tokens []string) ([]uint32, error) {
	var ids []uint32
	for _, token := range tokens {
		id, err := v.find(token)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// find is the id of a token that must be there.
func (v *vocabulary) find(token string) (uint32, error) {
	id, ok := v.ids[token]
	if !ok {
		return 0, fmt.Errorf("the vocabulary of %d tokens has no %s", len(v.ids), token)
	}
	return id, nil
}
