package main

import (
	"context"
	"path/filepath"
	"strings"

	"saccade/picture"
	"saccade/video"
)

// holdsFrames says that a file of that name holds several frames: a GIF, or a video by ffmpeg.
func holdsFrames(path string) bool {
	return strings.EqualFold(filepath.Ext(path), ".gif") || video.Writable(path) == nil
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
