package tokenizer

import (
	"archive/zip"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// archive is the goldens of a kind: a folder for each case, and what transformers
// makes of the texts with it.
func archive(t testing.TB, name string) fs.FS {
	z, err := zip.OpenReader(filepath.Join(goldens, name+".zip"))
	require.NoError(t, err)
	t.Cleanup(func() { z.Close() })
	return z
}

// inArchive is the folder of a case.
func inArchive(t testing.TB, name, kind string) fs.FS {
	folder, err := fs.Sub(archive(t, name), kind)
	require.NoError(t, err)
	return folder
}

// ranges are code points that texts are drawn from, as in generate_decoders.py.
var ranges = [][2]rune{
	{0x20, 0x7E}, {0x20, 0x7E}, {0x61, 0x7A}, {0x61, 0x7A}, {0x30, 0x39}, {0x20, 0x20}, {0xA0, 0x17F}, {0x391, 0x3A1}, {0x3A3, 0x3C9}, {0x410, 0x44F},
	{0x5D0, 0x5EA}, {0x621, 0x63A}, {0x641, 0x652}, {0x904, 0x939}, {0x93E, 0x94D}, {0xE01, 0xE3A}, {0xE40, 0xE4E}, {0x10D0, 0x10F0}, {0x1100, 0x1112},
	{0x1161, 0x1175}, {0x11A8, 0x11C2}, {0xAC00, 0xD7A3}, {0xAC00, 0xD7A3}, {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x4E00, 0x9FA5}, {0x4E00, 0x9FA5},
	{0x20000, 0x2A6D6}, {0x300, 0x36F}, {0x1F600, 0x1F64F}, {0x1F3FB, 0x1F3FF}, {0x200B, 0x200F}, {0xFE0E, 0xFE0F}, {0x1F1E6, 0x1F1FF}, {0x2010, 0x2027},
	{0x2000, 0x200A}, {0x3000, 0x3003}, {0x00, 0x1F}, {0x7F, 0x9F}, {0x660, 0x669}, {0x2160, 0x2188}, {0xB2, 0xBE}, {0xFF01, 0xFF5E}, {0xFB00, 0xFB04},
	{0x1E00, 0x1EFF}, {0x2200, 0x22FF}, {0x20A0, 0x20BF}, {0xE000, 0xE010}, {0x1D400, 0x1D454},
}

// drawn are texts of code points by a linear congruential generator.
func drawn(count int) (texts []string) {
	state := uint64(20)
	below := func(n int) int {
		state = state*6364136223846793005 + 1442695040888963407
		return int(state>>33) % n
	}
	for range count {
		var b strings.Builder
		for range 1 + below(8) {
			r := ranges[below(len(ranges))]
			for range 1 + below(5) {
				b.WriteRune(r[0] + rune(below(int(r[1]-r[0])+1)))
			}
			b.WriteString(strings.Repeat(" ", below(4)/2))
		}
		texts = append(texts, b.String())
	}
	return texts
}

// decoderTexts are the texts of the archives.
func decoderTexts(t testing.TB) []string {
	var all []string
	for _, name := range []string{"texts.json.gz", "siglip_texts.json.gz", "decoder_texts.json.gz"} {
		var texts []string
		golden(t, name, &texts)
		all = append(all, texts...)
	}
	return append(all, drawn(600)...)
}

// requireArchive compares a tokenizer with a case: ids, ids without special tokens,
// the text of the ids without and with special tokens.
func requireArchive(t *testing.T, tok *Tokenizer, name, kind string) {
	t.Helper()
	files := archive(t, name)
	data, err := fs.ReadFile(files, kind+".json")
	require.NoError(t, err)
	var want struct {
		Size int
		Some map[int]struct {
			IDs  []uint32
			Text string
			All  string
		}
	}
	require.NoError(t, json.Unmarshal(data, &want))
	crc, err := fs.ReadFile(files, kind+".crc")
	require.NoError(t, err)
	texts := decoderTexts(t)
	require.Greater(t, len(texts), 4000)
	require.Len(t, crc, 2*len(texts))
	require.Greater(t, len(want.Some), 20)
	assert.Equal(t, want.Size, tok.Size())
	wrong := 0
	for i, text := range texts {
		ids, truncated := tok.Encode(text, 1<<20)
		require.False(t, truncated)
		var data []byte
		for _, id := range append(ids[:len(ids):len(ids)], tok.EncodePart(text)...) {
			data = binary.LittleEndian.AppendUint32(data, id)
		}
		decoded, all := tok.Decode(ids), tok.DecodeAll(ids)
		data = append(data, decoded+"\x00"+all...)
		if w, ok := want.Some[i]; ok {
			assert.Equal(t, w.IDs, append([]uint32{}, ids...), "%q: got %v, want %v", text, names(tok, ids), names(tok, w.IDs))
			assert.Equal(t, w.Text, decoded, "%q", text)
			assert.Equal(t, w.All, all, "%q", text)
		}
		if uint16(crc32.ChecksumIEEE(data)) != binary.LittleEndian.Uint16(crc[2*i:]) {
			if wrong++; wrong <= 20 {
				t.Errorf("text %d, %q: other than %v, %q, %q", i, text, names(tok, ids), decoded, all)
			}
		}
		if i%5 == 0 {
			requireStable(t, tok, ids, decoded)
		}
	}
	require.Zero(t, wrong, "of %d texts", len(texts))
}

// requireStable says that a text decoded while it comes is always a beginning of
// what comes out at the end, and of what is there next.
func requireStable(t *testing.T, tok *Tokenizer, ids []uint32, whole string) {
	t.Helper()
	if len(ids) > 60 {
		ids = ids[:60]
		whole = tok.Decode(ids)
	}
	before := ""
	for n := range len(ids) + 1 {
		now := tok.DecodeStable(ids[:n])
		if !strings.HasPrefix(now, before) || !strings.HasPrefix(whole, now) {
			t.Fatalf("%d of %v: %q after %q, of %q", n, names(tok, ids), now, before, whole)
		}
		before = now
	}
}
