package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"unicode/utf8"
)

// maxHeader is the longest header the reference implementation of safetensors
// accepts, in bytes.
const maxHeader = 100_000_000

// maxEntries is far above any real file's number of tensors; it bounds what a
// hostile header costs, as maxDims does.
const maxEntries = 1 << 18

// maxDims is far above any real tensor.
const maxDims = 32

// entry is one tensor of a header. Begin and end count from the end of the
// header.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int
}

// parseHeader reads the header of a whole safetensors file: 8 bytes of length,
// then JSON, then the tensors' data. It returns the entries in the order of
// their data, the metadata and where the data start. Every byte of data belongs
// to exactly one tensor, or the file is refused.
func parseHeader(file []byte) (entries []entry, metadata map[string]string, start int, err error) {
	if len(file) < 8 {
		return nil, nil, 0, fmt.Errorf("%d bytes are too few for a safetensors file", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	if n > maxHeader {
		return nil, nil, 0, fmt.Errorf("the header's length is %d bytes, at most %d are allowed: not a safetensors file", n, maxHeader)
	}
	if n > uint64(len(file)-8) {
		return nil, nil, 0, fmt.Errorf("the header's length is %d bytes, but only %d follow: the file is truncated", n, len(file)-8)
	}
	start = 8 + int(n)
	h := headerReader{seen: map[string]bool{}, metadata: map[string]string{}}
	if err := h.read(file[8:start]); err != nil {
		return nil, nil, 0, fmt.Errorf("bad header: %w", err)
	}
	if err := checkLayout(h.entries, len(file)-start); err != nil {
		return nil, nil, 0, err
	}
	return h.entries, h.metadata, start, nil
}

// checkLayout sorts the entries by their data and checks that these follow each
// other without gap or overlap and fill the file.
func checkLayout(entries []entry, size int) error {
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		return a.end < b.end
	})
	at, last := 0, "the header"
	for _, e := range entries {
		if e.end > size {
			return fmt.Errorf("tensor %s: its data end at byte %d, the file holds %d: the file is truncated", Printable(e.name), e.end, size)
		}
		if e.begin < at {
			return fmt.Errorf("tensor %s: its data overlap those of %s", Printable(e.name), Printable(last))
		}
		if e.begin > at {
			return fmt.Errorf("tensor %s: %d bytes between its data and %s belong to no tensor", Printable(e.name), e.begin-at, Printable(last))
		}
		at, last = e.end, e.name
	}
	if at != size {
		return fmt.Errorf("%d bytes at the end belong to no tensor", size-at)
	}
	return nil
}

// headerReader walks the JSON token by token, as encoding/json's maps would
// hide a key that is there twice.
type headerReader struct {
	dec      *json.Decoder
	seen     map[string]bool
	entries  []entry
	metadata map[string]string
}

func (h *headerReader) read(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8")
	}
	if len(text) == 0 || text[0] != '{' {
		return errors.New("it does not begin with {: not a safetensors file")
	}
	h.dec = json.NewDecoder(bytes.NewReader(text))
	h.dec.UseNumber()
	if err := h.object(h.seen, h.tensor); err != nil {
		return err
	}
	if _, err := h.dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON")
	}
	return nil
}

// object reads a JSON object and calls value at each key's value. seen, made
// here if nil, is the set of its keys.
func (h *headerReader) object(seen map[string]bool, value func(key string) error) error {
	if err := h.delim('{'); err != nil {
		return err
	}
	if seen == nil {
		seen = map[string]bool{}
	}
	for h.dec.More() {
		t, err := h.dec.Token()
		if err != nil {
			return cut(err)
		}
		key := t.(string) // the decoder lets nothing else be a key
		if seen[key] {
			return fmt.Errorf("\"%s\" is there twice", Printable(key))
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return h.delim('}')
}

// tensor reads one value of the outermost object: a tensor or the metadata.
func (h *headerReader) tensor(name string) error {
	if name == "__metadata__" {
		return h.object(nil, func(key string) error {
			s, err := h.text()
			h.metadata[key] = s
			return err
		})
	}
	e := entry{name: name, begin: -1, end: -1}
	err := h.object(nil, func(key string) (err error) { return h.field(&e, key) })
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return fmt.Errorf("tensor \"%s\": %w", Printable(name), err)
	}
	if len(h.entries) == maxEntries {
		return fmt.Errorf("more than %d tensors", maxEntries)
	}
	h.entries = append(h.entries, e)
	return nil
}

// field reads one field of a tensor; unknown ones are skipped, as the
// reference implementation does.
func (h *headerReader) field(e *entry, key string) error {
	switch key {
	case "dtype":
		s, err := h.text()
		if err != nil {
			return err
		}
		e.dtype, err = ParseDType(s)
		return err
	case "shape":
		shape, err := h.sizes(maxDims)
		e.shape = shape
		return err
	case "data_offsets":
		o, err := h.sizes(2)
		if err == nil && len(o) != 2 {
			err = fmt.Errorf("data_offsets holds %d numbers, not 2", len(o))
		}
		if err == nil {
			e.begin, e.end = o[0], o[1]
		}
		return err
	}
	var skipped json.RawMessage
	return cut(h.dec.Decode(&skipped))
}

// check compares the length of the data with the shape.
func (e *entry) check() error {
	if e.dtype == 0 || e.shape == nil || e.begin < 0 {
		return errors.New("dtype, shape and data_offsets are not all there")
	}
	size, err := sizeOf(e.shape, e.dtype.Size())
	if err != nil {
		return err
	}
	if e.end < e.begin || e.end-e.begin != size {
		return fmt.Errorf("data_offsets [%d %d] do not fit %v %v, which is %d bytes", e.begin, e.end, e.dtype, e.shape, size)
	}
	return nil
}

// text reads a JSON string.
func (h *headerReader) text() (string, error) {
	t, err := h.dec.Token()
	if err != nil {
		return "", cut(err)
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("found %s where a string is wanted", Printable(fmt.Sprint(t)))
	}
	return s, nil
}

// sizes reads an array of at most most integers ≥ 0, written plainly in digits.
func (h *headerReader) sizes(most int) ([]int, error) {
	if err := h.delim('['); err != nil {
		return nil, err
	}
	list := []int{}
	for h.dec.More() {
		t, err := h.dec.Token()
		if err != nil {
			return nil, cut(err)
		}
		n, ok := t.(json.Number)
		if !ok {
			return nil, fmt.Errorf("found %s where a number is wanted", Printable(fmt.Sprint(t)))
		}
		v, err := strconv.ParseUint(n.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%s is no size", Printable(n.String()))
		}
		if len(list) == most {
			return nil, fmt.Errorf("more than %d numbers in an array", most)
		}
		list = append(list, int(v))
	}
	return list, h.delim(']')
}

func (h *headerReader) delim(want json.Delim) error {
	t, err := h.dec.Token()
	if err != nil {
		return cut(err)
	}
	if t != want {
		return fmt.Errorf("found %s where %v is wanted", Printable(fmt.Sprint(t)), want)
	}
	return nil
}

// cut names the end of the text as what it is.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON is cut off")
	}
	return err
}
