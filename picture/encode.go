package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Text is a text chunk of a PNG.
type Text struct {
	Key   string // 1 to 79 Latin-1 characters, such as "parameters"
	Value string // any text
}

// EncodePNG writes the picture as an 8-bit RGB PNG. A text in Latin-1 becomes a
// tEXt chunk, any other an iTXt chunk in UTF-8, as Pillow does.
func EncodePNG(w io.Writer, m *Image, text ...Text) error {
	if err := m.Check(); err != nil {
		return err
	}
	var extra []byte
	for _, t := range text {
		chunk, err := t.chunk()
		if err != nil {
			return err
		}
		extra = append(extra, chunk...)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, m.NRGBA()); err != nil {
		return fmt.Errorf("encode PNG: %w", err)
	}
	const header = 8 + 25 // signature and IHDR, which always come first
	for _, part := range [][]byte{file.Bytes()[:header], extra, file.Bytes()[header:]} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write PNG: %w", err)
		}
	}
	return nil
}

// chunk encodes the text.
func (t Text) chunk() ([]byte, error) {
	key, ok := latin1(t.Key)
	if !ok || len(key) == 0 || len(key) > 79 || strings.ContainsRune(t.Key, 0) {
		return nil, fmt.Errorf("PNG text key %q: expected 1 to 79 Latin-1 characters", t.Key)
	}
	kind, body := "tEXt", append(key, 0)
	if value, ok := latin1(t.Value); ok && !strings.ContainsRune(t.Value, 0) {
		body = append(body, value...)
	} else {
		// Not compressed, no language, no translated key.
		kind, body = "iTXt", append(append(body, 0, 0, 0, 0), t.Value...)
	}
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	chunk = append(append(chunk, kind...), body...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:])), nil
}

// latin1 encodes s with one byte a character; false if it has others.
func latin1(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// WritePNG writes the picture to path: to a new file beside it first, which then
// takes its place, so that a failure leaves no partial file and an older one
// unharmed.
func WritePNG(path string, m *Image, text ...Text) error {
	err := replaceFile(path, func(w io.Writer) error { return EncodePNG(w, m, text...) })
	if err != nil {
		return fmt.Errorf("write picture %s: %w", path, reason(err))
	}
	return nil
}

// WriteMask writes to path, as WritePNG does, a mask of w×h pixels in grey: white where a
// pixel belongs, black where not.
func WriteMask(path string, w, h int, on []bool) error {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i, in := range on {
		if in {
			m.Pix[i] = 255
		}
	}
	return writeImage(path, m)
}

// WriteGrey16 writes to path, as WritePNG does, a picture of w×h pixels in grey of 16 bits.
func WriteGrey16(path string, w, h int, values []uint16) error {
	m := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range values {
		m.Pix[2*i], m.Pix[2*i+1] = uint8(v>>8), uint8(v)
	}
	return writeImage(path, m)
}

// WriteCutout writes to path, as WritePNG does, a picture with the opacity of each pixel,
// row by row.
func WriteCutout(path string, m *Image, alpha []uint8) error {
	out := m.NRGBA()
	for i, a := range alpha {
		out.Pix[4*i+3] = a
	}
	return writeImage(path, out)
}

// writeImage writes a PNG of what is no picture in RGB.
func writeImage(path string, m image.Image) error {
	if err := replaceFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		return fmt.Errorf("write picture %s: %w", path, reason(err))
	}
	return nil
}

// WriteGIF writes pictures to path as WritePNG does, as an endless sequence, so many a
// second as hundredths of it allow, in a fixed palette with dithering.
func WriteGIF(path string, frames []*Image, rate float64) error {
	var g gif.GIF
	for _, m := range frames {
		src := m.NRGBA()
		frame := image.NewPaletted(src.Bounds(), palette.Plan9)
		draw.FloydSteinberg.Draw(frame, src.Bounds(), src, image.Point{})
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, max(int(100/rate+0.5), 1))
	}
	if err := replaceFile(path, func(w io.Writer) error { return gif.EncodeAll(w, &g) }); err != nil {
		return fmt.Errorf("write picture %s: %w", path, reason(err))
	}
	return nil
}

// reason takes the temporary file's name off an error of the file system.
func reason(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

func replaceFile(path string, write func(io.Writer) error) error {
	temporary := fmt.Sprintf("%s.%08x.part", filepath.Clean(path), rand.Uint32())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}
