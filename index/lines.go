package index

import (
	"cmp"
	"database/sql"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// lineTables are those of documents with their lines.
var lineTables = []string{`CREATE TABLE documents (
	path TEXT PRIMARY KEY,      -- relative to the folder of this file, with slashes
	size INTEGER NOT NULL,      -- bytes
	modified INTEGER NOT NULL,  -- nanoseconds since 1970
	error TEXT NOT NULL         -- why there are no lines, or ''
) WITHOUT ROWID`,
	`CREATE TABLE lines (
	id INTEGER PRIMARY KEY,
	document TEXT NOT NULL,     -- of documents
	page INTEGER NOT NULL,      -- from 1 on
	text TEXT NOT NULL,
	score REAL NOT NULL,        -- how sure the reader was, 0 to 1
	quad BLOB NOT NULL,         -- eight float32, little-endian: the corners in pixels of the page; empty for texts
	words INTEGER NOT NULL      -- of the line, of which table words has each once
)`,
	`CREATE TABLE vectors (
	id INTEGER PRIMARY KEY,
	first INTEGER NOT NULL,     -- of the lines that it stands for
	last INTEGER NOT NULL,
	embedding BLOB NOT NULL     -- float32, little-endian, unit length
)`,
	`CREATE TABLE words (
	word TEXT NOT NULL,         -- in small letters; of scripts without spaces and of Hangul two characters
	line INTEGER NOT NULL,
	times INTEGER NOT NULL,
	PRIMARY KEY (word, line)
) WITHOUT ROWID`}

// Line is a line of a document.
type Line struct {
	Page  int // from 1 on
	Text  string
	Score float64 // how sure the reader was, 0 to 1
	// Quad are the corners in pixels of the page, from the top left one on clockwise; nil
	// of a text without a place.
	Quad []float32
}

// Window is the vector of some lines that follow each other, or of a part of one.
type Window struct {
	First, Last int // among the document's
	Vector      []float32
}

// Document is a file with its lines, or with the reason why it has none.
type Document struct {
	Path    string // as the program sees it
	Lines   []Line
	Windows []Window
	Err     string
}

// StaleDocuments lists those of the files that are not in the index as they are now, as
// [Index.Stale] does.
func (x *Index) StaleDocuments(files []string) ([]string, error) {
	stale, err := x.stale("documents", files)
	paths := make([]string, len(stale))
	for i, e := range stale {
		paths[i] = e.Path
	}
	return paths, err
}

// AddDocument writes a document in place of what was there of it.
func (x *Index) AddDocument(d Document) error {
	key, err := x.key(d.Path)
	if err != nil {
		return err
	}
	size, modified := int64(-1), int64(0)
	if info, err := os.Stat(d.Path); err == nil {
		size, modified = info.Size(), info.ModTime().UnixNano()
	}
	return x.write("writing", func(tx *sql.Tx) error {
		if err := x.forget(tx, key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(x.ctx, "INSERT INTO documents VALUES (?, ?, ?, ?)", key, size, modified, d.Err); err != nil {
			return err
		}
		ids := make([]int64, len(d.Lines))
		for i, l := range d.Lines {
			if ids[i], err = x.addLine(tx, key, l); err != nil {
				return err
			}
		}
		for _, w := range d.Windows {
			if _, err := tx.ExecContext(x.ctx, "INSERT INTO vectors (first, last, embedding) VALUES (?, ?, ?)", ids[w.First], ids[w.Last], encode(w.Vector)); err != nil {
				return err
			}
		}
		return nil
	})
}

// addLine writes a line with its words.
func (x *Index) addLine(tx *sql.Tx, key string, l Line) (int64, error) {
	counts := map[string]int{}
	all := Words(l.Text)
	for _, w := range all {
		counts[w]++
	}
	done, err := tx.ExecContext(x.ctx, "INSERT INTO lines (document, page, text, score, quad, words) VALUES (?, ?, ?, ?, ?, ?)", key, l.Page, l.Text, l.Score, encode(l.Quad), len(all))
	if err != nil {
		return 0, err
	}
	id, err := done.LastInsertId()
	if err != nil {
		return 0, err
	}
	for word, n := range counts {
		if _, err := tx.ExecContext(x.ctx, "INSERT INTO words VALUES (?, ?, ?)", word, id, n); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// forget takes out what there is of a document.
func (x *Index) forget(tx *sql.Tx, key string) error {
	const ids = "(SELECT id FROM lines WHERE document = ?)"
	for _, statement := range []string{
		"DELETE FROM words WHERE line IN " + ids, "DELETE FROM vectors WHERE first IN " + ids, "DELETE FROM lines WHERE document = ?", "DELETE FROM documents WHERE path = ?",
	} {
		if _, err := tx.ExecContext(x.ctx, statement, key); err != nil {
			return err
		}
	}
	return nil
}

// KeepDocuments removes the documents in and below a folder that are not among files, and
// says how many there were.
func (x *Index) KeepDocuments(folder string, files []string) (removed int, err error) {
	gone, err := x.gone("documents", folder, files)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	err = x.write("removing documents that are gone", func(tx *sql.Tx) error {
		for _, key := range gone {
			if err := x.forget(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(gone), nil
}

// Documents says how many documents there are.
func (x *Index) Documents() (n int, err error) {
	err = x.rows("SELECT count(*) FROM documents", func(rows *sql.Rows) (int, error) { return 1, rows.Scan(&n) })
	return n, err
}

// Hit is a line that was found.
type Hit struct {
	Line
	Path string // as the program sees it
	// Found is how well it fits, 0 to 1: the share of Cosine and Share, or Share alone where
	// there is no vector of the query.
	Found float64
	// Cosine is how like it is by meaning. Share is how much of the query's words it has,
	// the rare ones counting more: BM25 (Robertson and Zaragoza 2009) of the most that the
	// query can have.
	Cosine, Share float64

	id    int64
	words float64 // of the line
}

// FindLines gives the n lines that are likest a query, the likest first: by words, and
// where there is a vector of unit length by meaning too. n 0 means all that any of them
// finds.
func (x *Index) FindLines(query string, vector []float32, n int) ([]Hit, error) {
	lines, err := x.lines()
	if err != nil {
		return nil, err
	}
	if err := x.byWords(query, lines); err != nil {
		return nil, err
	}
	if vector != nil {
		if err := x.byMeaning(vector, lines); err != nil {
			return nil, err
		}
	}
	var hits []Hit
	for _, h := range lines {
		if h.Found = h.Share; vector != nil {
			h.Found = (h.Share + max(h.Cosine, 0)) / 2
		}
		if h.Found > 0 {
			hits = append(hits, *h)
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Found, a.Found), cmp.Compare(a.id, b.id))
	})
	if n > 0 && n < len(hits) {
		hits = hits[:n]
	}
	return hits, nil
}

// lines reads all lines, by their id.
func (x *Index) lines() (map[int64]*Hit, error) {
	all := map[int64]*Hit{}
	err := x.rows("SELECT id, document, page, text, score, quad, words FROM lines", func(rows *sql.Rows) (int, error) {
		h := &Hit{}
		var key string
		var quad []byte
		if err := rows.Scan(&h.id, &key, &h.Page, &h.Text, &h.Score, &quad, &h.words); err != nil {
			return 0, err
		}
		if len(quad) != 0 {
			var err error
			if h.Quad, err = decode(quad); err != nil || len(h.Quad) != 8 {
				return 0, damage("it holds a line with a place that is none of eight numbers")
			}
		}
		h.Path = x.shown(key)
		all[h.id] = h
		return 1 + len(key) + len(h.Text) + len(quad), nil
	})
	return all, err
}

// byMeaning gives the lines the cosines of their vectors and a query's: of a line that has
// one of its own and of lines around it, the mean of both.
func (x *Index) byMeaning(query []float32, lines map[int64]*Hit) error {
	own, around := map[int64]float64{}, map[int64]float64{}
	err := x.rows("SELECT first, last, embedding FROM vectors", func(rows *sql.Rows) (int, error) {
		var first, last int64
		var value any
		if err := rows.Scan(&first, &last, &value); err != nil {
			return 0, err
		}
		v, err := decode(value)
		if err != nil {
			return 0, err
		}
		if len(v) != len(query) {
			return 0, damage(fmt.Sprintf("it holds embeddings of %d values and the query has %d", len(v), len(query)))
		}
		if last < first || last-first > 1<<16 {
			return 0, damage("it holds a vector of lines that do not follow each other")
		}
		into, c := around, cosine(v, query)
		if first == last {
			into = own
		}
		for id := first; id <= last; id++ {
			if old, ok := into[id]; !ok || c > old {
				into[id] = c
			}
		}
		return 16 + 4*len(v), nil
	})
	for id, h := range lines {
		switch c, ok := around[id]; {
		case ok && own[id] != 0:
			h.Cosine = (own[id] + c) / 2
		case ok:
			h.Cosine = c
		default:
			h.Cosine = own[id]
		}
	}
	return err
}

// The constants of BM25.
const (
	saturation = 1.2
	lengths    = 0.75
)

// byWords gives the lines their share of a query's words.
func (x *Index) byWords(query string, lines map[int64]*Hit) error {
	var total, most float64
	for _, h := range lines {
		total += h.words
	}
	n := float64(len(lines))
	terms := Words(query)
	slices.Sort(terms)
	for _, word := range slices.Compact(terms) {
		uses, err := x.uses(word, lines)
		if err != nil {
			return err
		}
		df := float64(len(uses))
		rare := math.Log(1 + (n-df+0.5)/(df+0.5))
		most += rare * (saturation + 1)
		for line, times := range uses {
			h := lines[line]
			norm := 1 - lengths + lengths*h.words*n/max(total, 1)
			h.Share += rare * times * (saturation + 1) / (times + saturation*norm)
		}
	}
	for _, h := range lines {
		h.Share /= max(most, 1e-9)
	}
	return nil
}

// joined is how long a word is at least that is looked for within others too: readers of
// images lose spaces.
const joined = 4

// uses are how often lines have a word; where it is a part of another, half.
func (x *Index) uses(word string, lines map[int64]*Hit) (map[int64]float64, error) {
	uses := map[int64]float64{}
	err := x.rows("SELECT line, times FROM words WHERE word = "+quote(word), func(rows *sql.Rows) (int, error) {
		var line int64
		var times float64
		err := rows.Scan(&line, &times)
		if _, ok := lines[line]; ok {
			uses[line] = times
		}
		return 2, err
	})
	if err != nil || len([]rune(word)) < joined || scriptOf([]rune(word), 0) != letters {
		return uses, err
	}
	for id, h := range lines {
		if _, ok := uses[id]; !ok && strings.Contains(strings.ToLower(h.Text), word) {
			uses[id] = 0.5
		}
	}
	return uses, nil
}

// meta are the words that an index has of what made it.
func (x *Index) meta() (map[string]string, error) {
	found := map[string]string{}
	err := x.rows("SELECT key, value FROM meta LIMIT 100", func(rows *sql.Rows) (int, error) {
		var key, value string
		err := rows.Scan(&key, &value)
		found[key] = value
		return len(key) + len(value), err
	})
	return found, err
}
