package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// file is what matters of tokenizer.json.
type file struct {
	Added []struct {
		ID         uint32 `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
		Special    bool   `json:"special"`
	} `json:"added_tokens"`
	Padding *struct {
		Direction string
		Token     string `json:"pad_token"`
	} `json:"padding"`
	Normalizer    step          `json:"normalizer"`
	PreTokenizer  step          `json:"pre_tokenizer"`
	PostProcessor postProcessor `json:"post_processor"`
	Decoder       decoder       `json:"decoder"`
	Model         jsonModel     `json:"model"`
}

// decoder is what makes a text of tokens.
type decoder struct {
	Type     string    `json:"type"`
	Prefix   string    `json:"prefix"`
	CleanUp  bool      `json:"cleanup"`
	Decoders []decoder `json:"decoders"`
}

type jsonModel struct {
	Type         string          `json:"type"`
	Suffix       string          `json:"end_of_word_suffix"`
	Prefix       string          `json:"continuing_subword_prefix"`
	Dropout      float64         `json:"dropout"`
	UnknownToken string          `json:"unk_token"`
	UnknownID    *uint32         `json:"unk_id"`
	FuseUnknown  bool            `json:"fuse_unk"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	LongestWord  int             `json:"max_input_chars_per_word"`
	Vocab        json.RawMessage `json:"vocab"` // by token; of Unigram a list with scores
	Merges       []merge         `json:"merges"`
}

// merge is two symbols, in a list or with a space between them.
type merge [2]string

// UnmarshalJSON implements [json.Unmarshaler].
func (m *merge) UnmarshalJSON(data []byte) error {
	var list []string
	var err error
	if data[0] == '"' {
		var text string
		err = json.Unmarshal(data, &text)
		list = strings.Split(text, " ")
	} else {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return err
	}
	if len(list) != 2 {
		return fmt.Errorf("merge %s is not of two symbols", data)
	}
	*m = merge(list)
	return nil
}

// step is a normalizer or pre-tokenizer, or a sequence of them.
type step struct {
	Type          string `json:"type"`
	Normalizers   []step `json:"normalizers"`
	PreTokenizers []step `json:"pretokenizers"`
	Pattern       struct {
		Regex  string
		String string
	} `json:"pattern"`
	Content       string `json:"content"`
	StripLeft     bool   `json:"strip_left"`
	StripRight    bool   `json:"strip_right"`
	Charsmap      []byte `json:"precompiled_charsmap"`
	Replacement   string `json:"replacement"`
	PrependScheme string `json:"prepend_scheme"`
	Split         *bool  `json:"split"`

	// Of ByteLevel, Digits and Split.
	PrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex    *bool  `json:"use_regex"`
	Individual  bool   `json:"individual_digits"`
	Behavior    string `json:"behavior"`
	Invert      bool   `json:"invert"`

	// Of BertNormalizer.
	CleanText bool  `json:"clean_text"`
	Chinese   bool  `json:"handle_chinese_chars"`
	Accents   *bool `json:"strip_accents"`
	Lower     bool  `json:"lowercase"`
}

// each is the steps that a step consists of, at least one, which may be none; in
// place of more than maxSteps one that nothing takes.
func (s step) each() []step {
	if s.Type != "Sequence" {
		return []step{s}
	}
	out := []step{}
	for _, x := range append(s.Normalizers, s.PreTokenizers...) {
		if out = append(out, x.each()...); len(out) > maxSteps {
			return []step{{Type: "a Sequence of more than 32 steps"}}
		}
	}
	if len(out) == 0 {
		return []step{{}}
	}
	return out
}

// names are the types of a step and of those that it consists of.
func (s step) names() string {
	var parts []string
	for _, x := range s.each() {
		parts = append(parts, x.Type)
	}
	return strings.Join(parts, ", ")
}

// openJSON reads tokenizer.json by the family that its model tells.
func openJSON(data []byte, c config) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	switch {
	case f.Model.Type == "Unigram":
		return f.unigram(c)
	case f.Model.Type == "WordPiece":
		return f.wordPiece(c)
	case f.Model.Type == "BPE" && f.Model.ByteFallback:
		return f.gemma(c)
	case f.Model.Type == "BPE" && f.Model.Suffix == "":
		return f.byteLevel(c)
	}
	return f.clip(c)
}

// fast is a tokenizer of the file with the tokens around a text and its padding.
func (f *file) fast(v *vocabulary, s scheme, c config, pad string) (*Tokenizer, error) {
	t := &Tokenizer{vocab: v, scheme: s, padLeft: c.left(f)}
	var configured bool
	var err error
	if t.before, t.after, configured, err = c.frame(v); err == nil && !configured {
		t.before, t.after, err = f.PostProcessor.frame(v)
	}
	if err != nil {
		return nil, err
	}
	t.pad, err = v.find(c.Pad.or(pad))
	return t, err
}

// clip reads a file that must describe CLIP's clean-up.
func (f *file) clip(c config) (*Tokenizer, error) {
	if err := expect("of CLIP's tokenizers", []field{
		{"model", f.Model.Type, "BPE"},
		{"end_of_word_suffix", f.Model.Suffix, wordEnd},
		{"normalizer", f.Normalizer.names(), "NFC, Replace, Lowercase"},
		{"pre_tokenizer", f.PreTokenizer.names(), "Split, ByteLevel"},
	}); err != nil {
		return nil, err
	}
	ids, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	v, tokens, err := f.added(ids)
	if err != nil {
		return nil, err
	}
	for _, a := range tokens {
		if a.left || a.right {
			return nil, fmt.Errorf("added token %q has lstrip or rstrip, which CLIP's have not", a.text)
		}
	}
	return newCLIP(v, f.pairs(), c.withPad(tokens, ids))
}

// field is something that a file must have as expected.
type field struct{ what, found, expected string }

func expect(whose string, fields []field) error {
	for _, c := range fields {
		if c.found != c.expected {
			return fmt.Errorf("the %s is %q; %s %q is expected, others are not supported", c.what, c.found, whose, c.expected)
		}
	}
	return nil
}

// vocabulary reads the ids of tokens.
func (f *file) vocabulary() (map[string]uint32, error) {
	ids := map[string]uint32{}
	if len(bytes.TrimSpace(f.Model.Vocab)) == 0 {
		return ids, nil
	}
	if err := json.Unmarshal(f.Model.Vocab, &ids); err != nil {
		return nil, fmt.Errorf("vocab: %w", err)
	}
	return ids, nil
}

// added joins the added tokens to the vocabulary.
func (f *file) added(ids map[string]uint32) (*vocabulary, []added, error) {
	tokens, err := f.addTo(ids)
	if err != nil {
		return nil, nil, err
	}
	v, err := build(ids, tokens)
	return v, tokens, err
}

// addTo gives the added tokens, which it puts among the others.
func (f *file) addTo(ids map[string]uint32) ([]added, error) {
	var tokens []added
	for _, a := range f.Added {
		if a.Content == "" || a.SingleWord {
			return nil, fmt.Errorf("added token %q is empty or has single_word, which is not supported", a.Content)
		}
		ids[a.Content] = a.ID
		tokens = append(tokens, added{text: a.Content, id: a.ID, left: a.LStrip, right: a.RStrip, fold: a.Normalized, special: a.Special})
	}
	return tokens, nil
}

// raw refuses added tokens that are looked for after the clean-up.
func (f *file) raw() error {
	for _, a := range f.Added {
		if a.Normalized {
			return fmt.Errorf("added token %q is normalized, which is not supported", a.Content)
		}
	}
	return nil
}

// pairs are the merges as text.
func (f *file) pairs() [][2]string {
	out := make([][2]string, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		out[i] = m
	}
	return out
}
