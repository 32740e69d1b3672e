package tokenizer

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkEncode encodes all texts of the goldens, and one of a megabyte.
func BenchmarkEncode(b *testing.B) {
	var texts []string
	golden(b, "texts.json.gz", &texts)
	toks := map[string]*Tokenizer{}
	for _, name := range append(siglipFolders, "small") {
		toks[name] = opened(b, folder(name))
	}
	for archive, kind := range map[string]string{"wordpiece": "bert", "bytelevel": "smol", "xlmr": "xlmr"} {
		toks[kind] = opened(b, inArchive(b, archive, kind))
	}
	if path := os.Getenv("CLIP_VOCABULARY"); path != "" {
		toks["clip"] = opened(b, os.DirFS(path))
	}
	long := strings.Repeat("A photo of the red apple, a dog running quickly. ", 1<<20/49)
	for name, tok := range toks {
		b.Run(name, func(b *testing.B) { benchmark(b, tok, texts) })
		b.Run(name+"/megabyte", func(b *testing.B) { benchmark(b, tok, []string{long}) })
	}
}

// benchmark reports tokens per second and texts per operation's bytes.
func benchmark(b *testing.B, tok *Tokenizer, texts []string) {
	bytes, tokens := 0, 0
	for _, s := range texts {
		bytes += len(s)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		for _, s := range texts {
			ids, _ := tok.Encode(s, 1<<22)
			tokens += len(ids)
		}
	}
	require.NotZero(b, tokens)
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}
