package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	{0, "II*\x00", "TIFF"}, {0, "MM\x00*", "TIFF"}, {0, "%PDF", "PDF"}, {0, "<svg", "SVG"}, {0, "<?xml", "XML or SVG"},
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
		if matches(data, f.magic) {
			return f, nil
		}
		short = short || (len(data) < len(f.magic) && matches(data, f.magic[:len(data)]))
	}
	if short {
		return nil, fmt.Errorf("truncated: the file ends after %d bytes, within its signature %s", len(data), start(data))
	}
	for _, f := range foreign {
		if len(data) > f.offset && strings.HasPrefix(string(data[f.offset:min(len(data), f.offset+64)]), f.magic) {
			return nil, fmt.Errorf("not a picture that is read: looks like %s; %s", f.name, formatList)
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
	// Go's readers do not tell the size of a PNG or BMP that they refuse for it.
	switch f {
	case formatPNG:
		return pngSize(data)
	case formatBMP:
		return bmpSize(data)
	case formatJPEG:
		return jpegSize(data)
	}
	c, err := f.config(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// pngSize reads the IHDR chunk, which always comes first.
func pngSize(data []byte) (w, h int, err error) {
	if len(data) < 24 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	if string(data[12:16]) != "IHDR" {
		return 0, 0, fmt.Errorf("the first chunk is %q; expected IHDR", data[12:16])
	}
	bw, bh := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	return int(bw), int(bh), nil
}

// bmpSize reads the size from the header after the file header. A negative height
// means rows from the top.
func bmpSize(data []byte) (w, h int, err error) {
	const infoHeader = 40 // bytes, the shortest header that Go's decoder reads
	if len(data) < 26 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	if n := binary.LittleEndian.Uint32(data[14:]); n < infoHeader {
		return 0, 0, fmt.Errorf("its header has %d bytes; expected %d or more", n, infoHeader)
	}
	w = int(int32(binary.LittleEndian.Uint32(data[18:])))
	h = int(int32(binary.LittleEndian.Uint32(data[22:])))
	return w, max(h, -h), nil
}

// pngChunks calls visit with each chunk of a PNG, in order, until it returns false
// or the file ends.
func pngChunks(data []byte, visit func(kind string, body []byte) bool) {
	for at := 8; at+12 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[at:]))
		if n < 0 || n > len(data)-at-12 {
			return
		}
		if !visit(string(data[at+4:at+8]), data[at+8:at+8+n]) {
			return
		}
		at += 12 + n
	}
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
