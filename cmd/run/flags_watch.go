package main

import (
	"flag"
	"maps"
	"slices"

	"saccade/cmd/internal/cli"
	"saccade/models/nn"
	"saccade/video"
)

// watching are the flags of moving pictures.
type watching struct {
	camera int
	track  bool
}

func (w *watching) flags(f *flag.FlagSet) {
	f.Func("camera", "`N`: looks at the frames of a camera, on Linux /dev/videoN, until it is interrupted", cli.Whole(&w.camera, 0, 1<<16))
	f.BoolVar(&w.track, "track", false, "of a video or camera: objects keep their numbers from frame to frame")
}

// moving says that frames are looked at.
func (o *options) moving() bool {
	return o.given["camera"] || slices.ContainsFunc(o.images, video.Is)
}

// unmoved are flags that do not go with moving pictures.
var unmoved = []string{"input", "audio", "eval", "save", "profile", "verify", "batch", "index", "similar", "examples", "explain", "pca", "attention", "compare",
	"masks", "everything", "documents", "chat", "normal"}

// checkWatching finds flags that do not go with moving pictures, and then those that do not
// go with a still one of them.
func (o *options) checkWatching() error {
	sources := len(o.images)
	if o.given["camera"] {
		sources++
	}
	switch {
	case isPipeline(o.model):
		return cli.Usagef("%s makes pictures: a video, -camera and -track do not go with it", o.model)
	case !o.moving():
		return cli.Usagef("-track follows objects over frames: give a video or -camera")
	case o.track && o.purpose() != nn.FindObjects:
		return cli.Usagef("-track follows objects: it goes with a model that finds some, such as detect")
	case sources > 1:
		return cli.Usagef("a video or camera is looked at alone: give one -image or -camera")
	case o.view && o.json:
		return cli.Usagef("-view shows frames in a window: -json does not go with it")
	}
	for _, name := range unmoved {
		if o.given[name] && !(name == "index" && o.model == anomalyFamily) {
			return cli.Usagef("-%s does not go with a video or camera, whose frames are looked at one by one", name)
		}
	}
	if o.out != "" {
		if err := video.Writable(o.out); err != nil {
			return cli.Usagef("-o: %w", err)
		}
	}
	still := *o
	still.images, still.out, still.view, still.track, still.given = []string{"frame.png"}, "", false, false, maps.Clone(o.given)
	for _, name := range []string{"camera", "track", "view", "o"} {
		delete(still.given, name)
	}
	return still.check()
}
