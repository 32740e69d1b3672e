package tokenizer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// siglipFolders are the goldens of SigLIP's kinds, as long as SigLIP's context.
var siglipFolders = []string{"spiece", "unigram", "gemma"}

const siglipContext = 64

// siglipTexts are the texts beside those of CLIP.
func siglipTexts(t *testing.T) (texts []string) {
	golden(t, "siglip_texts.json.gz", &texts)
	return texts
}

func opened(t testing.TB, fsys fs.FS) *Tokenizer {
	tok, err := Open(fsys)
	require.NoError(t, err)
	return tok
}

func folder(name string) fs.FS { return os.DirFS(filepath.Join(goldens, name)) }

// changed is a golden's folder with a file replaced; "" takes it away.
func changed(t testing.TB, name, file, data string) fstest.MapFS {
	out := fstest.MapFS{}
	entries, err := fs.ReadDir(folder(name), ".")
	require.NoError(t, err)
	for _, e := range entries {
		b, err := fs.ReadFile(folder(name), e.Name())
		require.NoError(t, err)
		out[e.Name()] = &fstest.MapFile{Data: b}
	}
	out[file] = &fstest.MapFile{Data: []byte(data)}
	if data == "" {
		delete(out, file)
	}
	return out
}

// edited is a golden's folder with a text in a file replaced.
func edited(t testing.TB, name, file, from, to string) fstest.MapFS {
	data, err := fs.ReadFile(folder(name), file)
	require.NoError(t, err)
	require.Contains(t, string(data), from)
	return changed(t, name, file, strings.Replace(string(data), from, to, 1))
}

func TestGoldenOfSiglip(t *testing.T) {
	for _, name := range siglipFolders {
		t.Run(name, func(t *testing.T) {
			tok := opened(t, folder(name))
			requireGolden(t, tok, name+".json.gz", siglipContext, siglipTexts(t)...)
			assert.False(t, tok.PadLeft())
			assert.Equal(t, 800, tok.Size())
		})
	}
}

// What a folder says in other ways gives the same ids.
func TestSameIDs(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		ids   string
	}{
		"spiece.model alone":     {changed(t, "spiece", "tokenizer_config.json", ""), "spiece"},
		"no mark before a text":  {changed(t, "spiece", "tokenizer_config.json", `{"legacy":false}`), "spiece"},
		"spiece.model first":     {changed(t, "spiece", "tokenizer.json", "{"), "spiece"},
		"tokenizer.json alone":   {changed(t, "unigram", "tokenizer_config.json", ""), "unigram"},
		"another's spiece.model": {changed(t, "unigram", "spiece.model", "none"), "unigram"},
		"end by the config":      {changed(t, "gemma", "tokenizer_config.json", `{"tokenizer_class":"GemmaTokenizer","add_bos_token":false,"add_eos_token":true,"eos_token":{"content":"<eos>"}}`), "gemma"},
		"no prepend_scheme":      {edited(t, "unigram", "tokenizer.json", `"prepend_scheme": "always"`, `"add_prefix_space": true`), "unigram"},
		"case by the class":      {edited(t, "gemma", "tokenizer.json", `"type": "Lowercase"`, `"type": "Strip"`), "gemma"},
	} {
		t.Run(name, func(t *testing.T) {
			requireGolden(t, opened(t, c.files), c.ids+".json.gz", siglipContext, siglipTexts(t)...)
		})
	}
}

func TestPadding(t *testing.T) {
	for _, c := range []struct {
		name, config string
		left         bool
		pad          string
	}{
		{"spiece", `{}`, false, "</s>"},
		{"spiece", `{"pad_token":"<pad>","padding_side":"left"}`, true, "<pad>"},
		{"unigram", `{}`, false, "</s>"},
		{"unigram", `{"padding_side":"left"}`, true, "</s>"},
		{"gemma", `{}`, false, "<pad>"},
		{"gemma", `{"tokenizer_class":"GemmaTokenizerFast"}`, true, "<pad>"},
		{"gemma", `{"tokenizer_class":"GemmaTokenizer","padding_side":"right","pad_token":"<eos>"}`, false, "<eos>"},
	} {
		tok := opened(t, changed(t, c.name, "tokenizer_config.json", c.config))
		assert.Equal(t, c.left, tok.PadLeft(), "%s %s", c.name, c.config)
		assert.Equal(t, c.pad, tok.Token(tok.Pad()), "%s %s", c.name, c.config)
	}
	tok := opened(t, edited(t, "unigram", "tokenizer.json", `"padding": null`, `"padding": {"direction":"Left"}`))
	assert.True(t, tok.PadLeft())
}

// Lower case is what the checkpoint says: its normalizer, class or setting.
func TestCase(t *testing.T) {
	plain := edited(t, "gemma", "tokenizer.json", "      {\n        \"type\": \"Lowercase\"\n      },\n", "")
	lower, _ := opened(t, plain).Encode("the cat", siglipContext)
	for config, equal := range map[string]bool{
		`{"tokenizer_class":"GemmaTokenizer"}`:                      false,
		`{"tokenizer_class":"GemmaTokenizer","do_lower_case":true}`: true,
		`{"tokenizer_class":"Siglip2Tokenizer"}`:                    true,
	} {
		plain["tokenizer_config.json"] = &fstest.MapFile{Data: []byte(config)}
		got, _ := opened(t, plain).Encode("The CAT", siglipContext)
		assert.Equal(t, equal, assert.ObjectsAreEqual(lower, got), config)
	}
	tok := opened(t, changed(t, "spiece", "tokenizer_config.json", `{"do_lower_case":false}`))
	got, _ := tok.Encode("Z", siglipContext)
	assert.Equal(t, []string{"▁", "<unk>", "</s>"}, names(tok, got))
}

func TestTruncationOfSiglip(t *testing.T) {
	for _, name := range siglipFolders {
		tok := opened(t, folder(name))
		end := tok.after[0]
		ids, truncated := tok.Encode("", siglipContext)
		assert.False(t, truncated)
		assert.Equal(t, end, ids[len(ids)-1])
		whole, truncated := tok.Encode("a b c d e f", siglipContext)
		assert.False(t, truncated)
		ids, truncated = tok.Encode("a b c d e f", len(whole))
		assert.False(t, truncated)
		assert.Equal(t, whole, ids)
		ids, truncated = tok.Encode("a b c d e f", len(whole)-1)
		assert.True(t, truncated)
		assert.Equal(t, append(whole[:len(whole)-2:len(whole)-2], end), ids)
	}
}

// A megabyte takes no time that grows with its square.
func TestLongTextOfSiglip(t *testing.T) {
	for _, name := range siglipFolders {
		tok := opened(t, folder(name))
		for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 1<<18), strings.Repeat("é\x00", 1<<18), strings.Repeat("Σ'", 1<<18), strings.Repeat("</s> ", 1<<17)} {
			ids, truncated := tok.Encode(text, siglipContext)
			assert.True(t, truncated, "%s: %.10q", name, text)
			assert.LessOrEqual(t, len(ids), siglipContext)
		}
	}
}

// What is encoded comes back, but for case, signs and spaces.
func TestRoundTripOfSiglip(t *testing.T) {
	for _, name := range siglipFolders {
		tok := opened(t, folder(name))
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.StringMatching(`[a-zé東]{1,9}( [a-z0-9]{1,5}){0,5}`).Draw(t, "text")
			ids, _ := tok.Encode(text, 1000)
			if got := tok.Decode(ids); got != text && !strings.Contains(strings.Join(names(tok, ids), ""), "<unk>") {
				t.Fatalf("%s: %q came back as %q", name, text, got)
			}
		})
	}
	tok := opened(t, folder("gemma"))
	ids, _ := tok.Encode("ⴰ ☃", siglipContext)
	assert.Equal(t, "ⴰ ☃", tok.Decode(ids))
	assert.Equal(t, "\ufffd", tok.Decode(ids[len(ids)-2:]), "a character cut apart")
}

// A sum that is better only beyond float32 decides in tokenizer.json, not in
// spiece.model, where the way whose last piece is longer stays.
func TestNearTie(t *testing.T) {
	pieces := []piece{{"x", 0, -1 << 20}, {"a", 1, -1}, {"b", 2, -1}, {"ab", 3, -1}, {"bb", 4, -1 - 1.0/128}}
	for single, want := range map[bool][]uint32{true: {0, 1, 4}, false: {0, 3, 2}} {
		assert.Equal(t, want, newUnigram(pieces, 9, single).encode(nil, "xabb"))
	}
}

func TestUnknownIsOne(t *testing.T) {
	u := newUnigram([]piece{{"a", 0, -1}}, 9, false)
	assert.Equal(t, []uint32{0, 9, 0, 9}, u.encode(nil, "a東京ab"))
	assert.Empty(t, u.encode(nil, ""))
}

// spieceFile writes a sentencepiece model of a few pieces and settings.
func spieceFile(trainer, normalizer []byte, pieces ...spiecePart) string {
	var out []byte
	for _, p := range pieces {
		b := protowire.AppendTag(nil, 1, protowire.BytesType)
		b = protowire.AppendString(b, p.text)
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		b = protowire.AppendVarint(b, p.kind)
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), b)
	}
	out = protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), trainer)
	return string(protowire.AppendBytes(protowire.AppendTag(out, 3, protowire.BytesType), normalizer))
}

// setting is a protobuf field with a number.
func setting(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func TestBadSpiece(t *testing.T) {
	unknown, end, mark := spiecePart{"<unk>", 0, unknownPiece}, spiecePart{"</s>", 0, controlPiece}, spiecePart{space, 0, normalPiece}
	charsmap := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{255, 0, 0, 0})
	for name, c := range map[string]struct{ data, config, want string }{
		"empty":               {"", "", "of 0 pieces"},
		"no protobuf":         {"\xff", "", "not a sentencepiece model"},
		"cut off":             {"\x0a\x7f", "", "not a sentencepiece model: field 1"},
		"a BPE":               {spieceFile(setting(3, 2), nil, unknown, end, mark), "", "not of type Unigram"},
		"bytes":               {spieceFile(setting(35, 1), nil, unknown, end, mark), "", "byte_fallback is on"},
		"suffixes":            {spieceFile(setting(24, 1), nil, unknown, end, mark), "", "treat_whitespace_as_suffix is on"},
		"plain spaces":        {spieceFile(nil, setting(5, 0), unknown, end, mark), "", "escape_whitespaces is off"},
		"a user's piece":      {spieceFile(nil, nil, unknown, end, mark, spiecePart{"x", 0, 4}), "", `piece 3, "x", is of type 4`},
		"twice":               {spieceFile(nil, nil, unknown, end, mark, mark), "", "there twice"},
		"nothing unknown":     {spieceFile(nil, nil, end, mark), "", "none is of type unknown"},
		"no end":              {spieceFile(nil, nil, unknown, mark), "", "eos_token, unk_token and pad_token: the vocabulary of 2 tokens has no </s>"},
		"no mark":             {spieceFile(nil, nil, unknown, end, spiecePart{"a", 0, normalPiece}), "", "has no ▁"},
		"a map too long":      {spieceFile(nil, charsmap, unknown, end, mark), "", "found a trie of 255 bytes in 4"},
		"more tokens":         {spieceFile(nil, nil, unknown, end, mark), `{"added_tokens_decoder":{"3":{"content":"<x>"}}}`, "tokens beside those of spiece.model"},
		"of another class":    {spieceFile(nil, nil, unknown, end, mark), `{"tokenizer_class":"T5Tokenizer"}`, "for a T5Tokenizer"},
		"a wrong config":      {spieceFile(nil, nil, unknown, end, mark), `{"pad_token":1}`, "tokenizer_config.json"},
		"an unknown padding":  {spieceFile(nil, nil, unknown, end, mark), `{"pad_token":"[PAD]"}`, "has no [PAD]"},
		"a good one (or all)": {spieceFile(setting(3, 1), nil, unknown, end, mark), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"spiece.model": {Data: []byte(c.data)}}
			if c.config != "" {
				files["tokenizer_config.json"] = &fstest.MapFile{Data: []byte(c.config)}
			}
			_, err := Open(files)
			if c.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestBadJSONOfSiglip(t *testing.T) {
	for _, c := range []struct{ folder, from, to, want string }{
		{"unigram", `"always"`, `"first"`, `prepend_scheme is "first"`},
		{"unigram", `"byte_fallback": false`, `"byte_fallback": true`, `byte_fallback is "true"`},
		{"unigram", `"unk_id": 2`, `"unk_id": 2000`, "unk_id is not in the vocabulary"},
		{"unigram", `"\\s+"`, `"\\d+"`, `pattern "\\d+" of Replace is not supported`},
		{"unigram", `"Lowercase"`, `"Nmt"`, `normalizer: "Nmt" is not supported`},
		{"unigram", `"TemplateProcessing"`, `"Other"`, `the post_processor is "Other"`},
		{"gemma", `"pre_tokenizer": {`, `"pre_tokenizer": {"type": "Digits"}, "x": {`, `the pre_tokenizer is "Digits"`},
		{"gemma", `"String": " "`, `"String": "_"`, "does not end with spaces replaced"},
		{"gemma", `"ignore_merges": false`, `"ignore_merges": true`, `ignore_merges is "true"`},
		{"gemma", `"<0x41>"`, `"<0x41"`, "has no <0x41>"},
		{"gemma", `"dropout": null`, `"dropout": 0.1`, `dropout is "0.1"`},
	} {
		_, err := Open(edited(t, c.folder, "tokenizer.json", c.from, c.to))
		assert.ErrorContains(t, err, c.want)
	}
}

func TestSigns(t *testing.T) {
	set, ok := signs(`[!"\#\-\]_]`)
	assert.True(t, ok)
	assert.Equal(t, `!"#-]_`, set)
	for _, pattern := range []string{``, `[]`, `!`, `[a]`, `[\d]`, `[!-~]`, `[^!]`, `[!`, `[\`, `[[!]]`, `[!&&.]`} {
		_, ok := signs(pattern)
		assert.False(t, ok, pattern)
	}
}

func FuzzEncodeOfSiglip(f *testing.F) {
	var toks []*Tokenizer
	for _, name := range siglipFolders {
		toks = append(toks, opened(f, folder(name)))
	}
	f.Add("a photo of a cat", 64)
	f.Add("\xff\xfe ▁it's </s> <unk> İ\n\n ½\u0301", 5)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = 2 + int(uint(n)%100)
		for _, tok := range toks {
			ids, _ := tok.Encode(text, n)
			if len(ids) < 1 || len(ids) > n || ids[len(ids)-1] != tok.after[0] {
				t.Fatalf("%q to %d ids: %v", text, n, ids)
			}
			if s := tok.Decode(ids); !utf8.ValidString(s) {
				t.Fatalf("%q decodes to %q", text, s)
			}
		}
	})
}

func FuzzOpenSpiece(f *testing.F) {
	data, err := fs.ReadFile(folder("spiece"), "spiece.model")
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(spieceFile(nil, nil, spiecePart{"<unk>", 0, unknownPiece}, spiecePart{"</s>", 0, controlPiece}, spiecePart{space, 0, normalPiece})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := Open(fstest.MapFS{"spiece.model": &fstest.MapFile{Data: data}}); err == nil {
			ids, _ := tok.Encode("Ａ photo of a cat ½ ﬁ </s>\x01", siglipContext)
			tok.Decode(ids)
		}
	})
}

func FuzzCharsmap(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 0, 4, 0, 0, 'a', 5, 0, 0, 'b', 0}, "ab")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if m, err := newCharsmap(data); err == nil {
			m.graphemes(text)
			for len(text) > 0 {
				_, n := m.next(text)
				text = text[n:]
			}
		}
	})
}

func FuzzOpenJSON(f *testing.F) {
	bytes := ""
	for b := range 256 {
		bytes += fmt.Sprintf(`"<0x%02X>":%d,`, b, b+3)
	}
	f.Add([]byte(`{"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},"added_tokens":[{"id":0,"content":"\n"}],
"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{}},{"SpecialToken":{"id":"<pad>"}}]},
"model":{"type":"BPE","byte_fallback":true,"merges":[["a","▁"],["a▁","a"]],"vocab":{` + bytes + `"<pad>":1,"a":2,"▁":400,"a▁":401,"a▁a":402}}}`))
	f.Add([]byte(`{"normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"BAAAAAEBAQEA"},
{"type":"Lowercase"},{"type":"Replace","pattern":{"Regex":"[!\\#]"},"content":""},{"type":"Strip","strip_left":true}]},
"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},"added_tokens":[{"id":0,"content":"</s>","lstrip":true,"rstrip":true}],
"model":{"type":"Unigram","unk_id":0,"vocab":[["</s>",0],["▁a",-1],["▁",-2],["o",-3]]}}`))
	f.Add([]byte(`{"normalizer":{"type":"BertNormalizer","clean_text":true,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"added_tokens":[{"id":9,"content":"Cat","normalized":true}],
"post_processor":{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["[SEP]",1],"cls":["[CLS]",2]},{"type":"ByteLevel"}]},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"[SEP]":1,"[CLS]":2,"a":3,"##t":4,"ph":5}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := Open(fstest.MapFS{"tokenizer.json": &fstest.MapFile{Data: data}}); err == nil {
			ids, _ := tok.Encode("A photo of a cat ½ ﬁ </s>", siglipContext)
			tok.Decode(ids)
		}
	})
}
