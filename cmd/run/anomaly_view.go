package main

import (
	"context"
	"fmt"
	"time"

	"saccade/figure"
	"saccade/live"
	"saccade/models"
	"saccade/models/anomaly"
	"saccade/picture"
	"saccade/viewer"
)

// seenJSON is what is found in a frame.
type seenJSON struct {
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	Anomalous bool    `json:"anomalous"`
}

// sight scores a frame, and marks what is not normal in it.
func (c *likeness) sight(ctx context.Context, img *picture.Image) (sighting, error) {
	u, s, found, err := c.scoreOf(ctx, img)
	if err != nil {
		return sighting{}, err
	}
	return sighting{seenJSON{u.Score, u.Threshold, u.Anomalous}, u.verdict(), func() *picture.Image { return marked(u, s, found) }}, nil
}

// verdict is a score in words.
func (u unlikeJSON) verdict() string {
	if u.Anomalous {
		return fmt.Sprintf("anomalous %.4g, above %.4g", u.Score, u.Threshold)
	}
	return fmt.Sprintf("normal %.4g, below %.4g", u.Score, u.Threshold)
}

// least is the part of the largest distance from which on pixels are marked, where that is
// less than the threshold of pictures.
const least = 0.95

// marked is what the network saw of a picture with its verdict, and where that is that
// something is not normal a mask of it.
func marked(u unlikeJSON, s *models.Seen, found anomaly.Found) *picture.Image {
	box := figure.Box{Corners: [4]float64{0, 0, float64(s.View.W - 1), float64(s.View.H - 1)}, Label: u.verdict(), Kind: 2}
	if !u.Anomalous {
		return figure.DrawBoxes(s.View, []figure.Box{box})
	}
	box.Kind = 1
	most := 0.0
	for _, v := range found.Heat {
		most = max(most, float64(v))
	}
	cut, k := min(u.Threshold, least*most), s.View.W/s.W
	mask := make([]bool, s.View.W*s.View.H)
	for i := range mask {
		y, x := i/s.View.W/k, i%s.View.W/k
		mask[i] = float64(found.Heat[y*s.W+x]) > cut
	}
	return figure.DrawBoxes(figure.Overlay{Masks: [][]bool{mask}}.Draw(s.View), []figure.Box{box})
}

// newPictures is how often a folder is looked at for pictures that came.
const newPictures = time.Second

// show shows the pictures of -image in a window, and those that come into its folders.
func (c *likeness) show(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := live.NewGallery(c.pictures, func(path string) (*picture.Image, []string, error) {
		img, err := c.decode(path)
		if err != nil {
			return nil, nil, err
		}
		u, s, found, err := c.scoreOf(ctx, img)
		if err != nil {
			return nil, nil, err
		}
		return marked(u, s, found), []string{u.verdict()}, nil
	})
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(newPictures):
			}
			if paths, err := c.findPictures(c.images); err == nil { // else there are none for now
				g.Add(paths)
			}
		}
	}()
	return viewer.New(g, viewer.Options{Smooth: true}).Run(ctx, c.dev)
}
