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

// plainPNG returns the PNG with nothing but what makes up its pixels, in as many
// chunks as needed and with right checksums.
func plainPNG(data []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(data)+64), pngSignature...)
	idat := -1 // where its chunk begins in out
	for at := len(pngSignature); ; {
		if len(data)-at < 8 {
			if idat >= 0 {
				break
			}
			return nil, io.ErrUnexpectedEOF
		}
		n, kind := int(binary.BigEndian.Uint32(data[at:])), string(data[at+4:at+8])
		if idat >= 0 && kind != "IDAT" {
			break
		}
		body := data[at+8:]
		complete := n >= 0 && n <= len(body)-4
		if complete {
			body = body[:n]
		}
		switch {
		case kind == "IDAT":
			if idat < 0 {
				idat = len(out)
				out = append(out, "\x00\x00\x00\x00IDAT"...)
			}
			out = append(out, body[:min(n, len(body))]...)
		case kind == "IEND":
			return nil, errors.New("there are no pixels in it (no chunk IDAT)")
		case !complete:
			return nil, io.ErrUnexpectedEOF
		case kind == "IHDR" || kind == "PLTE" || kind == "tRNS":
			if binary.BigEndian.Uint32(data[at+8+n:]) != crc32.ChecksumIEEE(data[at+4:at+8+n]) {
				return nil, fmt.Errorf("wrong checksum in chunk %s", kind)
			}
			out = append(out, data[at:at+12+n]...)
		}
		if !complete {
			break
		}
		at += 12 + n
	}
	binary.BigEndian.PutUint32(out[idat:], uint32(len(out)-idat-8))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[idat+4:]))
	return append(out, "\x00\x00\x00\x00IEND\xaeB`\x82"...), nil
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
