package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/picture"
	"saccade/sound"
)

// FindPictures replaces folders by the pictures in them and in their
// sub-folders, sorted by path. Files are taken as they are named: whether they
// are pictures shows when they are read.
func FindPictures(paths []string, complain func(error)) ([]string, error) {
	return pictures.find(paths, complain)
}

// FindSounds does the same for sounds.
func FindSounds(paths []string, complain func(error)) ([]string, error) {
	return sounds.find(paths, complain)
}

// medium is a kind of files.
type medium struct {
	name    string
	kinds   string // in words
	isNamed func(path string) bool
}

var (
	pictures = medium{"picture", "PNG, JPEG, GIF, BMP, WebP, TIFF", picture.HasPictureExtension}
	sounds   = medium{"sound", "WAV, or what ffmpeg reads", sound.HasSoundExtension}
)

// find replaces folders by the files in them.
func (m medium) find(paths []string, complain func(error)) ([]string, error) {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.name, path, Reason(err))
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		found, err := m.in(path, complain)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("folder %s: there are no %ss in it (%s)", path, m.name, m.kinds)
		}
		all = append(all, found...)
	}
	return all, nil
}

// PicturesIn lists the files in and below a folder that are named like
// pictures, sorted by path; hidden ones are left out, and what is no regular file,
// such as a pipe, is complained of.
func PicturesIn(folder string, complain func(error)) ([]string, error) {
	return pictures.in(folder, complain)
}

func (m medium) in(folder string, complain func(error)) ([]string, error) {
	var found []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && m.isNamed(path):
			file := filepath.Join(folder, filepath.FromSlash(path))
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
				complain(fmt.Errorf("%s %s: it is no file; left out", m.name, file))
				return nil
			}
			found = append(found, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", folder, Reason(err))
	}
	slices.Sort(found)
	return found, nil
}
