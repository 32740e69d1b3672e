package index

import (
	"database/sql"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Stored are vectors of unit length as they lie in a file: halves, which are read part by
// part and never all at once.
type Stored struct {
	x     *Index
	file  *vectorsFile // or
	old   []byte       // halves of an index of before, which keeps floats beside paths
	width int
	count int
	rows  []int64  // of the file, ascending; nil: the first
	paths []string // of each, nil: as the index has them
	freed string   // when rows became free
}

// Len is how many there are.
func (s *Stored) Len() int { return s.count }

// Width is how many values each has.
func (s *Stored) Width() int { return s.width }

// Read reads vectors lo to hi as rows of halves, little-endian, each padded with zeros to a
// multiple of eight values.
func (s *Stored) Read(dst []byte, lo, hi int) error {
	stride := strideOf(s.width)
	dst = dst[:int64(hi-lo)*stride]
	switch {
	case s.old != nil:
		copy(dst, s.old[int64(lo)*stride:])
		return nil
	case s.rows == nil:
		if err := s.read(dst, int64(lo)); err != nil {
			return err
		}
	default:
		for lo < hi { // rows that follow each other at once
			n := 1
			for lo+n < hi && s.rows[lo+n] == s.rows[lo]+int64(n) {
				n++
			}
			if err := s.read(dst[:int64(n)*stride], s.rows[lo]); err != nil {
				return err
			}
			dst, lo = dst[int64(n)*stride:], lo+n
		}
	}
	return nil
}

// read reads rows of the file.
func (s *Stored) read(dst []byte, row int64) error {
	_, err := s.file.ReadAt(dst, vectorsHead+row*strideOf(s.width))
	if err == io.EOF {
		err = damage("its vectors end before the last")
	}
	if err == nil {
		err = checkFinite(dst)
	}
	return s.x.damaged("reading its vectors", err)
}

// vector is the values of vector i.
func (s *Stored) vector(i int) ([]float32, error) {
	row := make([]byte, strideOf(s.width))
	if err := s.Read(row, i, i+1); err != nil {
		return nil, err
	}
	return floats(row, s.width), nil
}

// path is the picture of vector i, "" where there is none anymore.
func (s *Stored) path(i int) (string, error) {
	if s.paths != nil {
		return s.paths[i], nil
	}
	row := int64(i)
	if s.rows != nil {
		row = s.rows[i]
	}
	key := ""
	err := s.x.rows(fmt.Sprintf("SELECT path FROM pictures WHERE row = %d", row), func(rows *sql.Rows) (int, error) {
		err := rows.Scan(&key)
		return 1 + len(key), err
	})
	if err != nil || key == "" {
		return "", err
	}
	return s.x.shown(key), nil
}

func (s *Stored) close() {
	if s.file != nil {
		_ = s.file.Close() // it was read alone
	}
}

// Found is a vector that was found, with its cosine.
type Found struct {
	Row    int // of [Stored]
	Cosine float64
}

// tries is how often a search begins again while another process takes rows away.
const tries = 10

// Search has find look among the vectors of files, or of all pictures if files is nil, and
// gives their pictures. It begins again where another process has put other vectors into the
// rows meanwhile.
func (x *Index) Search(files []string, find func(*Stored) ([]Found, error)) ([]Match, error) {
	for range tries {
		all, again, err := x.search(files, find)
		if err != nil || !again {
			return all, err
		}
	}
	return nil, fmt.Errorf("index %s: another process goes on changing it; search when it is done", x.path)
}

func (x *Index) search(files []string, find func(*Stored) ([]Found, error)) (all []Match, again bool, err error) {
	s, err := x.stored(files)
	if err != nil {
		return nil, false, err
	}
	defer s.close()
	found, err := find(s)
	if err != nil {
		return nil, false, err
	}
	for _, f := range found {
		path, err := s.path(f.Row)
		if err != nil {
			return nil, false, err
		}
		all = append(all, Match{Path: path, Cosine: f.Cosine})
	}
	freed, err := x.value(freedKey)
	if err != nil || freed != s.freed {
		return nil, true, err
	}
	if slices.ContainsFunc(all, func(m Match) bool { return m.Path == "" }) {
		return nil, false, x.damaged("", damage("it has a vector of no picture"))
	}
	sort.SliceStable(all, func(i, j int) bool {
		return all[i].Cosine > all[j].Cosine || all[i].Cosine == all[j].Cosine && all[i].Path < all[j].Path
	})
	return all, false, nil
}

// Vectors reads the embeddings of files, or of all pictures if files is nil, sorted by path.
// What has no embedding is left out.
func (x *Index) Vectors(files []string) (*Vectors, error) {
	v := &Vectors{}
	var data [][]float32
	all, err := x.Search(files, func(s *Stored) ([]Found, error) {
		data = make([][]float32, s.Len())
		found := make([]Found, s.Len())
		for i := range data {
			var err error
			if data[i], err = s.vector(i); err != nil {
				return nil, err
			}
			found[i] = Found{Row: i, Cosine: float64(i)} // by which Match tells the row
		}
		return found, nil
	})
	if err != nil {
		return nil, err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	for _, m := range all {
		v.Paths, v.Data = append(v.Paths, m.Path), append(v.Data, data[int(m.Cosine)])
	}
	return v, nil
}

// Count is how many pictures have an embedding.
func (x *Index) Count(files []string) (int, error) {
	s, err := x.stored(files)
	if err != nil {
		return 0, err
	}
	defer s.close()
	return s.Len(), nil
}

// stored are the vectors of files, or of all pictures if files is nil.
func (x *Index) stored(files []string) (*Stored, error) {
	if x.old {
		return x.storedBefore(files)
	}
	s := &Stored{x: x}
	var err error
	if s.freed, err = x.value(freedKey); err != nil {
		return nil, err
	}
	pair, err := x.value(pairKey)
	if err != nil || pair == "" {
		return s, err
	}
	if s.file, err = x.openVectors(pair, false); err != nil {
		return nil, err
	}
	s.width = s.file.width
	if files == nil {
		err = s.all()
	} else {
		err = s.of(files)
	}
	if err == nil {
		err = s.within()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// all takes every row that is not free.
func (s *Stored) all() error {
	var last int64
	err := s.x.rows("SELECT coalesce(max(row), -1) FROM pictures WHERE row >= 0", func(rows *sql.Rows) (int, error) { return 1, rows.Scan(&last) })
	if err != nil {
		return err
	}
	var free []int64
	err = s.x.rows("SELECT row FROM free ORDER BY row", func(rows *sql.Rows) (int, error) {
		var row int64
		err := rows.Scan(&row)
		if row <= last {
			free = append(free, row)
		}
		return 1, err
	})
	room, roomErr := s.file.rows()
	switch {
	case err != nil:
		return err
	case roomErr != nil:
		return s.x.failed("reading its vectors", roomErr)
	case last >= room:
		return s.x.damaged("", damage("its vectors end before the last"))
	}
	s.count = int(last+1) - len(free)
	if len(free) == 0 {
		return nil
	}
	s.rows = make([]int64, 0, max(s.count, 0))
	for row := range last + 1 {
		if len(free) > 0 && free[0] == row {
			free = free[1:]
			continue
		}
		s.rows = append(s.rows, row)
	}
	if len(s.rows) != s.count {
		return s.x.damaged("", damage("it holds numbers of rows that can't be"))
	}
	return nil
}

// of takes the rows of files.
func (s *Stored) of(files []string) error {
	wanted, err := s.x.keys(files)
	if err != nil {
		return err
	}
	s.rows, s.paths = []int64{}, []string{}
	err = s.x.rows("SELECT row, path FROM pictures WHERE row >= 0 ORDER BY row", func(rows *sql.Rows) (int, error) {
		var row int64
		var key string
		err := rows.Scan(&row, &key)
		if path, ok := wanted[key]; ok {
			s.rows, s.paths = append(s.rows, row), append(s.paths, path)
		}
		return 1 + len(key), err
	})
	s.count = len(s.rows)
	return err
}

// within refuses rows that the file does not have.
func (s *Stored) within() error {
	room, err := s.file.rows()
	if err != nil {
		return s.x.failed("reading its vectors", err)
	}
	if s.count > 0 && s.rows != nil && (s.rows[0] < 0 || s.rows[s.count-1] >= room) {
		return s.x.damaged("", damage("its vectors end before the last"))
	}
	return nil
}

// storedBefore are those of an index that has its embeddings beside paths.
func (x *Index) storedBefore(files []string) (*Stored, error) {
	var wanted map[string]string
	var err error
	if files != nil {
		if wanted, err = x.keys(files); err != nil {
			return nil, err
		}
	}
	s := &Stored{x: x, old: []byte{}, paths: []string{}}
	err = x.rows(oldVectors, func(rows *sql.Rows) (int, error) {
		key, v, err := scanOld(rows, &s.width)
		if err != nil {
			return 0, err
		}
		path, ok := wanted[key]
		if files == nil {
			path, ok = x.shown(key), true
		}
		if ok {
			s.old, s.paths = append(s.old, halves(v)...), append(s.paths, path)
		}
		return 1 + len(key) + 4*len(v), nil
	})
	s.count = len(s.paths)
	return s, err
}

// oldVectors are the embeddings of an index of before.
const oldVectors = "SELECT path, embedding FROM pictures WHERE error = '' ORDER BY path"

// scanOld reads a row of oldVectors; all have the width of the first.
func scanOld(rows *sql.Rows, width *int) (key string, v []float32, err error) {
	var value any
	if err := rows.Scan(&key, &value); err != nil {
		return "", nil, err
	}
	if v, err = decode(value); err != nil {
		return "", nil, err
	}
	if *width == 0 {
		*width = len(v)
	}
	if len(v) != *width {
		return "", nil, damage(fmt.Sprintf("it holds embeddings of %d and of %d values", *width, len(v)))
	}
	return key, v, nil
}

// keys are files by their keys.
func (x *Index) keys(files []string) (map[string]string, error) {
	all := make(map[string]string, len(files))
	for _, f := range files {
		key, err := x.key(f)
		if err != nil {
			return nil, err
		}
		all[key] = f
	}
	return all, nil
}

// value is a word of meta, "" if it is not there.
func (x *Index) value(key string) (value string, err error) {
	err = x.rows("SELECT value FROM meta WHERE key = "+quote(key), func(rows *sql.Rows) (int, error) {
		err := rows.Scan(&value)
		return 1 + len(value), err
	})
	return value, err
}
