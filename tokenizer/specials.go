package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// attributes are the names of tokens that every tokenizer of transformers may have,
// in the order in which it gives ids to those that have none.
var attributes = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// UnmarshalJSON implements [json.Unmarshaler]: of a second file, what it says
// overrules the first.
func (c *config) UnmarshalJSON(data []byte) error {
	type plain config
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return err
	}
	if c.Named == nil {
		c.Named = map[string]addedToken{}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if err := c.name(key, keys[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// name takes a key if it names a token, or lists some.
func (c *config) name(key string, value json.RawMessage) error {
	switch {
	case string(value) == "null":
	case strings.HasSuffix(key, "_token") && value[0] != 't' && value[0] != 'f': // add_bos_token is none
		a, err := special(value)
		if err != nil {
			return err
		}
		c.Named[key] = a
	case oneOf(key, "additional_special_tokens", "extra_special_tokens") && value[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		for _, v := range list {
			a, err := special(v)
			if err != nil {
				return err
			}
			c.Extra = append(c.Extra, a)
		}
	case oneOf(key, "additional_special_tokens", "extra_special_tokens"):
		var byName map[string]json.RawMessage
		if err := json.Unmarshal(value, &byName); err != nil {
			return err
		}
		for name, v := range byName {
			a, err := special(v)
			if err != nil {
				return err
			}
			c.Named[name] = a
		}
	}
	return nil
}

// special reads a token that is special because of where it stands: a text, or an
// object that says more.
func special(value json.RawMessage) (a addedToken, err error) {
	if value[0] == '"' {
		err = json.Unmarshal(value, &a.Content)
	} else {
		err = json.Unmarshal(value, &a)
	}
	a.Special = true
	return a, err
}

// complete gives the added tokens of a tokenizer and their ids: those of its file,
// those of the config, which overrule them, and the named ones, which transformers
// adds where they are none yet; names are what the class calls them by itself.
func (c config) complete(ids map[string]uint32, tokens []added, names map[string]string) ([]added, error) {
	if is(c.SplitTokens, true) {
		return nil, fmt.Errorf("tokenizer_config.json: split_special_tokens is true, which is not supported")
	}
	more, err := c.addTo(ids)
	if err != nil {
		return nil, err
	}
	if c.Added == nil {
		tokens, more = more, tokens
	}
	for _, a := range more {
		tokens = append(slices.DeleteFunc(tokens, func(b added) bool { return a.text == b.text }), a)
	}
	next := uint32(0)
	for _, id := range ids {
		next = max(next, id+1)
	}
	add := func(key string, a addedToken) error {
		if a.Content == "" || slices.ContainsFunc(tokens, func(b added) bool { return b.text == a.Content }) {
			return nil
		}
		id, ok := ids[a.Content]
		if !ok && !slices.Contains(attributes, key) {
			return fmt.Errorf("tokenizer_config.json: the vocabulary of %d tokens has no %s %q", len(ids), key, a.Content)
		}
		if a.SingleWord {
			return fmt.Errorf("tokenizer_config.json: %s %q has single_word, which is not supported", key, a.Content)
		}
		if !ok {
			id = next
			next++
			ids[a.Content] = id
		}
		tokens = append(tokens, a.added(id))
		return nil
	}
	for _, key := range attributes {
		if err := add(key, c.attribute(key, names)); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Named)) {
		if err := add(key, c.Named[key]); err != nil {
			return nil, err
		}
	}
	for _, a := range c.Extra {
		if err := add("special token", a); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// named says that one of the usual names is a token's, or that tokenizer_config.json
// lists it as special.
func (c config) named(text string) bool {
	for _, key := range attributes {
		if c.Named[key].Content == text {
			return true
		}
	}
	return slices.ContainsFunc(c.own, func(a addedToken) bool { return a.Content == text })
}

// attribute is a named token: of the config, else as the class names it.
func (c config) attribute(key string, names map[string]string) addedToken {
	if a, ok := c.Named[key]; ok {
		return a
	}
	return addedToken{Content: names[key], Special: true}
}

// find is the id of a named token that must be there.
func (c config) find(v *vocabulary, key string, names map[string]string) (uint32, error) {
	id, err := v.find(c.attribute(key, names).Content)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	return id, nil
}

// build numbers the tokens, added ones among them.
func build(ids map[string]uint32, tokens []added) (*vocabulary, error) {
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, err
	}
	for _, a := range tokens {
		v.tokens[a.id] = a.text
		if a.special {
			v.special[a.id] = true
		}
	}
	return v, nil
}
