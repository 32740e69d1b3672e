package tokenizer

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

const endOfText = "<|endoftext|>"

// byteLevelNames are the classes of transformers that make their clean-up and the
// tokens around a text themselves, and the tokens that they name.
var byteLevelNames = map[string]map[string]string{
	"GPT2Tokenizer":    {"bos_token": endOfText, "eos_token": endOfText, "unk_token": endOfText},
	"WhisperTokenizer": {"bos_token": endOfText, "eos_token": endOfText, "unk_token": endOfText},
	"Qwen2Tokenizer":   {"eos_token": endOfText, "unk_token": endOfText, "pad_token": endOfText},
	"RobertaTokenizer": robertaNames,
	"BartTokenizer":    robertaNames,
}

var robertaNames = map[string]string{
	"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>",
}

// timestamp is what Whisper says of the time between words. It is left out of a
// decoded text as special tokens are.
var timestamp = regexp.MustCompile(`^<\|\d+\.\d+\|>$`)

// byteLevel reads a file with a byte-level BPE model. Of GPT-2's, RoBERTa's and
// Whisper's classes add_prefix_space and the tokens around a text are the config's,
// as in transformers; how words are cut is always the file's.
func (f *file) byteLevel(c config) (*Tokenizer, error) {
	m := f.Model
	names, known := byteLevelNames[c.class()]
	decoder := f.Decoder.Type
	if known {
		decoder = "ByteLevel"
	}
	if err := expect("of GPT-2's and its kin", []field{
		{"continuing_subword_prefix", m.Prefix, ""},
		{"dropout", strconv.FormatFloat(m.Dropout, 'g', -1, 64), "0"},
		{"decoder", decoder, "ByteLevel"},
	}); err != nil {
		return nil, err
	}
	if known && m.IgnoreMerges {
		return nil, fmt.Errorf("ignore_merges is true, which a %s is not known to have", c.class())
	}
	ids, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	b, err := newByteLevel(ids, f.pairs())
	if err != nil {
		return nil, err
	}
	if m.IgnoreMerges {
		b.whole = maps.Clone(ids)
	}
	if id, ok := ids[m.UnknownToken]; ok && !known && m.UnknownToken != "" {
		b.unknown, b.fuse = int64(id), m.FuseUnknown
	}
	steps := f.PreTokenizer.each()
	if known && len(steps) == 1 {
		on := is(c.PrefixSpace, true)
		steps[0].PrefixSpace = &on
	}
	if b.split, err = splitterOf(steps); err != nil {
		return nil, err
	}
	clean, err := newNormalizer(f.Normalizer.each())
	if err != nil {
		return nil, err
	}
	tokens, err := f.addTo(ids)
	if err != nil {
		return nil, err
	}
	t, err := c.byteLevel(b, ids, tokens, names, clean.apply)
	if err != nil {
		return nil, err
	}
	if err := f.around(t, c); err != nil {
		return nil, err
	}
	return t, c.classFrame(t, names)
}

// splitterOf reads pre-tokenizers, which must end with ByteLevel.
func splitterOf(steps []step) (splitter, error) {
	var all []splitter
	for i, s := range steps {
		last := i == len(steps)-1
		switch {
		case s.Type == "Digits" && !last:
			all = append(all, digits(s.Individual))
		case s.Type == "Split" && !last:
			find, ok := patterns[s.Pattern.Regex]
			if !ok || s.Behavior != "Isolated" || s.Invert {
				return nil, fmt.Errorf("pre_tokenizer: Split by %.120q, %s, invert %v is not supported; those of GPT-2, Qwen 2 and Llama 3 are, Isolated", cmp.Or(s.Pattern.Regex, s.Pattern.String), s.Behavior, s.Invert)
			}
			all = append(all, find)
		case s.Type == "ByteLevel" && last:
			if s.PrefixSpace == nil || *s.PrefixSpace {
				all = append(all, spaceBefore)
			}
			if s.UseRegex == nil || *s.UseRegex {
				all = append(all, patterns[gpt2Pattern])
			}
		default:
			var names []string
			for _, s := range steps {
				names = append(names, s.Type)
			}
			return nil, fmt.Errorf("the pre_tokenizer is %q; ByteLevel is expected at its end, Digits or Split before it, others are not supported", strings.Join(names, ", "))
		}
	}
	return chain(all...), nil
}

// spaceBefore puts a space before a text that has none.
func spaceBefore(text string, see func(string)) {
	if !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	see(text)
}

// byteLevel makes a tokenizer of a scheme and the added tokens of a file.
func (c config) byteLevel(b *byteLevel, ids map[string]uint32, tokens []added, names map[string]string, clean func(string) string) (*Tokenizer, error) {
	if c.CleanBPE {
		return nil, fmt.Errorf("tokenizer_config.json: clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output is true, which is not supported")
	}
	tokens, err := c.complete(ids, tokens, names)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{scheme: b}
	if t.vocab, err = build(ids, tokens); err != nil {
		return nil, err
	}
	b.added, t.decoded = newTokenCutter(tokens, clean)
	return t, nil
}

// classFrame puts the tokens around a text that a class puts there whatever a file
// says.
func (c config) classFrame(t *Tokenizer, names map[string]string) (err error) {
	var before, after []string
	switch c.class() {
	case "RobertaTokenizer", "BartTokenizer":
		before, after = []string{c.attribute("cls_token", names).Content}, []string{c.attribute("sep_token", names).Content}
	case "WhisperTokenizer":
		before = []string{"<|startoftranscript|>"}
		for _, name := range []string{c.Language, c.Task} {
			if name != "" {
				before = append(before, "<|"+strings.ToLower(name)+"|>")
			}
		}
		if !c.Timestamps {
			before = append(before, "<|notimestamps|>")
		}
		after = []string{c.attribute("eos_token", names).Content}
		for id, token := range t.vocab.tokens {
			if timestamp.MatchString(token) {
				t.vocab.special[uint32(id)] = true
			}
		}
	default:
		return nil
	}
	if t.before, err = t.vocab.all(before); err == nil {
		t.after, err = t.vocab.all(after)
	}
	return err
}

// openByteLevelVocab reads the older files of the classes: ids by token, and pairs.
func openByteLevelVocab(ids map[string]uint32, pairs [][2]string, c config) (*Tokenizer, error) {
	names := byteLevelNames[c.class()]
	b, err := newByteLevel(ids, pairs)
	if err != nil {
		return nil, err
	}
	on := is(c.PrefixSpace, true)
	steps, clean := []step{{Type: "ByteLevel", PrefixSpace: &on}}, normalizer{}
	if c.class() == "Qwen2Tokenizer" {
		off := false
		steps[0].UseRegex = &off
		split := step{Type: "Split", Behavior: "Isolated"}
		split.Pattern.Regex = qwen2Pattern
		steps = append([]step{split}, steps...)
		if clean, err = newNormalizer([]step{{Type: "NFC"}}); err != nil {
			return nil, err
		}
	}
	if b.split, err = splitterOf(steps); err != nil {
		return nil, err
	}
	t, err := c.byteLevel(b, ids, nil, names, clean.apply)
	if err != nil {
		return nil, err
	}
	t.padLeft, t.pad = c.PaddingSide == "left", t.filler(c.attribute("pad_token", names).Content)
	for _, x := range []struct {
		on  *bool
		key string
		to  *[]uint32
	}{{c.AddBOS, "bos_token", &t.before}, {c.AddEOS, "eos_token", &t.after}} {
		if is(x.on, true) {
			id, err := c.find(t.vocab, x.key, names)
			if err != nil {
				return nil, err
			}
			*x.to = []uint32{id}
		}
	}
	return t, c.classFrame(t, names)
}

// olderClass is the class of vocab.json and merges.txt: that of the config, else,
// where it names none, as the tokens say; "" for CLIP's.
func (c config) olderClass(ids map[string]uint32) string {
	if c.class() != "" && c.class() != "CLIPTokenizer" {
		return c.class()
	}
	_, clip := ids[startToken]
	_, roberta := ids[sentenceEnd]
	_, gpt2 := ids[endOfText]
	switch {
	case clip || c.class() != "":
		return ""
	case roberta:
		return "RobertaTokenizer"
	case gpt2:
		return "GPT2Tokenizer"
	}
	return ""
}
