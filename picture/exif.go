package picture

import (
	"bytes"
	"encoding/binary"
)

const tagOrientation = 0x0112

// orientation finds the EXIF orientation of a JPEG (APP1), PNG (eXIf) or WebP
// (EXIF) file: 1-8, or 1 where there is none or it cannot be read. Damaged
// metadata is no reason to refuse a picture.
func orientation(f *format, data []byte) int {
	var tiff []byte
	switch f {
	case formatJPEG:
		tiff = jpegExif(data)
	case formatPNG:
		pngChunks(data, func(kind string, body []byte) bool {
			if kind == "eXIf" {
				tiff = body
			}
			return tiff == nil
		})
	case formatWebP:
		riffChunks(data[12:], func(kind string, body []byte) bool {
			if kind == "EXIF" {
				tiff = body
			}
			return tiff == nil
		})
	}
	return tiffOrientation(bytes.TrimPrefix(tiff, []byte("Exif\x00\x00")))
}

// jpegExif returns the body of a JPEG's EXIF segment, nil if there is none.
func jpegExif(data []byte) []byte {
	var found []byte
	jpegSegments(data, func(marker byte, body []byte) bool {
		if marker == markerAPP1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			found = body
		}
		return found == nil
	})
	return found
}

// tiffOrientation reads the tag from the first directory of a TIFF structure.
func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(t[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return 1
	}
	entries := t[at+2:]
	for n := int(order.Uint16(t[at:])); n > 0 && len(entries) >= 12; n-- {
		if order.Uint16(entries) == tagOrientation {
			return orientationValue(order, entries)
		}
		entries = entries[12:]
	}
	return 1
}

// orientationValue reads a directory entry of 12 bytes; SHORT is the rule, LONG
// is met in the wild.
func orientationValue(order binary.ByteOrder, entry []byte) int {
	v := 1
	switch order.Uint16(entry[2:]) {
	case 3:
		v = int(order.Uint16(entry[8:]))
	case 4:
		v = int(order.Uint32(entry[8:]))
	}
	if v < 1 || v > 8 {
		return 1
	}
	return v
}
