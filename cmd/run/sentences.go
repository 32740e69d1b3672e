package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"saccade/models"
)

// sentenceJSON is a text with its vector.
type sentenceJSON struct {
	Text      string    `json:"text"`
	Embedding []float32 `json:"embedding"`
	Truncated bool      `json:"truncated,omitempty"` // its end was not read
}

// likestJSON are the texts of a file that are like another, the likest first.
type likestJSON struct {
	Text  string          `json:"text"`
	Texts []textScoreJSON `json:"texts"`
}

// sentencesJSON is the document of texts.
type sentencesJSON struct {
	head
	Texts  []sentenceJSON `json:"texts"`
	Cosine [][]float64    `json:"cosine,omitempty"` // of each with each
	Found  []likestJSON   `json:"found,omitempty"`  // of -texts, for each -text
	MS     timesJSON      `json:"ms"`
}

// sentences is one call that makes vectors of texts.
type sentences struct {
	pass
	doc   sentencesJSON
	lines []string // of -texts
}

// embedSentences compares texts with each other, or with those of a file.
func (a *app) embedSentences(ctx context.Context, m *models.Model) error {
	s := &sentences{pass: pass{app: a, m: m, bar: a.progress()}, doc: sentencesJSON{head: a.head(m)}}
	var err error
	if a.textsFile != "" {
		if s.lines, err = readLines("texts", a.textsFile); err != nil {
			return err
		}
	}
	prompts := m.Prompts()
	search := len(s.lines) > 0 && len(a.texts) > 0
	if search {
		err = s.embed(ctx, a.texts, prompts.Query)
	} else {
		err = s.embed(ctx, a.texts, prompts.Any)
		prompts.Document = prompts.Any
	}
	if err == nil {
		err = s.embed(ctx, s.lines, prompts.Document)
	}
	s.bar.clear()
	if err != nil {
		return err
	}
	if a.save != "" {
		if err := s.saveVectors(); err != nil {
			return err
		}
	}
	vectors := make([][]float32, len(s.doc.Texts))
	for i, t := range s.doc.Texts {
		vectors[i] = models.MeanVector([][]float32{t.Embedding})
	}
	s.compare(vectors, search)
	s.doc.MS = times(m, s.forward)
	return a.conclude(&s.doc, s.print, nil, func() { a.summaryOf(m, len(vectors), "text", s.forward) })
}

// embed makes the vectors of texts, each behind a prompt.
func (s *sentences) embed(ctx context.Context, texts []string, prompt string) error {
	prompted := make([]string, len(texts))
	for i, text := range texts {
		prompted[i] = prompt + text
	}
	began := time.Now()
	vectors, cut, err := s.m.EmbedTexts(ctx, prompted, func(n int) { s.bar.rated(n, len(texts), time.Since(began)) })
	if err != nil {
		return err
	}
	s.forward += time.Since(began)
	for i, text := range texts {
		if cut[i] {
			s.note("the text %q is longer than the model reads; its end is left out", shortText(text))
		}
		s.doc.Texts = append(s.doc.Texts, sentenceJSON{text, vectors[i], cut[i]})
	}
	return nil
}

// saveVectors writes the vectors as the reference names them.
func (s *sentences) saveVectors() error {
	out, all := newSaver(), make([][]float32, len(s.doc.Texts))
	for i, t := range s.doc.Texts {
		all[i], out.paths = t.Embedding, append(out.paths, t.Text)
	}
	x := stack(all)
	out.outputs["sentence_embedding"] = &x
	return out.write(s.save)
}

// compare makes the table of cosines, or with search the file's texts that are likest
// each -text.
func (s *sentences) compare(vectors [][]float32, search bool) {
	for i, v := range vectors {
		if search && i == len(s.app.texts) {
			return
		}
		row := make([]float64, len(vectors))
		for j, w := range vectors {
			row[j] = models.Cosine(v, w)
		}
		if !search {
			s.doc.Cosine = append(s.doc.Cosine, row)
			continue
		}
		found := likestJSON{Text: s.app.texts[i]}
		for j, line := range s.lines {
			found.Texts = append(found.Texts, textScoreJSON{line, row[len(s.app.texts)+j]})
		}
		slices.SortStableFunc(found.Texts, func(a, b textScoreJSON) int { return cmp.Compare(b.Score, a.Score) })
		found.Texts = best(found.Texts, s.top)
		s.doc.Found = append(s.doc.Found, found)
	}
}

// maxTable is how many texts are shown in a table of each with each.
const maxTable = 12

// print writes the cosines as a table, of many texts the likest of each.
func (s *sentences) print() {
	for _, f := range s.doc.Found {
		s.stdout.printf("%s\n", shortText(f.Text))
		for _, t := range f.Texts {
			s.stdout.printf("  %7.4f  %s\n", t.Score, t.Text)
		}
	}
	many := len(s.doc.Cosine) > maxTable
	for i, row := range s.doc.Cosine {
		if !many {
			var cells strings.Builder
			for _, c := range row {
				fmt.Fprintf(&cells, "%7.4f ", c)
			}
			s.stdout.printf("%3d  %s %s\n", i+1, cells.String(), shortText(s.doc.Texts[i].Text))
			continue
		}
		likest := -1
		for j, c := range row {
			if j != i && (likest < 0 || c > row[likest]) {
				likest = j
			}
		}
		s.stdout.printf("%7.4f  %s | %s\n", row[likest], shortText(s.doc.Texts[i].Text), shortText(s.doc.Texts[likest].Text))
	}
}

// embedsSentences says that a model makes vectors of texts and sees no images.
func embedsSentences(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Sentences
}
