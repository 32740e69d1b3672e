package picture

import (
	"bytes"
	"errors"
	"image"

	"golang.org/x/image/tiff"
)

func tiffSize(data []byte) (w, h int, err error) {
	c, err := tiff.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeTIFF decodes the first page with Go's reader. It reads grey, palettes and
// RGB with and without alpha of 1, 8 and 16 bits, and refuses the rest; planes of
// their own it does not notice.
func decodeTIFF(data []byte, background [3]uint8) (*Image, error) {
	const tagCompression, tagFillOrder, tagSamples, tagPlanar = 259, 266, 277, 284
	compression, fillOrder, samples, planar := 1, 1, 1, 1
	tiffEntries(data, func(e tiffEntry) {
		switch e.tag {
		case tagCompression:
			compression = e.integer()
		case tagFillOrder:
			fillOrder = e.integer()
		case tagSamples:
			samples = e.integer()
		case tagPlanar:
			planar = e.integer()
		}
	})
	fax := compression >= 2 && compression <= 4
	switch {
	case samples > 1 && planar != 1:
		return nil, errors.New("colours in planes of their own (PlanarConfiguration 2) are not read; convert it to PNG")
	case fillOrder != 1 && !fax:
		return nil, errors.New("bits from the lowest on (FillOrder 2) are not read; convert it to PNG")
	}
	var m image.Image
	m, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return flatten(m, background), nil
}
