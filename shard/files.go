package shard

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// openFolder takes the pictures in and below a folder.
func openFolder(folder string, pictures func(string) ([]string, error)) (*Shard, error) {
	paths, err := pictures(folder)
	if err != nil {
		return nil, err
	}
	s := files("folder", paths)
	for i, p := range paths {
		if below, err := filepath.Rel(folder, p); err == nil {
			s.Items[i].Key = keyOf(filepath.ToSlash(below))
		}
	}
	return s, nil
}

// mostLine is the longest line of a list, in bytes.
const mostLine = 1 << 16

// openList takes a text file with a path a line; paths that are not absolute are seen from
// its folder. Empty lines and those that begin with # are passed over.
func openList(f *os.File, _ int64) (*Shard, error) {
	defer f.Close()
	var paths, keys []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, mostLine)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
			return nil, errors.New("it is neither a tar archive nor a Parquet file nor a list, a text with a path in each line")
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		keys = append(keys, keyOf(filepath.ToSlash(line)))
		if !filepath.IsAbs(line) {
			line = filepath.Join(filepath.Dir(f.Name()), line)
		}
		paths = append(paths, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("as a list of files: %w", reason(err))
	}
	s := files("list", paths)
	for i, k := range keys {
		s.Items[i].Key = k
	}
	return s, nil
}

// files is a shard of files. One that is not there shows when it is read.
func files(kind string, paths []string) *Shard {
	s := &Shard{Kind: kind, Items: make([]Item, len(paths))}
	for i, p := range paths {
		s.Items[i] = Item{Path: p, size: -1}
		if info, err := os.Stat(p); err == nil {
			s.Items[i].size = info.Size()
		}
	}
	s.read = func(i int) ([]byte, error) {
		info, err := os.Stat(paths[i])
		if err != nil {
			return nil, reason(err)
		}
		if !info.Mode().IsRegular() { // a pipe may never end, or never begin
			return nil, errors.New("it is no regular file")
		}
		f, err := os.Open(paths[i])
		if err != nil {
			return nil, reason(err)
		}
		defer f.Close()
		return readAt(f, 0, info.Size())
	}
	return s
}
