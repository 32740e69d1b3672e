package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"saccade/weights"
)

// config is what matters of tokenizer_config.json.
type config struct {
	Class       string `json:"tokenizer_class"`
	BOS         token  `json:"bos_token"`
	EOS         token  `json:"eos_token"`
	Pad         token  `json:"pad_token"`
	Unknown     token  `json:"unk_token"`
	AddBOS      *bool  `json:"add_bos_token"`
	AddEOS      *bool  `json:"add_eos_token"`
	PaddingSide string `json:"padding_side"`
	LowerCase   *bool  `json:"do_lower_case"`
	Legacy      *bool  `json:"legacy"`
	Accents     *bool  `json:"strip_accents"`
	Chinese     *bool  `json:"tokenize_chinese_chars"`
	Basic       *bool  `json:"do_basic_tokenize"`
	CleanUp     *bool  `json:"clean_up_tokenization_spaces"`
	SplitTokens *bool  `json:"split_special_tokens"`
	PrefixSpace *bool  `json:"add_prefix_space"`
	CleanBPE    bool   `json:"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"`
	// Of WhisperTokenizer.
	Language   string `json:"language"`
	Task       string `json:"task"`
	Timestamps bool   `json:"predict_timestamps"`

	Added map[string]addedToken `json:"added_tokens_decoder"`

	// Named are the tokens that have a name, by it: cls_token, image_token; Extra
	// are special without one.
	Named map[string]addedToken `json:"-"`
	Extra []addedToken          `json:"-"`
	own   []addedToken          // of Extra, those of tokenizer_config.json

	// AddedIDs are added_tokens.json, which versions of before 2023 have in place of
	// added_tokens_decoder.
	AddedIDs map[string]uint32 `json:"-"`
}

// addedToken is a token with how it is looked for.
type addedToken struct {
	Content    string `json:"content"`
	Special    bool   `json:"special"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized *bool  `json:"normalized"`
}

// added is the token with an id. Special ones are looked for in the text as it
// stands where nothing else is said.
func (a addedToken) added(id uint32) added {
	fold := !a.Special
	if a.Normalized != nil {
		fold = *a.Normalized
	}
	return added{text: a.Content, id: id, left: a.LStrip, right: a.RStrip, fold: fold, special: a.Special}
}

// token is a string, or an added token with its content; "" for none.
type token string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *token) UnmarshalJSON(data []byte) error {
	var added struct{ Content string }
	if json.Unmarshal(data, &added) == nil {
		*t = token(added.Content)
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

// or is the token, or another where none is named.
func (t token) or(other string) string {
	if t == "" {
		return other
	}
	return string(t)
}

// is says that a setting is there and as given.
func is(setting *bool, value bool) bool { return setting != nil && *setting == value }

// class is the class of transformers, fast or not.
func (c config) class() string { return strings.TrimSuffix(c.Class, "Fast") }

// readConfig reads tokenizer_config.json, and special_tokens_map.json, which
// overrules one of before 2023, as far as they are there, with its added_tokens.json.
func readConfig(fsys fs.FS) (c config, err error) {
	if err := readJSON(fsys, "tokenizer_config.json", &c); err != nil || c.Added != nil {
		return c, err
	}
	c.own = slices.Clone(c.Extra)
	if err := readJSON(fsys, "special_tokens_map.json", &c); err != nil {
		return c, err
	}
	return c, readJSON(fsys, addedTokensFile, &c.AddedIDs)
}

const addedTokensFile = "added_tokens.json"

// addTo gives the tokens that are taken from a text as they stand, of a vocabulary
// without tokenizer.json, which it adds them to: always, those of the config, as
// transformers does. Those of added_tokens.json that have no name are looked for
// after the clean-up.
func (c config) addTo(ids map[string]uint32, always ...string) ([]added, error) {
	var tokens []added
	for _, text := range always {
		tokens = append(tokens, added{text: text, id: ids[text]})
	}
	add := func(file string, a added) error {
		switch other, there := ids[a.text]; {
		case a.text == "":
			return fmt.Errorf("%s: the token of id %d is empty", file, a.id)
		case there && other != a.id:
			return fmt.Errorf("%s: token %q has the id %d, and %d in the vocabulary", file, a.text, a.id, other)
		}
		ids[a.text] = a.id
		if !slices.ContainsFunc(tokens, func(t added) bool { return t.text == a.text }) {
			tokens = append(tokens, a)
		}
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(c.Added)) {
		a := c.Added[key]
		id, err := strconv.ParseUint(key, 10, 32)
		if err != nil || a.SingleWord {
			return nil, fmt.Errorf("tokenizer_config.json: added_tokens_decoder: token %q has the id %.20q and single_word %v; expected a number, and false", a.Content, key, a.SingleWord)
		}
		if err := add("tokenizer_config.json", a.added(uint32(id))); err != nil {
			return nil, err
		}
	}
	for _, text := range slices.Sorted(maps.Keys(c.AddedIDs)) {
		special := c.named(text)
		if err := add(addedTokensFile, added{text: text, id: c.AddedIDs[text], fold: !special, special: special}); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// withPad adds the padding token to those that are taken from a text as they
// stand, as transformers does with every special token.
func (c config) withPad(tokens []added, ids map[string]uint32) []added {
	id, ok := ids[string(c.Pad)]
	if !ok || c.Pad == "" || slices.ContainsFunc(tokens, func(a added) bool { return a.text == string(c.Pad) }) {
		return tokens
	}
	return append(tokens, added{text: string(c.Pad), id: id})
}

// readJSON reads a file into what it says of v, if the file is there.
func readJSON(fsys fs.FS, name string, v any) error {
	data, err := weights.ReadFile(fsys, name, weights.ConfigLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// frame is the tokens before and after a text, where the configuration says so
// in place of tokenizer.json.
func (c config) frame(v *vocabulary) (before, after []uint32, ok bool, err error) {
	if c.AddBOS == nil && c.AddEOS == nil {
		return nil, nil, false, nil
	}
	for _, x := range []struct {
		on   *bool
		name string
		to   *[]uint32
	}{{c.AddBOS, c.BOS.or("<bos>"), &before}, {c.AddEOS, c.EOS.or("<eos>"), &after}} {
		if is(x.on, true) {
			id, err := v.find(x.name)
			if err != nil {
				return nil, nil, false, fmt.Errorf("tokenizer_config.json: %w", err)
			}
			*x.to = []uint32{id}
		}
	}
	return before, after, true, nil
}

// left says that texts are padded before them: as the configuration or
// tokenizer.json says, else as the class does.
func (c config) left(f *file) bool {
	switch {
	case c.PaddingSide != "":
		return c.PaddingSide == "left"
	case f.Padding != nil:
		return f.Padding.Direction == "Left"
	}
	return c.class() == "GemmaTokenizer" || c.class() == "Siglip2Tokenizer"
}
