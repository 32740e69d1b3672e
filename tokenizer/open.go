package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"saccade/weights"
)

// Open reads the tokenizer of a checkpoint's folder: spiece.model if
// tokenizer_config.json names no other class than SigLIP's, else tokenizer.json,
// else, of XLM-R's class, sentencepiece.bpe.model or spiece.model, else vocab.txt,
// else vocab.json with merges.txt. The error wraps [fs.ErrNotExist] if there is none
// of them.
func Open(fsys fs.FS) (*Tokenizer, error) {
	c, err := readConfig(fsys)
	if err != nil {
		return nil, err
	}
	t, err := open(fsys, c)
	if err != nil {
		return nil, err
	}
	if c.Pad == "" {
		return t, nil
	}
	id, ok := t.vocab.ids[string(c.Pad)]
	if !ok {
		return nil, fmt.Errorf("tokenizer_config.json: the vocabulary has no pad_token %q", c.Pad)
	}
	t.pad = id
	return t, nil
}

func open(fsys fs.FS, c config) (*Tokenizer, error) {
	if c.class() == "" || c.class() == "SiglipTokenizer" {
		if t, err := openFile(fsys, "spiece.model", c, openSpiece); t != nil || err != nil {
			return t, err
		}
	}
	if t, err := openFile(fsys, "tokenizer.json", c, openJSON); t != nil || err != nil {
		return t, err
	}
	if c.class() == xlmrClass {
		for _, name := range []string{"sentencepiece.bpe.model", "spiece.model"} {
			if t, err := openFile(fsys, name, c, openXLMR); t != nil || err != nil {
				return t, err
			}
		}
	}
	if t, err := openFile(fsys, "vocab.txt", c, openBertVocab); t != nil || err != nil {
		return t, err
	}
	vocab, err := weights.ReadFile(fsys, "vocab.json", weights.VocabularyLimit)
	if err != nil {
		for _, name := range []string{"spiece.model", "sentencepiece.bpe.model"} {
			if _, foreign := fs.Stat(fsys, name); foreign == nil {
				return nil, fmt.Errorf("there is no tokenizer.json, and %s is for a %s; SiglipTokenizer or XLMRobertaTokenizer is expected, others are not supported", name, cmp.Or(c.Class, "class that no tokenizer_config.json names"))
			}
		}
		return nil, fmt.Errorf("there is neither spiece.model, sentencepiece.bpe.model, tokenizer.json, vocab.txt nor vocab.json with merges.txt: %w", err)
	}
	merges, err := weights.ReadFile(fsys, "merges.txt", weights.VocabularyLimit)
	if err != nil {
		return nil, fmt.Errorf("vocab.json is there, but merges.txt is not: %w", err)
	}
	return openVocab(vocab, merges, c)
}

// openFile reads a file by its reader; nil if it is not there.
func openFile(fsys fs.FS, name string, c config, read func([]byte, config) (*Tokenizer, error)) (*Tokenizer, error) {
	data, err := weights.ReadFile(fsys, name, weights.VocabularyLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := read(data, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// openVocab reads two older files: ids by token, and pairs to merge.
func openVocab(vocab, merges []byte, c config) (*Tokenizer, error) {
	ids := map[string]uint32{}
	if err := json.Unmarshal(vocab, &ids); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	pairs, err := readPairs(merges)
	if err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	read := openCLIPVocab
	if class := c.olderClass(ids); class != "" {
		if _, known := byteLevelNames[class]; !known {
			return nil, fmt.Errorf("vocab.json and merges.txt are for a %s; those of CLIP, GPT-2, RoBERTa, BART, Whisper and Qwen 2 are supported", c.Class)
		}
		c.Class, read = class, openByteLevelVocab
	}
	t, err := read(ids, pairs, c)
	if err != nil {
		return nil, fmt.Errorf("vocab.json and merges.txt: %w", err)
	}
	return t, nil
}

// readPairs reads merges.txt: two symbols a line.
func readPairs(merges []byte) (pairs [][2]string, err error) {
	i := 0
	for line := range strings.Lines(string(bytes.TrimSpace(merges))) {
		i++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("line %d is %.80q; expected two symbols with a space between them", i, line)
		}
		pairs = append(pairs, [2]string{left, right})
	}
	return pairs, nil
}

// openCLIPVocab makes CLIP's tokenizer of its two older files.
func openCLIPVocab(ids map[string]uint32, pairs [][2]string, c config) (*Tokenizer, error) {
	tokens, err := c.addTo(ids, startToken, endToken)
	if err != nil {
		return nil, err
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, err
	}
	return newCLIP(v, pairs, c.withPad(tokens, ids))
}
