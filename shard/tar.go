package shard

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"saccade/picture"
)

// openTar lists the pictures of an archive, in its order. Only headers are read; what is no
// picture by its name, as a sample's label, is passed over.
func openTar(f *os.File, _ int64) (*Shard, error) {
	s := &Shard{Kind: "tar archive", close: f.Close}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("a truncated tar archive: it ends within a member, after %d pictures", len(s.Items))
		}
		if err != nil {
			return nil, fmt.Errorf("a damaged tar archive: %w, after %d pictures", err, len(s.Items))
		}
		if h.Typeflag != tar.TypeReg || !picture.HasPictureExtension(h.Name) {
			continue
		}
		for k := range h.PAXRecords {
			if strings.HasPrefix(k, "GNU.sparse.") {
				return nil, fmt.Errorf("member %s is stored as a sparse file; pack it without", h.Name)
			}
		}
		at, err := f.Seek(0, io.SeekCurrent) // the reader has read the header alone
		if err != nil {
			return nil, reason(err)
		}
		s.Items = append(s.Items, Item{Path: h.Name, Key: keyOf(h.Name), size: h.Size, offset: at})
	}
	s.read = func(i int) ([]byte, error) { return readAt(f, s.Items[i].offset, s.Items[i].size) }
	return s, nil
}
