package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/coco"
	"saccade/models/probe"
	"saccade/models/sensors"
	"saccade/viewer"
)

// command is the name that errors begin with.
const command = "run"

// app is one call of the command.
type app struct {
	options
	stdout *output
	stderr io.Writer
	getenv func(string) string

	dev      *gpu.Device             // set by open
	pictures []string                // by -image
	heard    []string                // by -audio
	classes  []class                 // by -eval
	truth    *coco.Annotations       // by -eval, of a model that finds objects
	shown    []class                 // by -examples
	tip      *probe.TipFile          // or by a file of it
	fused    *sensors.Fusion         // with -sensors
	gallery  []string                // by -similar
	raw      map[string]models.Array // by -input
}

// errReported ends the command with exit code 1 after its reasons were printed.
var errReported = errors.New("reported")

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdout: newOutput(stdout), stderr: stderr, getenv: getenv}
	err := a.options.parse(ctx, args)
	if err == nil {
		err = a.do(ctx)
	}
	if flushErr := a.stdout.flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		err = a.choice.Finish(a.dev, a.stderr)
	}
	if a.dev != nil {
		a.dev.Close()
	}
	return a.exit(ctx, err)
}

// exit prints the error, if any, as one line, and finds its code.
func (a *app) exit(ctx context.Context, err error) int {
	if errors.Is(err, errReported) {
		return cli.ExitFailure
	}
	return cli.Exit(ctx, a.stderr, command, err)
}

// complain prints an error as one line.
func (a *app) complain(err error) { cli.Complain(a.stderr, command, err) }

// do is what the flags ask for.
func (a *app) do(ctx context.Context) error {
	if a.view {
		if err := viewer.Available(); err != nil {
			return errors.Join(windowed(), err)
		}
	}
	switch {
	case a.help:
		return a.printHelp()
	case a.version:
		return a.printVersion()
	case a.completion != "":
		return a.printCompletion()
	case a.listModels:
		return a.printModels()
	case a.listDevices:
		return a.printDevices()
	case a.word != "":
		return a.doShard(ctx)
	case a.report != "":
		return a.reportAdapter(ctx)
	case a.verify && a.model == "":
		return a.verifyGoldens(ctx)
	case a.comparesDrawn():
		return a.compareDrawn(ctx)
	case len(a.compare) > 0:
		return a.compareModels(ctx)
	case a.lines():
		return a.indexDocuments(ctx)
	case isPipeline(a.model):
		return a.paint(ctx)
	case a.model == ocrFamily && a.moving():
		return a.watchPages(ctx)
	case a.model == ocrFamily:
		return a.readPages(ctx)
	case a.model == anomalyFamily:
		return a.compareNormal(ctx)
	}
	m, err := a.load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if len(a.pictures) > 0 && !m.SeesImages() {
		return fmt.Errorf("%s: %w", m.Name, models.ErrNoImages)
	}
	if a.moving() {
		return a.watchModel(ctx, m)
	}
	_, drawing := a.drawing()
	switch {
	case a.generates() && !a.verify && !a.profile:
		return a.drawNoise(ctx, m)
	case m.Segments() && !a.verify && !a.profile:
		return a.maskPictures(ctx, m)
	case a.truth != nil:
		return a.averagePrecision(ctx, m)
	case a.purpose() != "" && !a.verify && !a.profile:
		return a.measure(ctx, m)
	case m.Writer() != nil && !a.verify && !a.profile:
		return a.writeTexts(ctx, m)
	case a.view:
		return a.showAttention(ctx, m)
	case drawing:
		return a.draw(ctx, m)
	case a.verify:
		return a.verifyModel(ctx, m)
	case a.profile:
		return a.printProfile(ctx, m)
	case m.TakesSounds() && a.raw == nil:
		return a.hearSounds(ctx, m)
	case m.Sentences() && a.raw == nil && a.index != "":
		return a.indexTexts(ctx, m)
	case m.Sentences() && a.raw == nil:
		return a.embedSentences(ctx, m)
	case m.Matches():
		return a.matchTexts(ctx, m)
	case a.fused != nil:
		return a.classifyFused(ctx, m)
	case a.sensors != "":
		return a.fuse(ctx, m)
	case a.eval != "":
		return a.evaluate(ctx, m)
	case len(a.texts) > 0 || a.similar != "" || a.index != "" || m.Dual() && a.raw == nil && a.save == "" && a.examples == "":
		return a.searchPictures(ctx, m)
	}
	return a.compute(ctx, m)
}
