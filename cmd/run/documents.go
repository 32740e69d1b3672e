package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/index"
	"saccade/models"
	"saccade/picture"
)

// hitJSON is a line that was found.
type hitJSON struct {
	Path  string         `json:"path"`
	Page  int            `json:"page"`
	Text  string         `json:"text"`
	Score float64        `json:"score"`
	Quad  *[4][2]float64 `json:"quad,omitempty"`
}

// documentsJSON is the document of an index of lines.
type documentsJSON struct {
	Adapter *adapterJSON `json:"adapter,omitempty"`
	Indexed *linesJSON   `json:"index,omitempty"`
	Lines   []hitJSON    `json:"lines,omitempty"`
	Written *writtenJSON `json:"written,omitempty"`
	Errors  []pathError  `json:"errors,omitempty"`
	MS      *timesJSON   `json:"ms,omitempty"`
}

// linesJSON says what became of an index of lines.
type linesJSON struct {
	Path      string `json:"path"`
	Documents int    `json:"documents"`
	Added     int    `json:"added"`
	Removed   int    `json:"removed"`
}

// library is one call that fills an index of lines or searches it.
type library struct {
	pass
	doc     documentsJSON
	reader  *models.Reader // or nil
	encoder *models.Model  // of texts, or nil
	load    time.Duration
}

// indexDocuments reads pages into an index, and searches an index of lines.
func (a *app) indexDocuments(ctx context.Context) error {
	l := &library{pass: pass{app: a, bar: a.progress()}}
	defer l.close()
	if a.documents != "" {
		if err := l.readFolder(ctx); err != nil {
			return err
		}
	}
	if len(a.texts) > 0 {
		if err := l.find(ctx); err != nil {
			return err
		}
	}
	return l.finish()
}

// indexTexts puts the lines of -texts into an index, and searches it.
func (a *app) indexTexts(ctx context.Context, m *models.Model) error {
	l := &library{pass: pass{app: a, bar: a.progress()}, encoder: m}
	if a.textsFile != "" {
		if err := l.readTexts(ctx); err != nil {
			return err
		}
	}
	if len(a.texts) > 0 {
		if err := l.find(ctx); err != nil {
			return err
		}
	}
	return l.finish()
}

func (l *library) close() {
	if l.reader != nil {
		l.reader.Close()
	}
	if l.encoder != nil {
		l.encoder.Close()
	}
}

// readFolder brings the index up to date with the pages of a folder.
func (l *library) readFolder(ctx context.Context) error {
	files, err := l.pagesIn(l.documents)
	if err != nil {
		return err
	}
	o, err := l.prepare()
	if err != nil {
		return err
	}
	if l.reader, err = l.openReader(ctx, l.weights, o); err != nil {
		return err
	}
	l.load = l.reader.LoadTime
	if l.textWeights == "" {
		l.note("without -text-weights lines are found by words alone")
	} else if err := l.openEncoder(ctx, l.textWeights); err != nil {
		return err
	}
	print, err := l.reader.Fingerprint()
	if err != nil {
		return err
	}
	return l.update(ctx, files, l.documents, index.Identity{Source: l.reader.Source, Fingerprint: print, Preprocessing: fmt.Sprint("over ", l.background)}, l.readDocument)
}

// readTexts brings the index up to date with the lines of a file.
func (l *library) readTexts(ctx context.Context) error {
	return l.update(ctx, []string{l.textsFile}, "", index.Identity{Source: "texts", Fingerprint: "texts"}, func(_ context.Context, path string) ([]index.Line, error) {
		texts, err := readLines("texts", path)
		var lines []index.Line
		for _, text := range texts {
			lines = append(lines, index.Line{Page: 1, Text: text, Score: 1})
		}
		return lines, err
	})
}

// openEncoder opens what embeds lines.
func (l *library) openEncoder(ctx context.Context, src string) error {
	if l.dev == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	m, err := l.loadModel(ctx, textFamily, src, l.loading())
	if err != nil {
		return err
	}
	l.encoder = m
	l.load += m.LoadTime
	return nil
}

// update adds what is new or changed of files, and drops what is gone from the folder.
func (l *library) update(ctx context.Context, files []string, folder string, id index.Identity, read func(context.Context, string) ([]index.Line, error)) error {
	id.Model, id.Precision = index.Documents, l.precision.String()
	if l.encoder != nil {
		print, err := l.encoder.Fingerprint()
		if err != nil {
			return err
		}
		id.Texts, id.TextsFingerprint = absolute(l.encoder.Source), print
	}
	x, err := index.OpenWith(ctx, l.index, id, l.waiting(index.Options{}))
	if err != nil {
		return err
	}
	defer x.Close() //nolint:errcheck // all that was added is committed
	l.doc.Indexed = &linesJSON{Path: l.index}
	stale, err := x.StaleDocuments(files)
	if err != nil {
		return err
	}
	for i, path := range stale {
		l.bar.pictures(i, len(stale))
		if err := l.add(ctx, x, path, len(files) == 1, read); err != nil {
			return err
		}
	}
	l.bar.clear()
	if folder != "" {
		if l.doc.Indexed.Removed, err = x.KeepDocuments(folder, files); err != nil {
			return err
		}
	}
	l.doc.Indexed.Documents, err = x.Documents()
	return err
}

// add reads a document into the index. A bad one is named.
func (l *library) add(ctx context.Context, x *index.Index, path string, only bool, read func(context.Context, string) ([]index.Line, error)) error {
	began := time.Now()
	d := index.Document{Path: path}
	var err error
	if d.Lines, err = read(ctx, path); err == nil {
		d.Windows, err = l.windows(ctx, d.Lines)
	}
	l.forward += time.Since(began)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if err := l.bad(path, err, only); err != nil {
			return err
		}
		d.Lines, d.Windows, d.Err = nil, nil, cli.OneLine(err)
	} else {
		l.doc.Indexed.Added++
	}
	return x.AddDocument(d)
}

// readDocument reads the lines of a picture or of the pages of a PDF.
func (l *library) readDocument(ctx context.Context, path string) (lines []index.Line, err error) {
	err = l.eachPage(ctx, path, func(page int, img *picture.Image) error {
		found, err := l.reader.Read(ctx, img)
		for _, line := range found {
			quad := make([]float32, 0, 8)
			for _, p := range line.Quad {
				quad = append(quad, float32(p.X), float32(p.Y))
			}
			lines = append(lines, index.Line{Page: page, Text: line.Text, Score: line.Score, Quad: quad})
		}
		return err
	})
	return lines, err
}

// windowRunes is how long the lines that share a vector are at most, in characters: some
// 200 tokens. A longer line has a vector for each such part of it.
const windowRunes = 600

// windows embeds lines: each by itself, and those of a page that follow each other
// together.
func (l *library) windows(ctx context.Context, lines []index.Line) ([]index.Window, error) {
	if l.encoder == nil {
		return nil, nil
	}
	var all []index.Window
	var texts []string
	put := func(first, last int, text string) {
		all, texts = append(all, index.Window{First: first, Last: last}), append(texts, l.encoder.Prompts().Document+text)
	}
	long := 0
	for i, line := range lines {
		parts := pieces(line.Text, windowRunes)
		if len(parts) > 1 {
			long++
		}
		for _, part := range parts {
			put(i, i, part)
		}
	}
	for first := 0; first < len(lines); {
		last, text := first, lines[first].Text
		for last+1 < len(lines) && lines[last+1].Page == lines[first].Page && len([]rune(text))+len([]rune(lines[last+1].Text)) < windowRunes {
			last++
			text += " " + lines[last].Text
		}
		if last > first {
			put(first, last, text)
		}
		first = last + 1
	}
	if long > 0 {
		l.note("%s of more than %d characters: each part of that length is found by itself", cli.Count(long, "line"), windowRunes)
	}
	vectors, _, err := l.encoder.EmbedTexts(ctx, texts, nil)
	if err != nil {
		return nil, err
	}
	for i, v := range vectors {
		all[i].Vector = models.MeanVector([][]float32{v})
	}
	return all, nil
}

// pieces cuts a text into parts of at most n characters, at spaces where there are some.
func pieces(text string, n int) (parts []string) {
	runes := []rune(text)
	for len(runes) > n {
		end := n
		for end > n/2 && runes[end] != ' ' {
			end--
		}
		if runes[end] != ' ' {
			end = n
		}
		parts, runes = append(parts, string(runes[:end])), runes[end:]
	}
	return append(parts, strings.TrimSpace(string(runes)))
}

// find looks for the text in the index.
func (l *library) find(ctx context.Context) error {
	if l.out != "" {
		if err := cli.CheckWritable(l.out); err != nil {
			return err
		}
	}
	x, err := index.OpenWith(ctx, l.index, index.Identity{Model: index.Documents}, l.waiting(index.Options{Search: true, Any: true}))
	if err != nil {
		return err
	}
	defer x.Close() //nolint:errcheck // nothing is written
	id, err := x.Identity()
	if err != nil {
		return err
	}
	if l.encoder == nil && id.TextsFingerprint != "" {
		src := l.textWeights
		if src == "" {
			src = id.Texts
		}
		if err := l.openEncoder(ctx, src); err != nil {
			return fmt.Errorf("the lines of %s are embedded by %s: %w; give -text-weights where it is now", l.index, id.Texts, err)
		}
	}
	vector, err := l.query(ctx, id)
	if err != nil {
		return err
	}
	hits, err := x.FindLines(l.texts[0], vector, l.top)
	if err != nil {
		return err
	}
	l.doc.Lines = []hitJSON{}
	for _, h := range hits {
		line := hitJSON{Path: h.Path, Page: h.Page, Text: h.Text, Score: h.Found}
		if h.Quad != nil {
			line.Quad = &[4][2]float64{}
			for i, v := range h.Quad {
				line.Quad[i/2][i%2] = float64(v)
			}
		}
		l.doc.Lines = append(l.doc.Lines, line)
	}
	if l.out != "" {
		return l.draw(ctx)
	}
	return nil
}

// query is the vector of the text that is looked for, nil where lines have none.
func (l *library) query(ctx context.Context, id index.Identity) ([]float32, error) {
	if id.TextsFingerprint == "" {
		if l.encoder != nil {
			return nil, fmt.Errorf("index %s: its lines have no vectors; leave the encoder out, or make it with -text-weights", l.index)
		}
		l.note("the lines of %s have no vectors: they are found by words alone", l.index)
		return nil, nil
	}
	print, err := l.encoder.Fingerprint()
	if err != nil {
		return nil, err
	}
	if print != id.TextsFingerprint {
		return nil, &index.MismatchError{Path: l.index, What: "the encoder of texts", Found: id.Texts, Want: l.encoder.Source}
	}
	began := time.Now()
	vectors, cut, err := l.encoder.EmbedTexts(ctx, []string{l.encoder.Prompts().Query + l.texts[0]}, nil)
	if err != nil {
		return nil, err
	}
	l.forward += time.Since(began)
	if cut[0] {
		l.note("the text %q is longer than the model reads; its end is left out", shortText(l.texts[0]))
	}
	return models.MeanVector(vectors), nil
}

// maxPages is how many pages are drawn at most.
const maxPages = 4

// draw draws where the lines stand, page by page in the order of the best of each.
func (l *library) draw(ctx context.Context) error {
	type place struct {
		path string
		page int
	}
	var order []place
	marked := map[place][]figure.Marked{}
	for _, h := range l.doc.Lines {
		if h.Quad == nil {
			continue
		}
		p := place{h.Path, h.Page}
		if marked[p] == nil {
			order = append(order, p)
		}
		marked[p] = append(marked[p], figure.Marked{Text: h.Text, Corners: *h.Quad})
	}
	if len(order) == 0 {
		l.note("no line that was found has a place; %s is not written", l.out)
		return nil
	}
	var drawn []*picture.Image
	for _, p := range order[:min(maxPages, len(order))] {
		img, err := l.page(ctx, p.path, p.page)
		if err == nil {
			img, err = figure.Page(img, marked[p], maxPage)
		}
		if err != nil {
			return fmt.Errorf("drawing page %d of %s: %w", p.page, p.path, err)
		}
		drawn = append(drawn, img)
	}
	all := figure.Below(drawn)
	if err := picture.WritePNG(l.out, all); err != nil {
		return err
	}
	l.doc.Written = &writtenJSON{l.out, all.W, all.H}
	return nil
}

// finish prints what was done and found.
func (l *library) finish() error {
	l.doc.Errors = l.errors
	if l.dev != nil {
		adapter := l.adapterJSON()
		l.doc.Adapter, l.doc.MS = &adapter, &timesJSON{Load: milliseconds(l.load), Forward: milliseconds(l.forward)}
	}
	return l.app.conclude(&l.doc, func() {
		if x := l.doc.Indexed; x != nil {
			l.stdout.printf("%s: %s, %d added, %d removed\n", x.Path, cli.Count(x.Documents, "document"), x.Added, x.Removed)
		}
		for _, h := range l.doc.Lines {
			l.stdout.printf("%.4f  %s, page %d: %s\n", h.Score, h.Path, h.Page, h.Text)
		}
		if l.doc.Lines != nil && len(l.doc.Lines) == 0 {
			l.note("no line of %s has anything of %q", l.index, shortText(l.texts[0]))
		}
		if l.doc.Written != nil {
			l.doc.Written.print(l.stdout)
		}
	}, l.errors, func() {})
}

// waiting has the options tell that another process is waited for.
func (l *library) waiting(o index.Options) index.Options {
	o.Waiting = func() { l.note("index %s: waiting for another process that writes to it", l.index) }
	return o
}

// absolute is a local path from the root, so that it is found from other folders; a hub id
// stays.
func absolute(src string) string {
	if _, err := os.Stat(src); err != nil {
		return src
	}
	if path, err := filepath.Abs(src); err == nil {
		return path
	}
	return src
}

// pagesIn lists pictures and PDF files in and below a folder, sorted by path. Without
// what renders PDF those are left out, which is said.
func (a *app) pagesIn(folder string) ([]string, error) {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		if err == nil {
			err = errors.New("it is no folder")
		}
		return nil, fmt.Errorf("documents %s: %w", folder, reason(err))
	}
	files, err := cli.PicturesIn(folder, a.complain)
	if err != nil {
		return nil, err
	}
	var documents []string
	err = fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case d.Type().IsRegular() && isPDF(path) && !strings.HasPrefix(d.Name(), "."):
			documents = append(documents, filepath.Join(folder, filepath.FromSlash(path)))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", folder, reason(err))
	}
	if len(documents) > 0 && !canRender() {
		a.note("%s: %s left out, as pdftoppm is not installed (poppler-utils)", folder, cli.Count(len(documents), "PDF file"))
		documents = nil
	}
	if files = append(files, documents...); len(files) == 0 {
		return nil, fmt.Errorf("documents %s: there is no page in it (PNG, JPEG, GIF, BMP, WebP, TIFF, PDF)", folder)
	}
	slices.Sort(files)
	return files, nil
}
