package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// decodePNG decodes with Go's reader, which refuses files whose last chunk is
// missing, whose pixels carry a wrong checksum or whose other chunks are damaged;
// Pillow reads them.
func decodePNG(data []byte, background [3]uint8) (*Image, error) {
	plain, err := plainPNG(data)
	if err != nil {
		return nil, err
	}
	m, err := png.Decode(bytes.NewReader(plain))
	if err != nil {
		return nil, err
	}
	return flatten(m, background), nil
}

// plainPNG returns the PNG with nothing but what makes up its pixels, and with right
// checksums. What follows the pixels is not looked at.
func plainPNG(data []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(data)+64), pngSignature...)
	at := len(pngSignature)
	for {
		kind, n, body := pngChunk(data, at)
		whole := len(body) == n+4 // with the checksum
		switch {
		case kind == "IDAT":
			return appendPixels(out, data, at), nil
		case kind == "IEND":
			return nil, errors.New("there are no pixels in it (no chunk IDAT)")
		case !whole:
			return nil, io.ErrUnexpectedEOF
		case kind == "IHDR" || kind == "PLTE" || kind == "tRNS":
			if binary.BigEndian.Uint32(body[n:]) != crc32.ChecksumIEEE(data[at+4:at+8+n]) {
				return nil, fmt.Errorf("wrong checksum in chunk %s", kind)
			}
			out = append(out, data[at:at+12+n]...)
		}
		at += 12 + n
	}
}

// pngChunk returns a chunk's kind, its length and its body with the checksum, as
// much of it as there is. Past the file's end its kind is empty.
func pngChunk(data []byte, at int) (kind string, n int, body []byte) {
	if len(data)-at < 8 {
		return "", 0, nil
	}
	n = int(binary.BigEndian.Uint32(data[at:]))
	return string(data[at+4 : at+8]), n, data[at+8 : min(at+12+n, len(data))]
}

// appendPixels joins the chunks of pixels that stand at a place, and ends the file.
func appendPixels(out, data []byte, at int) []byte {
	begin := len(out)
	out = append(out, "\x00\x00\x00\x00IDAT"...)
	for {
		kind, n, body := pngChunk(data, at)
		if kind != "IDAT" {
			break
		}
		out = append(out, body[:min(n, len(body))]...)
		at += 12 + n
	}
	binary.BigEndian.PutUint32(out[begin:], uint32(len(out)-begin-8))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[begin+4:]))
	return append(out, "\x00\x00\x00\x00IEND\xaeB`\x82"...)
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
