package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// foreign are formats that people try and that are not read, by the bytes that
// give them away.
var foreign = []struct {
	offset int
	magic  string
	name   string
}{
	{4, "ftypavif", "AVIF"}, {4, "ftypheic", "HEIC"}, {4, "ftypmif1", "HEIF"}, {4, "ftyp", "an MP4-like container"},
	{0, "II+\x00", "BigTIFF"}, {0, "MM\x00+", "BigTIFF"}, {0, "%PDF", "PDF"}, {0, "<svg", "SVG"}, {0, "<?xml", "XML or SVG"},
	{0, "<!DOCTYPE html", "a web page"}, {0, "<html", "a web page"}, {0, "\x00\x00\x00\x0cjP  ", "JPEG 2000"},
	{0, "\xff\x0a", "JPEG XL"}, {0, "\x00\x00\x00\x0cJXL ", "JPEG XL"}, {0, "PK\x03\x04", "a zip archive"},
	{0, "version https://git-lfs", "a Git LFS pointer: fetch the file itself"},
}

// sniff finds the format by the file's first bytes.
func sniff(data []byte) (*format, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty (0 bytes); " + formatList)
	}
	short := false
	for _, f := range formats {
		for _, magic := range f.magic {
			if matches(data, magic) {
				return f, nil
			}
			short = short || (len(data) < len(magic) && matches(data, magic[:len(data)]))
		}
	}
	if short {
		return nil, fmt.Errorf("truncated: the file ends after %d bytes, within its signature %s", len(data), start(data))
	}
	for _, f := range foreign {
		if len(data) > f.offset && strings.HasPrefix(string(data[f.offset:min(len(data), f.offset+64)]), f.magic) {
			return nil, fmt.Errorf("not a picture that is read: looks like %s; %s: convert it to one of these", f.name, formatList)
		}
	}
	return nil, fmt.Errorf("not a picture: starts with %s; %s", start(data), formatList)
}

// start shows a file's first bytes.
func start(data []byte) string {
	return fmt.Sprintf("%q", data[:min(len(data), 12)])
}

// matches compares the first bytes with a pattern in which ? is any byte.
func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range magic {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// headerSize reads a picture's width and height in pixels without decoding it.
func headerSize(f *format, data []byte) (w, h int, err error) {
	defer func() {
		if r := recover(); r != nil { // as in format.decode
			err = fmt.Errorf("the header reader gave up: %v", r)
		}
	}()
	return f.size(data)
}

// riffChunks calls visit with each chunk in a RIFF file's body.
func riffChunks(body []byte, visit func(kind string, body []byte) bool) {
	for at := 0; at+8 <= len(body); {
		n := int(binary.LittleEndian.Uint32(body[at+4:]))
		if n < 0 || n > len(body)-at-8 {
			return
		}
		if !visit(string(body[at:at+4]), body[at+8:at+8+n]) {
			return
		}
		at += 8 + n + n&1 // padded to even
	}
}
