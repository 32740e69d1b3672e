package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
)

// metadata is what a file says about its picture. What is damaged is left out: it
// is no reason to refuse a picture.
type metadata struct {
	exif []byte // a TIFF structure
	xmp  []byte
}

// orientation finds how a file's picture is to be turned, 1-8, as Pillow's
// exif_transpose does: what the EXIF says, whatever it is; only if it says nothing,
// XMP; else 1.
func orientation(f *format, data []byte) int {
	var m metadata
	switch f {
	case formatJPEG:
		m = jpegMetadata(data)
	case formatPNG:
		m = pngMetadata(data)
	case formatWebP:
		m = webpMetadata(data)
	case formatTIFF:
		m = metadata{exif: data, xmp: tiffXMP(data)}
	}
	o, found := tiffOrientation(trimExif(m.exif))
	if !found {
		o = xmpOrientation(m.xmp)
	}
	if o < 1 || o > 8 {
		return 1
	}
	return o
}

// trimExif removes the identifier in front of EXIF data; some files have it twice.
func trimExif(b []byte) []byte {
	id := []byte("Exif\x00\x00")
	return bytes.TrimPrefix(bytes.TrimPrefix(b, id), id)
}

var xmpPattern = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// xmpOrientation looks for the property as an attribute or an element; 0: neither.
func xmpOrientation(xmp []byte) int {
	if m := xmpPattern.FindSubmatch(xmp); m != nil {
		return int(m[1][0] - '0')
	}
	return 0
}

// jpegMetadata reads the APP1 segments. EXIF may go on in a second one.
func jpegMetadata(data []byte) (m metadata) {
	const exif, xmp = "Exif\x00\x00", "http://ns.adobe.com/xap/1.0/\x00"
	_ = jpegSegments(data, func(marker byte, body []byte) bool { // what stands before an error counts
		switch {
		case marker != markerAPP1:
		case bytes.HasPrefix(body, []byte(exif)) && m.exif == nil:
			m.exif = bytes.Clone(body)
		case bytes.HasPrefix(body, []byte(exif)):
			m.exif = append(m.exif, body[len(exif):]...)
		case bytes.HasPrefix(body, []byte(xmp)):
			m.xmp = body[len(xmp):]
		}
		return true
	})
	return m
}

// pngMetadata reads EXIF from its own chunk, or else from the hexadecimal text that
// ImageMagick writes, and XMP from text. The last of each counts, and only that is
// decompressed.
func pngMetadata(data []byte) (m metadata) {
	type chunk struct {
		kind string
		rest []byte
	}
	texts := map[string]chunk{"exif": {}, "Raw profile type exif": {}, "XML:com.adobe.xmp": {}}
	pngChunks(data, func(kind string, body []byte) bool {
		if kind == "eXIf" {
			m.exif = body
		}
		if kind != "tEXt" && kind != "zTXt" && kind != "iTXt" {
			return true
		}
		key, rest, _ := bytes.Cut(body, []byte{0})
		if _, wanted := texts[string(key)]; wanted {
			texts[string(key)] = chunk{kind, rest}
		}
		return true
	})
	text := func(key string) []byte { return pngText(texts[key].kind, texts[key].rest) }
	m.xmp = text("XML:com.adobe.xmp")
	if m.exif == nil {
		m.exif = text("exif")
	}
	if m.exif == nil {
		m.exif = rawProfile(string(text("Raw profile type exif")))
	}
	return m
}

// pngText reads what follows the keyword in a text chunk: tEXt, zTXt (compressed) or
// iTXt (with a language and a translated keyword).
func pngText(kind string, rest []byte) []byte {
	switch kind {
	case "tEXt":
		return rest
	case "zTXt":
		if len(rest) > 0 && rest[0] == 0 {
			return inflate(rest[1:])
		}
	case "iTXt":
		if len(rest) < 2 {
			return nil
		}
		parts := bytes.SplitN(rest[2:], []byte{0}, 3)
		switch {
		case len(parts) < 3:
		case rest[0] == 0:
			return parts[2]
		case rest[1] == 0:
			return inflate(parts[2])
		}
	}
	return nil
}

// inflate decompresses a text, if it is of a text's size.
func inflate(b []byte) []byte {
	const limit = 1 << 20 // bytes
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil || len(text) > limit {
		return nil
	}
	return text
}

// rawProfile decodes ImageMagick's text: an empty line, the profile's name, its
// length, and hexadecimal digits in lines.
func rawProfile(text string) []byte {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return nil
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(strings.Join(lines[3:], "")), ""))
	if err != nil {
		return nil
	}
	return b
}

// webpMetadata reads the chunks that the file's header announces.
func webpMetadata(data []byte) (m metadata) {
	const exifFlag, xmpFlag = 0x08, 0x04
	flags := byte(0)
	riffChunks(data[12:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) > 0:
			flags = body[0]
		case kind == "EXIF" && flags&exifFlag != 0 && m.exif == nil:
			m.exif = body
		case kind == "XMP " && flags&xmpFlag != 0 && m.xmp == nil:
			m.xmp = body
		}
		return true
	})
	return m
}

// tiffEntry is an entry of a TIFF directory.
type tiffEntry struct {
	tag, kind uint16
	count     uint32
	value     []byte // count values of the kind
	order     binary.ByteOrder
}

// tiffSizes are the bytes of a value of each kind of TIFF field; 0: no such kind.
var tiffSizes = [17]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}

// tiffEntries calls visit with each entry of a TIFF structure's first directory that
// can be read.
func tiffEntries(t []byte, visit func(tiffEntry)) {
	if len(t) < 8 {
		return
	}
	var order binary.ByteOrder
	switch string(t[:4]) {
	case "II*\x00", "II\x00*":
		order = binary.LittleEndian
	case "MM\x00*", "MM*\x00":
		order = binary.BigEndian
	default:
		return
	}
	at := int64(order.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return
	}
	entries := t[at+2:]
	for n := int(order.Uint16(t[at:])); n > 0 && len(entries) >= 12; n-- {
		e := tiffEntry{order.Uint16(entries), order.Uint16(entries[2:]), order.Uint32(entries[4:]), entries[8:12], order}
		entries = entries[12:]
		if int(e.kind) >= len(tiffSizes) || tiffSizes[e.kind] == 0 || e.count == 0 {
			continue
		}
		size, from := int64(tiffSizes[e.kind])*int64(e.count), int64(order.Uint32(e.value))
		if size > 4 {
			if from+size > int64(len(t)) {
				continue
			}
			e.value = t[from:]
		}
		e.value = e.value[:size]
		visit(e)
	}
}

// integer reads an entry of one whole number; 0 if it is something else.
func (e *tiffEntry) integer() int {
	if e.count != 1 {
		return 0
	}
	return e.first()
}

// first reads the first of an entry's whole numbers; 0 if they are none.
func (e *tiffEntry) first() int {
	switch e.kind {
	case 3: // SHORT, the rule for an orientation
		return int(e.order.Uint16(e.value))
	case 8: // SSHORT
		return int(int16(e.order.Uint16(e.value)))
	case 4, 13: // LONG, IFD
		return int(e.order.Uint32(e.value))
	case 9: // SLONG
		return int(int32(e.order.Uint32(e.value)))
	}
	return 0
}

// tiffOrientation reads the orientation of a TIFF structure; the last one counts.
func tiffOrientation(t []byte) (o int, found bool) {
	const tagOrientation = 0x0112
	tiffEntries(t, func(e tiffEntry) {
		if e.tag == tagOrientation {
			o, found = e.integer(), true
		}
	})
	return o, found
}

// tiffXMP returns the XMP of a TIFF file.
func tiffXMP(t []byte) (xmp []byte) {
	const tagXMP = 700
	tiffEntries(t, func(e tiffEntry) {
		if e.tag == tagXMP {
			xmp = e.value
		}
	})
	return xmp
}
