package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"
)

// photograph is a JPEG of 3 megapixels, 4:2:0, of quality 90: the golden's picture
// in many sizes of texture.
func photograph(b *testing.B) []byte {
	m := New(2048, 1536)
	small, err := Open(goldenDir+"/src/large.png", DecodeOptions{})
	require.NoError(b, err)
	large, err := small.Resize(m.W, m.H, Bicubic)
	require.NoError(b, err)
	for y := range m.H {
		for x := range m.W {
			fine := small.row(y % small.H)[3*(x%small.W):]
			for c := range 3 {
				m.Pix[3*(y*m.W+x)+c] = uint8((3*int(large.Pix[3*(y*m.W+x)+c]) + int(fine[c])) / 4)
			}
		}
	}
	var out bytes.Buffer
	require.NoError(b, jpeg.Encode(&out, m.NRGBA(), &jpeg.Options{Quality: 90}))
	b.Logf("%d bytes", out.Len())
	return out.Bytes()
}

// BenchmarkDecodeJPEG is a decode to RGB; "Go" is that of image/jpeg to YCbCr, with
// no upsampling and no conversion.
func BenchmarkDecodeJPEG(b *testing.B) {
	data := photograph(b)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(2048 * 1536)
		for b.Loop() {
			_, err := Decode(data, DecodeOptions{})
			require.NoError(b, err)
		}
	})
	b.Run("Go", func(b *testing.B) {
		b.SetBytes(2048 * 1536)
		for b.Loop() {
			m, err := jpeg.Decode(bytes.NewReader(data))
			require.NoError(b, err)
			require.IsType(b, &image.YCbCr{}, m)
		}
	})
}
