package index

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pages = Identity{Model: Documents, Source: "det,rec", Fingerprint: "12", Precision: "f16", Texts: "minilm", TextsFingerprint: "34"}

// texts are the lines' of hits.
func texts(hits []Hit) (all []string) {
	for _, h := range hits {
		all = append(all, h.Text)
	}
	return all
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"순이익은":                       {"순이", "이익", "익은"},
		"2023년 순이익":                  {"2023", "년", "순이", "이익"},
		"Net income: $1,234.5 (USD)": {"net", "income", "1234.5", "usd"},
		"東京 カタカナ":                    {"東京", "カタ", "タカ", "カナ"},
		"AnnualReport2023":           {"annualreport", "2023"},
		"ＦＵＬＬ a, b.":                 {"full", "a", "b"},
		" ,. -":                      nil,
		"값":                          {"값"},
	} {
		assert.Equal(t, want, Words(text), text)
	}
}

func TestLines(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.index")
	paths := files(t, filepath.Join(dir, "pages"), 2)
	x, err := Open(file, pages)
	require.NoError(t, err)
	stale, err := x.StaleDocuments(paths)
	require.NoError(t, err)
	assert.Equal(t, paths, stale)
	quad := []float32{1, 2, 30, 2, 30, 9, 1, 9}
	require.NoError(t, x.AddDocument(Document{Path: paths[0], Lines: []Line{
		{Page: 1, Text: "2023년 순이익은 1,234억 원", Score: 0.9, Quad: quad}, {Page: 2, Text: "매출액은 늘었다", Score: 0.8}, {Page: 2, Text: "Total assets 9,876", Score: 1},
	}, Windows: []Window{{0, 0, vector(0)}, {1, 1, vector(1)}, {2, 2, vector(2)}, {1, 2, vector(3)}}}))
	require.NoError(t, x.AddDocument(Document{Path: paths[1], Err: "it is damaged"}))

	hits, err := x.FindLines("순이익", nil, 5)
	require.NoError(t, err)
	require.Equal(t, []string{"2023년 순이익은 1,234억 원"}, texts(hits))
	assert.Equal(t, quad, hits[0].Quad)
	assert.Equal(t, paths[0], hits[0].Path)
	hits, err = x.FindLines("assets 9876", nil, 5)
	require.NoError(t, err)
	require.Equal(t, []string{"Total assets 9,876"}, texts(hits))
	assert.Equal(t, 2, hits[0].Page)
	assert.Nil(t, hits[0].Quad)
	hits, err = x.FindLines("sset", nil, 0)
	require.NoError(t, err)
	assert.Len(t, hits, 1, "a part of a word")
	hits, err = x.FindLines("zebra' OR 1", nil, 0)
	require.NoError(t, err)
	assert.Empty(t, hits)

	hits, err = x.FindLines("zebra", vector(1), 1)
	require.NoError(t, err)
	assert.Equal(t, []string{"매출액은 늘었다"}, texts(hits))
	assert.InDelta(t, (1+cosine(vector(1), vector(3)))/2, hits[0].Cosine, 1e-6)
	_, err = x.FindLines("zebra", []float32{1}, 1)
	assert.ErrorContains(t, err, "embeddings of 8 values and the query has 1")

	// What is changed is read again, and what is gone is dropped.
	stale, err = x.StaleDocuments(paths)
	require.NoError(t, err)
	assert.Empty(t, stale)
	require.NoError(t, os.WriteFile(paths[0], []byte("longer"), 0o644))
	stale, err = x.StaleDocuments(paths)
	require.NoError(t, err)
	assert.Equal(t, paths[:1], stale)
	require.NoError(t, x.AddDocument(Document{Path: paths[0], Lines: []Line{{Page: 1, Text: "매출"}}}))
	hits, err = x.FindLines("순이익 매출", nil, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"매출"}, texts(hits))
	n, err := x.KeepDocuments(filepath.Join(dir, "pages"), paths[1:])
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	n, err = x.Documents()
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, x.Close())

	// It is refused to another encoder or as pictures, and opened by whoever takes any.
	other := pages
	other.TextsFingerprint = "35"
	_, err = Open(file, other)
	assert.ErrorContains(t, err, "made with the encoder of texts minilm, not minilm")
	_, err = Open(file, clip)
	assert.ErrorContains(t, err, "made with model documents, not clip")
	x, err = OpenWith(context.Background(), file, Identity{Model: Documents}, Options{Search: true, Any: true})
	require.NoError(t, err)
	id, err := x.Identity()
	require.NoError(t, err)
	assert.Equal(t, pages, id)
	require.NoError(t, x.Close())
}
