package weights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Write saves tensors, under their Name, as a safetensors file. metadata may be
// nil. The same tensors give the same bytes, whatever their order. The file is
// written beside path and renamed: a failure leaves neither a part of it nor a
// changed path.
func Write(path string, tensors []*Tensor, metadata map[string]string) error {
	header, sorted, err := header(tensors, metadata)
	if err == nil {
		err = replace(path, func(w io.Writer) error { return writeAll(w, header, sorted) })
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", path, reason(err))
	}
	return nil
}

// WriteFile writes data beside path and renames it: a failure leaves neither a part of it
// nor a changed path.
func WriteFile(path string, data []byte) error {
	err := replace(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("save %s: %w", path, reason(err))
	}
	return nil
}

func writeAll(w io.Writer, header []byte, tensors []*Tensor) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// header makes the bytes before the data, and the order of the data: larger
// element types first, so that all are aligned in the file, then by name, as
// the reference implementation has it.
func header(tensors []*Tensor, metadata map[string]string) ([]byte, []*Tensor, error) {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b *Tensor) int {
		return cmp.Or(b.DType.Size()-a.DType.Size(), cmp.Compare(a.DType, b.DType), cmp.Compare(a.Name, b.Name))
	})
	if err := checkNames(sorted, metadata); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	b.Write(make([]byte, 8)) // the length, known at the end
	b.WriteByte('{')
	if len(metadata) > 0 {
		fields(&b, `"__metadata__":{`, slices.Sorted(maps.Keys(metadata)), func(k string) { b.WriteString(quote(metadata[k])) })
		b.WriteByte('}')
	}
	at := 0
	for i, t := range sorted {
		size, err := sizeOf(t.Shape, t.DType.Size())
		if err != nil || t.DType.Size() == 0 || size != len(t.Bytes()) {
			return nil, nil, fmt.Errorf("tensor %s: %d bytes are not %v %v", Printable(t.Name), len(t.Bytes()), t.DType, t.Shape)
		}
		if i > 0 || len(metadata) > 0 {
			b.WriteByte(',')
		}
		shape, _ := json.Marshal(append([]int{}, t.Shape...)) // ints cannot fail
		fmt.Fprintf(&b, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, quote(t.Name), t.DType, shape, at, at+size)
		at += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	text := b.Bytes()
	if len(text)-8 > maxHeader {
		return nil, nil, fmt.Errorf("the header would be %d bytes, at most %d are allowed", len(text)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(text, uint64(len(text)-8))
	return text, sorted, nil
}

// fields writes the keys of an object, each with its value.
func fields(b *bytes.Buffer, open string, keys []string, value func(key string)) {
	b.WriteString(open)
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(k) + ":")
		value(k)
	}
}

// checkNames refuses what no reader would give back as it was.
func checkNames(tensors []*Tensor, metadata map[string]string) error {
	seen := map[string]bool{"__metadata__": true}
	for _, t := range tensors {
		if seen[t.Name] {
			return fmt.Errorf("the name %s is taken", Printable(t.Name))
		}
		seen[t.Name] = true
		if !utf8.ValidString(t.Name) {
			return fmt.Errorf("the name %s is not UTF-8", Printable(t.Name))
		}
	}
	for k, v := range metadata {
		if !utf8.ValidString(k + v) {
			return fmt.Errorf("the metadata %s are not UTF-8", Printable(k))
		}
	}
	return nil
}

// quote is a JSON string without the escapes of HTML.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s) // strings cannot fail
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// replace calls write with a new file beside path and renames that to path when
// all went well. Otherwise it removes it.
func replace(path string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("there is something that is not a file")
	}
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close() // the first error counts
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil { // a full network disk tells only here
		return err
	}
	return os.Rename(f.Name(), path)
}

// createBeside makes a file in path's folder under a name that is free, with
// the permissions that path would get.
func createBeside(path string) (*os.File, error) {
	for i := os.Getpid(); ; i++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.part", filepath.Base(path), i))
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}
