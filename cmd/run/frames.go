package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"saccade/models/diffusion"
	"saccade/picture"
	"saccade/video"
)

// holdsFrames says that a file of that name holds several frames: a GIF, or a video by ffmpeg.
func holdsFrames(path string) bool {
	return strings.EqualFold(filepath.Ext(path), ".gif") || video.Writable(path) == nil
}

// readFrames reads the first frames of a video, at most so many, 0: [diffusion.DefaultFrames].
func readFrames(ctx context.Context, path string, most int) ([]*picture.Image, error) {
	r, err := video.Open(ctx, path, video.Options{Stdin: os.Stdin})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []*picture.Image
	for len(all) < cmp.Or(most, diffusion.DefaultFrames) {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, f.Image)
	}
	return all, nil
}

// writeMoving writes frames to such a file, at the rate of -fps.
func (a *app) writeMoving(ctx context.Context, path string, images []*picture.Image) error {
	if video.Writable(path) != nil {
		return picture.WriteGIF(path, images, a.fps)
	}
	v, err := video.Create(ctx, path, images[0].W, images[0].H, a.fps)
	if err != nil {
		return err
	}
	for _, img := range images {
		if err := v.Add(img); err != nil {
			return err
		}
	}
	return v.Close()
}
