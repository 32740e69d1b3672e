package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/shard"
)

// shardJSON is the document of a shard.
type shardJSON struct {
	head
	In     string         `json:"in"`
	Out    string         `json:"out"`
	Done   bool           `json:"done"` // before: nothing was made
	Images int            `json:"images"`
	Bad    int            `json:"errors"` // rows with an error
	Rate   float64        `json:"images_per_s"`
	MS     *shardTimeJSON `json:"ms,omitempty"`
}

// shardTimeJSON is what a shard took its time for, in milliseconds: what was waited for, one
// after the other, and what was done beside, the sum of several threads.
type shardTimeJSON struct {
	Load     float64 `json:"load"`
	Compile  float64 `json:"compile"`
	Adapter  float64 `json:"adapter"`
	Pictures float64 `json:"pictures"`
	Out      float64 `json:"out"`
	Read     float64 `json:"read"`
	Decode   float64 `json:"decode"`
	Resize   float64 `json:"resize"`
}

// worker is one call that makes a file of a shard.
type worker struct {
	pass
	doc shardJSON
	in  *shard.Shard
	out *shard.Writer // nil before the first row

	maker   shard.Maker
	waiting []shard.Row // those with errors before the first picture that can be read
	first   error       // of the pictures that could not be read
	rows    int
	writing time.Duration
	read    atomic.Int64 // nanoseconds of all threads
	decoded atomic.Int64
}

// doShard makes a file of -in's pictures, or finds it made.
func (a *app) doShard(ctx context.Context) error {
	in, err := shard.Open(a.shard, func(folder string) ([]string, error) { return cli.PicturesIn(folder, a.complain) })
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was read alone
	if err := cli.CheckWritable(a.parquet); err != nil {
		return err
	}
	made, err := shard.Made(a.parquet)
	if err != nil {
		return err
	}
	m, err := a.load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	w := &worker{pass: pass{app: a, m: m, bar: a.progress()}, in: in}
	w.doc = shardJSON{head: a.head(m), In: a.shard, Out: a.parquet}
	if err := w.identify(); err != nil {
		return err
	}
	if made != nil {
		return w.found(made)
	}
	began := time.Now()
	spent, err := w.make(ctx)
	w.bar.clear()
	if err == nil {
		err = w.end(spent, time.Since(began))
	}
	if err != nil && w.out != nil {
		w.out.Drop()
	}
	return err
}

// identify tells what makes the rows: everything that changes them.
func (w *worker) identify() error {
	if w.word == classifyWord && w.m.Classes() == 0 {
		return fmt.Errorf("%s from %s: %w; run embed makes vectors", w.m.Name, w.m.Source, models.ErrNoClasses)
	}
	if w.fastDecode && (w.m.Processor == nil || w.m.Converses()) {
		return fmt.Errorf("%s from %s cuts pictures into tiles of their own size: -fast-decode does not go with it", w.m.Name, w.m.Source)
	}
	if g := w.m.Writer(); g != nil {
		w.configure(g)
	}
	if cut, err := w.m.Tiler(); err != nil {
		return err
	} else if cut != nil && w.tiles != "" {
		cut.Split = w.tiles == allTiles
	}
	weights, err := w.m.Fingerprint()
	if err != nil {
		return err
	}
	of := []any{w.word, weights, w.m.Precision.String(), w.m.Processor, fmt.Sprint(w.background), fmt.Sprint(w.override), w.fastDecode}
	switch w.word {
	case classifyWord:
		of = append(of, w.m.Labels, w.top)
	case captionWord:
		of = append(of, w.m.Writer().Config, w.prompts, w.question, w.tiles)
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(of); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	w.maker = shard.Maker{
		Content: map[string]shard.Content{embedWord: shard.Vectors, classifyWord: shard.Classes, captionWord: shard.Texts}[w.word],
		Model:   fmt.Sprintf("%s (%s), %s", w.m.Name, w.m.Source, w.m.Precision), Fingerprint: hex.EncodeToString(h.Sum(nil)[:16]), Shard: w.in.Fingerprint(),
	}
	return nil
}

// found ends with a file that is there: the same, or of something else.
func (w *worker) found(made *shard.Maker) error {
	out := w.parquet
	switch {
	case made.Content != w.maker.Content:
		return fmt.Errorf("%s is there and holds %s, not %s; give another -out, or remove it", out, made.Content, w.maker.Content)
	case made.Fingerprint != w.maker.Fingerprint && made.Model == w.maker.Model:
		return fmt.Errorf("%s is there, made by %s with other weights, preprocessing or flags; give another -out, or remove it", out, made.Model)
	case made.Fingerprint != w.maker.Fingerprint:
		return fmt.Errorf("%s is there, made by %s, not by %s; give another -out, or remove it", out, made.Model, w.maker.Model)
	case made.Shard != w.maker.Shard:
		return fmt.Errorf("%s is there, made of another shard than %s, or of what that was before; give another -out, or remove it", out, w.shard)
	}
	w.doc.Done, w.doc.Images, w.doc.Bad = true, made.Rows, made.Errors
	return w.app.conclude(&w.doc, func() { w.print(made) }, nil, func() {})
}

// make computes and writes all rows.
func (w *worker) make(ctx context.Context) (models.Spent, error) {
	began, n := time.Now(), len(w.in.Items)
	if w.word == captionWord {
		ask := models.Ask{Words: w.question, Question: w.question != ""}
		if len(w.prompts) > 0 {
			ask.Words = w.prompts[0]
		}
		return w.m.WriteEach(ctx, n, w.batch, ask, w.open, func(i int, t models.Written, err error) error {
			w.bar.rated(i+1, n, time.Since(began))
			return w.add(shard.Row{Item: w.in.Items[i], Text: t.Words}, err)
		})
	}
	return w.m.EachWhole(ctx, n, w.batch, w.open, func(r models.Result) error {
		w.bar.rated(r.Index+1, n, time.Since(began))
		row, err := shard.Row{Item: w.in.Items[r.Index]}, r.Err
		if err == nil {
			if err = w.take(&row, r.Outputs); err != nil && !errors.Is(err, models.ErrNoDirection) {
				return err
			}
		}
		return w.add(row, err)
	})
}

// take puts what the network computed into a row.
func (w *worker) take(row *shard.Row, outputs map[string]models.Array) (err error) {
	if w.word == embedWord {
		row.Vector, err = w.m.Embedding(outputs)
		return err
	}
	top, err := w.m.Top(outputs, w.top)
	for _, p := range top {
		row.Classes = append(row.Classes, shard.Class{Index: p.Index, Label: p.Label, Score: p.Score, Logit: p.Logit})
	}
	return err
}

// open reads and decodes a picture.
func (w *worker) open(i int) (*picture.Image, error) {
	began := time.Now()
	data, err := w.in.Read(i)
	w.read.Add(int64(time.Since(began)))
	if err != nil {
		return nil, err
	}
	began = time.Now()
	defer func() { w.decoded.Add(int64(time.Since(began))) }()
	return picture.Decode(data, w.decoding())
}

// decoding says how pictures are decoded.
func (w *worker) decoding() picture.DecodeOptions {
	o := picture.DecodeOptions{Background: w.background}
	if w.fastDecode {
		o.Resized = w.m.Processor.Resized
	}
	return o
}

// add writes a row; one with an error tells why there is nothing.
func (w *worker) add(row shard.Row, bad error) error {
	began := time.Now()
	defer func() { w.writing += time.Since(began) }()
	if bad != nil {
		row.Err = cli.OneLine(bad)
		if w.doc.Bad++; w.first == nil {
			w.first = naming(row.Path, bad)
		}
	}
	w.rows++
	w.waiting = append(w.waiting, row)
	if w.out == nil {
		if bad != nil { // the first vector tells how wide they are
			return nil
		}
		var err error
		if w.out, err = shard.Write(w.parquet, w.maker, len(row.Vector), w.m.Precision == gpu.F16); err != nil {
			return err
		}
	}
	for _, row := range w.waiting {
		if err := w.out.Add(row); err != nil {
			return err
		}
	}
	w.waiting = w.waiting[:0]
	return nil
}

// end puts the file into its place and says what was waited for.
func (w *worker) end(spent models.Spent, took time.Duration) error {
	if w.doc.Bad == w.rows {
		return fmt.Errorf("none of the %s of %s can be read, and nothing is written; the first: %w", cli.Count(w.rows, "picture"), w.shard, w.first)
	}
	began := time.Now()
	made, err := w.out.Close()
	if err != nil {
		return err
	}
	ended := time.Since(began)
	w.writing, took = w.writing+ended, took+ended
	took -= spent.Programs
	w.doc.Images, w.doc.Rate = made.Rows, float64(made.Rows)/max(took.Seconds(), 1e-9)
	read, decoded := time.Duration(w.read.Load()), time.Duration(w.decoded.Load())
	w.doc.MS = &shardTimeJSON{
		milliseconds(w.m.LoadTime - w.m.CompileTime), milliseconds(w.m.CompileTime + spent.Programs), milliseconds(spent.Forward), milliseconds(spent.Waiting),
		milliseconds(w.writing), milliseconds(read), milliseconds(decoded), milliseconds(spent.Prepared),
	}
	return w.app.conclude(&w.doc, func() { w.print(&made) }, nil, func() { w.summary(spent) })
}

// print tells what the file holds.
func (w *worker) print(made *shard.Maker) {
	before := ""
	if w.doc.Done {
		before = "done already, "
	}
	w.stdout.printf("%s: %s%s, %d with errors\n", w.parquet, before, cli.Count(made.Rows, "picture"), made.Errors)
}

// summary tells on stderr what was waited for, and the first picture that could not be read.
func (w *worker) summary(spent models.Spent) {
	if w.first != nil {
		fmt.Fprintf(w.stderr, "column error says why pictures could not be read; the first: %s\n", cli.OneLine(w.first))
	}
	fmt.Fprintf(w.stderr, "%s, on %s\n", w.maker.Model, w.dev.Info())
	fmt.Fprintf(w.stderr, "%.1f pictures a second; waited %s for the adapter, %s for pictures, %s for %s\n", w.doc.Rate, cli.Short(spent.Forward), cli.Short(spent.Waiting), cli.Short(w.writing), w.parquet)
	fmt.Fprintf(w.stderr, "beside that %s of reading, %s of decoding, %s of resizing in %s\n",
		cli.Short(time.Duration(w.read.Load())), cli.Short(time.Duration(w.decoded.Load())), cli.Short(spent.Prepared), cli.Count(runtime.GOMAXPROCS(0), "thread"))
}
