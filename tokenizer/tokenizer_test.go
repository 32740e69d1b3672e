package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const goldens = "../golden/tokenizer"

func small(t testing.TB) *Tokenizer {
	tok, err := Open(os.DirFS(filepath.Join(goldens, "small")))
	require.NoError(t, err)
	return tok
}

// golden reads a compressed JSON file.
func golden(t testing.TB, name string, into any) {
	t.Helper()
	f, err := os.Open(filepath.Join(goldens, name))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(into))
}

// requireGolden compares with what transformers makes of all texts, cut to n ids.
func requireGolden(t *testing.T, tok *Tokenizer, ids string, n int, more ...string) {
	t.Helper()
	var texts []string
	var want [][]uint32
	golden(t, "texts.json.gz", &texts)
	texts = append(texts, more...)
	golden(t, ids, &want)
	require.Greater(t, len(texts), 2000)
	require.Len(t, want, len(texts))
	wrong := 0
	for i, text := range texts {
		got, _ := tok.Encode(text, n)
		if !assert.ObjectsAreEqual(want[i], got) {
			if wrong++; wrong <= 20 {
				t.Errorf("%q: got %v, want %v", text, names(tok, got), names(tok, want[i]))
			}
		}
	}
	require.Zero(t, wrong, "of %d texts", len(texts))
}

func names(tok *Tokenizer, ids []uint32) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = tok.Token(id)
	}
	return out
}

func TestGolden(t *testing.T) {
	requireGolden(t, small(t), "small.json.gz", 77)
	files := fstest.MapFS{}
	for _, name := range []string{"vocab.json", "merges.txt"} {
		data, err := os.ReadFile(filepath.Join(goldens, "small", name))
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: data}
	}
	old, err := Open(files)
	require.NoError(t, err)
	requireGolden(t, old, "small.json.gz", 77)
}

// CLIP's own vocabulary, which is not kept here: `make eval-tokenizer` says where it is.
func TestGoldenOfCLIP(t *testing.T) {
	folder := os.Getenv("CLIP_VOCABULARY")
	if folder == "" {
		t.Skip("CLIP_VOCABULARY names no folder with CLIP's vocab.json and merges.txt")
	}
	tok, err := Open(os.DirFS(folder))
	require.NoError(t, err)
	requireGolden(t, tok, "clip.json.gz", 77)
	assert.Equal(t, 49408, tok.Size())
}

func TestTruncation(t *testing.T) {
	tok := small(t)
	ids, truncated := tok.Encode("", 77)
	assert.False(t, truncated)
	assert.Equal(t, []uint32{tok.before[0], tok.after[0]}, ids)
	ids, truncated = tok.Encode(strings.Repeat("!", 75), 77)
	assert.False(t, truncated)
	assert.Len(t, ids, 77)
	whole, _ := tok.Encode("a b c d e f", 77)
	require.Len(t, whole, 8)
	ids, truncated = tok.Encode("a b c d e f", 8)
	assert.False(t, truncated)
	assert.Equal(t, whole, ids)
	ids, truncated = tok.Encode("a b c d e f", 7)
	assert.True(t, truncated)
	assert.Equal(t, append(whole[:6:6], tok.after[0]), ids)
}

// A megabyte takes no time that grows with its square.
func TestLongText(t *testing.T) {
	tok := small(t)
	for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("ab ", 1<<18), strings.Repeat("é\x00", 1<<18)} {
		ids, truncated := tok.Encode(text, 77)
		assert.True(t, truncated)
		assert.Len(t, ids, 77)
		all, truncated := tok.Encode(text, 1<<22)
		assert.False(t, truncated)
		assert.Greater(t, len(all), 1000)
	}
}

// What is encoded comes back, but for case, composition and spaces.
func TestRoundTrip(t *testing.T) {
	tok := small(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zé東]{1,9}( [a-z0-9]{1,5}){0,5}`).Draw(t, "text")
		ids, _ := tok.Encode(text, 1000)
		got := strings.ReplaceAll(tok.Decode(ids), " ", "")
		if want := strings.ReplaceAll(text, " ", ""); got != want {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

func TestBadFiles(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(goldens, "small", "tokenizer.json"))
	require.NoError(t, err)
	change := func(from, to string) string {
		require.Contains(t, string(good), from)
		return strings.Replace(string(good), from, to, 1)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"none":             {map[string]string{}, "neither spiece.model, sentencepiece.bpe.model, tokenizer.json, vocab.txt nor vocab.json"},
		"vocabulary alone": {map[string]string{"vocab.json": "{}"}, "merges.txt is not"},
		"no JSON":          {map[string]string{"tokenizer.json": "{"}, "tokenizer.json"},
		"a wrong merge":    {map[string]string{"vocab.json": "{}", "merges.txt": "a b c\n"}, `merges.txt: line 1 is "a b c"`},
		"no end":           {map[string]string{"vocab.json": `{"<|startoftext|>":0}`, "merges.txt": "a b\n"}, "no <|endoftext|>"},
		"another model":    {map[string]string{"tokenizer.json": change(`"BPE"`, `"WordLevel"`)}, `the model is "WordLevel"`},
		"another clean-up": {map[string]string{"tokenizer.json": change(`"NFC"`, `"NFD"`)}, `the normalizer is "NFD, Replace, Lowercase"`},
		"an absurd id":     {map[string]string{"vocab.json": `{"<|startoftext|>":4000000000,"<|endoftext|>":1}`, "merges.txt": ""}, "id 4000000000"},
		"wrong padding":    {map[string]string{"tokenizer.json": string(good), "tokenizer_config.json": `{"pad_token":"[PAD]"}`}, `no pad_token "[PAD]"`},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for file, data := range c.files {
				files[file] = &fstest.MapFile{Data: []byte(data)}
			}
			_, err := Open(files)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func FuzzEncode(f *testing.F) {
	tok := small(f)
	f.Add("a photo of a cat", 77)
	f.Add("\xff\xfe it's <|endoftext|> İ", 5)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = 2 + int(uint(n)%100)
		ids, _ := tok.Encode(text, n)
		if len(ids) < 2 || len(ids) > n || ids[0] != tok.before[0] || ids[len(ids)-1] != tok.after[0] {
			t.Fatalf("%q to %d ids: %v", text, n, ids)
		}
		if s := tok.Decode(ids); !utf8.ValidString(s) {
			t.Fatalf("%q decodes to %q", text, s)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":1},"merges":["a b",["c","d"]]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := Open(fstest.MapFS{"tokenizer.json": &fstest.MapFile{Data: data}}); err == nil {
			tok.Encode("a photo of a cat", 77)
		}
	})
}

// Stable Diffusion's second vocabulary is padded with "!", which is then taken
// from texts before words are. Configurations of before 2023 have the token in
// another file. The ids are transformers 5.23.0's.
func TestPadIsSpecial(t *testing.T) {
	const other = `{"pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"`
	for name, c := range map[string]struct {
		config, special string
		pad             uint32
		ids             []uint32
	}{
		"named":          {`{"pad_token": "!"}`, "", 0, []uint32{2, 1, 0, 1, 0, 0, 3}},
		"in another":     {other + `}`, `{"pad_token": "!"}`, 0, []uint32{2, 1, 0, 1, 0, 0, 3}},
		"as a token":     {other + `}`, `{"pad_token": {"content": "!", "lstrip": false}}`, 0, []uint32{2, 1, 0, 1, 0, 0, 3}},
		"no longer read": {other + `, "added_tokens_decoder": {"3": {"content": "<|endoftext|>", "special": true}}}`, `{"pad_token": "!"}`, 3, []uint32{2, 1, 4, 1, 0, 4, 3}},
	} {
		fsys := fstest.MapFS{
			"vocab.json":            &fstest.MapFile{Data: []byte(`{"!": 0, "!</w>": 4, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}`)},
			"merges.txt":            &fstest.MapFile{Data: []byte("#version: 0.2\n")},
			"tokenizer_config.json": &fstest.MapFile{Data: []byte(c.config)},
		}
		if c.special != "" {
			fsys["special_tokens_map.json"] = &fstest.MapFile{Data: []byte(c.special)}
		}
		tok, err := Open(fsys)
		require.NoError(t, err)
		assert.Equal(t, c.pad, tok.Pad(), name)
		ids, _ := tok.Encode("a!a!!", 77)
		assert.Equal(t, c.ids, ids, name)
	}
}
