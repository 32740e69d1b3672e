package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
)

// captioned is a picture and what it shows.
type captioned struct{ path, text string }

// metadataFile is where datasets' imagefolder has its captions.
const metadataFile = "metadata.jsonl"

// findCaptions lists the pictures of a folder with their captions: those of metadata.jsonl,
// or of files of their names that end in .txt, which bare pictures need not have.
func (a *app) findCaptions(folder string, bare bool) ([]captioned, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", folder, cli.Reason(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("data %s: expected a folder of pictures with captions", folder)
	}
	if data, err := cli.ReadFile(filepath.Join(folder, metadataFile)); err == nil {
		return readMetadata(folder, data)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data %s: %w", folder, err)
	}
	paths, err := cli.FindPictures([]string{folder}, a.complain)
	if err != nil {
		return nil, err
	}
	var all []captioned
	for _, path := range paths {
		file := strings.TrimSuffix(path, filepath.Ext(path)) + ".txt"
		text, err := cli.ReadFile(file)
		if bare && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return nil, fmt.Errorf("picture %s: its caption: %w; expected %s, or a %s in the folder", path, cli.Reason(err), filepath.Base(file), metadataFile)
		}
		all = append(all, captioned{path, strings.TrimSpace(string(text))})
	}
	return all, nil
}

// readMetadata reads a line of JSON a picture.
func readMetadata(folder string, data []byte) ([]captioned, error) {
	var all []captioned
	n := 0
	for line := range strings.Lines(string(data)) {
		if n++; strings.TrimSpace(line) == "" {
			continue
		}
		var of struct {
			File string  `json:"file_name"`
			Text *string `json:"text"`
		}
		if err := json.Unmarshal([]byte(line), &of); err != nil || of.File == "" || of.Text == nil {
			return nil, fmt.Errorf(`data %s: line %d of %s: expected {"file_name": "x.png", "text": "…"}`, folder, n, metadataFile)
		}
		all = append(all, captioned{filepath.Join(folder, filepath.FromSlash(of.File)), *of.Text})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("data %s: %s has no line", folder, metadataFile)
	}
	return all, nil
}
