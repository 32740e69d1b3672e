package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// CLIP's special tokens, where a checkpoint names none.
const (
	startToken = "<|startoftext|>"
	endToken   = "<|endoftext|>"
)

// Open reads the tokenizer of a checkpoint's folder: tokenizer.json, else
// vocab.json with merges.txt. tokenizer_config.json names the padding. The error
// wraps [fs.ErrNotExist] if there is none of them.
func Open(fsys fs.FS) (*Tokenizer, error) {
	data, err := fs.ReadFile(fsys, "tokenizer.json")
	if err == nil {
		t, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
		return t, t.config(fsys)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	vocab, err := fs.ReadFile(fsys, "vocab.json")
	if err != nil {
		return nil, fmt.Errorf("there is neither tokenizer.json nor vocab.json with merges.txt: %w", err)
	}
	merges, err := fs.ReadFile(fsys, "merges.txt")
	if err != nil {
		return nil, fmt.Errorf("vocab.json is there, but merges.txt is not: %w", err)
	}
	t, err := fromVocab(vocab, merges)
	if err != nil {
		return nil, err
	}
	return t, t.config(fsys)
}

// fromVocab reads the two older files.
func fromVocab(vocab, merges []byte) (*Tokenizer, error) {
	entries := map[string]uint32{}
	if err := json.Unmarshal(vocab, &entries); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	var pairs []pair
	for i, line := range strings.Split(string(bytes.TrimSpace(merges)), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("merges.txt: line %d is %.80q; expected two symbols with a space between them", i+1, line)
		}
		pairs = append(pairs, pair{left, right})
	}
	t, err := build(entries, pairs, []string{startToken, endToken})
	if err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	return t, nil
}

// file is what matters of tokenizer.json.
type file struct {
	Added []struct {
		ID         uint32 `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
	} `json:"added_tokens"`
	Normalizer   step `json:"normalizer"`
	PreTokenizer step `json:"pre_tokenizer"`
	Model        struct {
		Type   string            `json:"type"`
		Suffix string            `json:"end_of_word_suffix"`
		Vocab  map[string]uint32 `json:"vocab"`
		Merges []merge           `json:"merges"`
	} `json:"model"`
}

// merge is two symbols, in a list or with a space between them.
type merge struct{ pair }

// UnmarshalJSON implements [json.Unmarshaler].
func (m *merge) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) != nil {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		list = strings.Split(text, " ")
	}
	if len(list) != 2 {
		return fmt.Errorf("merge %s is not of two symbols", data)
	}
	m.pair = pair{list[0], list[1]}
	return nil
}

// step is a normalizer or pre-tokenizer, of which the type is compared.
type step struct {
	Type          string `json:"type"`
	Normalizers   []step `json:"normalizers"`
	PreTokenizers []step `json:"pretokenizers"`
	Pattern       struct{ Regex string }
}

// names are the types of a step and of those that it consists of.
func (s step) names() string {
	var parts []string
	for _, x := range append(s.Normalizers, s.PreTokenizers...) {
		parts = append(parts, x.names())
	}
	if len(parts) == 0 {
		return s.Type
	}
	return strings.Join(parts, ", ")
}

// parse reads tokenizer.json, which must describe CLIP's clean-up.
func parse(data []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	for _, c := range []struct{ what, found, expected string }{
		{"model", f.Model.Type, "BPE"},
		{"end_of_word_suffix", f.Model.Suffix, wordEnd},
		{"normalizer", f.Normalizer.names(), "NFC, Replace, Lowercase"},
		{"pre_tokenizer", f.PreTokenizer.names(), "Split, ByteLevel"},
	} {
		if c.found != c.expected {
			return nil, fmt.Errorf("the %s is %q; of CLIP's tokenizers %q is expected, others are not supported", c.what, c.found, c.expected)
		}
	}
	pairs := make([]pair, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		pairs[i] = m.pair
	}
	vocab, special := f.Model.Vocab, []string{}
	if vocab == nil {
		vocab = map[string]uint32{}
	}
	for _, a := range f.Added {
		if a.Content == "" || a.SingleWord || a.LStrip || a.RStrip {
			return nil, fmt.Errorf("added token %q is empty or has single_word, lstrip or rstrip, which are not supported", a.Content)
		}
		vocab[a.Content] = a.ID
		special = append(special, a.Content)
	}
	return build(vocab, pairs, special)
}

// maxSize bounds the ids, so that a wrong one does not take all memory.
const maxSize = 1 << 24

// build makes a tokenizer of a vocabulary and its merges, the first first.
func build(vocab map[string]uint32, merges []pair, special []string) (*Tokenizer, error) {
	t := &Tokenizer{vocab: vocab, ranks: make(map[pair]int, len(merges)), special: special}
	for token, id := range vocab {
		if id >= maxSize {
			return nil, fmt.Errorf("token %q has the id %d; expected less than %d", token, id, maxSize)
		}
		if int(id) >= len(t.tokens) {
			t.tokens = append(t.tokens, make([]string, int(id)+1-len(t.tokens))...)
		}
		t.tokens[id] = token
	}
	for i, m := range merges {
		if _, ok := t.ranks[m]; !ok {
			t.ranks[m] = i
		}
	}
	for _, s := range []struct {
		token string
		id    *uint32
	}{{startToken, &t.start}, {endToken, &t.end}} {
		id, ok := vocab[s.token]
		if !ok {
			return nil, fmt.Errorf("the vocabulary of %d tokens has no %s", len(vocab), s.token)
		}
		*s.id = id
	}
	t.pad, t.unknown = t.end, t.end
	sort.SliceStable(t.special, func(i, j int) bool { return len(t.special[i]) > len(t.special[j]) })
	return t, nil
}

// config takes the padding from tokenizer_config.json, if that is there: a
// string, or an added token with its content.
func (t *Tokenizer) config(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, "tokenizer_config.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var c struct {
		Pad json.RawMessage `json:"pad_token"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	var name string
	var added struct{ Content string }
	if json.Unmarshal(c.Pad, &name) != nil && json.Unmarshal(c.Pad, &added) == nil {
		name = added.Content
	}
	if name == "" {
		return nil
	}
	id, ok := t.vocab[name]
	if !ok {
		return fmt.Errorf("tokenizer_config.json: the vocabulary has no pad_token %q", name)
	}
	t.pad = id
	return nil
}
