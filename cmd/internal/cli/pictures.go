package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/picture"
)

// FindPictures replaces folders by the pictures in them and in their
// sub-folders, sorted by path. Files are taken as they are named: whether they
// are pictures shows when they are read.
func FindPictures(paths []string, complain func(error)) ([]string, error) {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("picture %s: %w", path, Reason(err))
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		found, err := PicturesIn(path, complain)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("folder %s: there are no pictures in it (PNG, JPEG, GIF, BMP, WebP, TIFF)", path)
		}
		all = append(all, found...)
	}
	return all, nil
}

// PicturesIn lists the files in and below a folder that are named like
// pictures, sorted by path; hidden ones are left out, and what is no regular file,
// such as a pipe, is complained of.
func PicturesIn(folder string, complain func(error)) ([]string, error) {
	var found []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && picture.HasPictureExtension(path):
			file := filepath.Join(folder, filepath.FromSlash(path))
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
				complain(fmt.Errorf("picture %s: it is no file; left out", file))
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
