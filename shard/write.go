package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/x448/float16"
)

// Content is what rows hold of a picture.
type Content string

// The contents.
const (
	Vectors Content = "vectors"
	Classes Content = "classes"
	Texts   Content = "texts"
)

// Class is a class of a picture.
type Class struct {
	Index        int
	Label        string
	Score, Logit float64
}

// Row is what is known of a picture: its vector, its classes or its text, or an error.
type Row struct {
	Item
	Vector  []float32
	Classes []Class
	Text    string
	Err     string
}

// Maker is what made a file, as it says itself.
type Maker struct {
	Content     Content `json:"content"`
	Model       string  `json:"model"`       // in words
	Fingerprint string  `json:"fingerprint"` // of all that changes rows; the column model
	Shard       string  `json:"shard"`       // fingerprint of the shard
	Rows        int     `json:"rows"`
	Errors      int     `json:"errors"`
}

// makerKey is where files hold it.
const makerKey = "saccade"

// Made tells what made the file at path, nil if there is none. A file that [Write] did not
// make is an error.
func Made(path string) (m *Maker, err error) {
	defer guard(&err)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	other := fmt.Errorf("%s is there and no output of this program; name another file, or remove it", path)
	file, err := openWhole(f, info.Size())
	if err != nil {
		return nil, other
	}
	says, ok := file.Lookup(makerKey)
	m = &Maker{}
	if !ok || json.Unmarshal([]byte(says), m) != nil {
		return nil, other
	}
	return m, nil
}

// groupRows is how many rows are written at a time: what readers take at once.
const groupRows = 10_000

// Writer writes a file of rows.
type Writer struct {
	maker Maker
	path  string
	width int // of vectors
	half  bool

	file *os.File
	w    *parquet.GenericWriter[any]
}

// Write begins the file at path, beside it. Vectors have width values, stored as halves or
// floats.
func Write(path string, m Maker, width int, half bool) (*Writer, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".saccade-*")
	if err != nil {
		return nil, fmt.Errorf("%s: folder %s: %w", path, filepath.Dir(path), reason(err))
	}
	m.Rows, m.Errors = 0, 0
	w := &Writer{maker: m, path: path, width: width, half: half, file: f}
	schema, fields := w.schema()
	w.w = parquet.NewGenericWriter[any](f, schema, parquet.Compression(&zstd.Codec{}), parquet.DataPageStatistics(false))
	w.w.SetKeyValueMetadata(arrowKey, arrowSchema(fields))
	return w, nil
}

// halves are Parquet's of that type, of which the library has none of its own.
type halves struct{ parquet.Type }

func (halves) LogicalType() *format.LogicalType {
	return &format.LogicalType{Value: &format.Float16Type{}}
}

func (halves) String() string { return "FLOAT16" }

// columns is a group of columns in the order in which they stand here, not by their names.
type columns struct {
	parquet.Group
	order []string
}

func (c columns) Fields() []parquet.Field {
	by := map[string]parquet.Field{}
	for _, f := range c.Group.Fields() {
		by[f.Name()] = f
	}
	all := make([]parquet.Field, len(c.order))
	for i, name := range c.order {
		all[i] = by[name]
	}
	return all
}

// schema is the file's, for Parquet and for Arrow.
func (w *Writer) schema() (*parquet.Schema, []arrowField) {
	words := parquet.Encoded(parquet.String(), &parquet.Plain)
	c := columns{Group: parquet.Group{"path": words, "key": words, "model": parquet.Encoded(parquet.String(), &parquet.RLEDictionary), "error": parquet.Optional(words)}}
	fields := []arrowField{{name: "path", kind: arrowText}, {name: "key", kind: arrowText}, {name: "model", kind: arrowText}}
	switch w.maker.Content {
	case Vectors:
		value, bits := parquet.Leaf(parquet.FloatType), 32
		if w.half {
			value, bits = parquet.Leaf(halves{parquet.FixedLenByteArrayType(2)}), 16
		}
		c.Group["vector"] = parquet.Optional(parquet.List(parquet.Encoded(value, &parquet.Plain)))
		fields = append(fields, arrowField{name: "vector", nullable: true, kind: arrowFixedSizeList, size: w.width, children: []arrowField{{name: "element", kind: arrowFloatingPoint, size: bits}}})
	case Classes:
		class := columns{Group: parquet.Group{"index": parquet.Leaf(parquet.Int32Type), "label": words, "score": parquet.Leaf(parquet.FloatType), "logit": parquet.Leaf(parquet.FloatType)}, order: []string{"index", "label", "score", "logit"}}
		c.Group["top"] = parquet.Optional(parquet.List(class))
		fields = append(fields, arrowField{name: "top", nullable: true, kind: arrowList, children: []arrowField{{name: "element", kind: arrowStruct, children: []arrowField{
			{name: "index", kind: arrowInt, size: 32}, {name: "label", kind: arrowText}, {name: "score", kind: arrowFloatingPoint, size: 32}, {name: "logit", kind: arrowFloatingPoint, size: 32},
		}}}})
	case Texts:
		c.Group["text"] = parquet.Optional(words)
		fields = append(fields, arrowField{name: "text", nullable: true, kind: arrowText})
	}
	fields = append(fields, arrowField{name: "error", nullable: true, kind: arrowText})
	for _, f := range fields {
		c.order = append(c.order, f.name)
	}
	return parquet.NewSchema("saccade", c), fields
}

// text is a value of texts, which are UTF-8: names of files may be anything.
func text(s string) parquet.Value {
	return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(s, "\ufffd")))
}

// Add writes a row.
func (w *Writer) Add(r Row) error {
	row := parquet.Row{
		text(r.Path).Level(0, 0, 0), text(r.Key).Level(0, 0, 1), text(w.maker.Fingerprint).Level(0, 0, 2),
	}
	row, last := w.content(row, r)
	if r.Err == "" {
		row = append(row, parquet.NullValue().Level(0, 0, last))
	} else {
		row = append(row, text(r.Err).Level(0, 1, last))
		w.maker.Errors++
	}
	if _, err := w.w.WriteRows([]parquet.Row{row}); err != nil {
		return w.failed(err)
	}
	if w.maker.Rows++; w.maker.Rows%groupRows == 0 {
		if err := w.w.Flush(); err != nil {
			return w.failed(err)
		}
	}
	return nil
}

// content adds what a row holds of a picture, and tells the column behind it. A list's value
// is defined by the list and its being in it; one behind the first repeats it.
func (w *Writer) content(row parquet.Row, r Row) (parquet.Row, int) {
	const at, inList = 3, 2
	leaves := map[Content]int{Vectors: 1, Classes: 4, Texts: 1}[w.maker.Content]
	if r.Err != "" {
		for i := range leaves {
			row = append(row, parquet.NullValue().Level(0, 0, at+i))
		}
		return row, at + leaves
	}
	switch w.maker.Content {
	case Vectors:
		for i, v := range r.Vector {
			value := parquet.FloatValue(v)
			if w.half {
				h := float16.Fromfloat32(v).Bits()
				value = parquet.FixedLenByteArrayValue([]byte{byte(h), byte(h >> 8)})
			}
			row = append(row, value.Level(min(i, 1), inList, at))
		}
	case Classes:
		of := func(leaf int, value func(Class) parquet.Value) {
			for i, c := range r.Classes {
				row = append(row, value(c).Level(min(i, 1), inList, at+leaf))
			}
			if len(r.Classes) == 0 {
				row = append(row, parquet.NullValue().Level(0, 1, at+leaf))
			}
		}
		of(0, func(c Class) parquet.Value { return parquet.Int32Value(int32(c.Index)) })
		of(1, func(c Class) parquet.Value { return text(c.Label) })
		of(2, func(c Class) parquet.Value { return parquet.FloatValue(float32(c.Score)) })
		of(3, func(c Class) parquet.Value { return parquet.FloatValue(float32(c.Logit)) })
	case Texts:
		row = append(row, text(r.Text).Level(0, 1, at))
	}
	return row, at + leaves
}

func (w *Writer) failed(err error) error { return fmt.Errorf("writing %s: %w", w.path, reason(err)) }

// Close ends the file and puts it into its place, and tells what it holds.
func (w *Writer) Close() (Maker, error) {
	defer w.Drop()
	says, err := json.Marshal(w.maker)
	if err != nil {
		return w.maker, err
	}
	w.w.SetKeyValueMetadata(makerKey, string(says))
	for _, step := range []func() error{w.w.Close, w.file.Sync, func() error { return w.file.Chmod(0o644) }, w.file.Close, func() error { return os.Rename(w.file.Name(), w.path) }} {
		if err := step(); err != nil {
			return w.maker, w.failed(err)
		}
	}
	return w.maker, nil
}

// Drop leaves nothing behind of a file that was not closed.
func (w *Writer) Drop() {
	_ = w.file.Close()           // closed before, or not wanted
	_ = os.Remove(w.file.Name()) // renamed before, or there
}
