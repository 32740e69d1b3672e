package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/live"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/fit"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
	"saccade/zoo"
)

// looksOfTraining is how often the probe is looked at in the course of a training, if nobody says.
const looksOfTraining = 20

// checkView finds flags that do not go with a window.
func (o *options) checkView() error {
	steps := o.optimizer != lbfgs && !o.tip && o.sensors == "" && !o.verify
	switch {
	case o.view && (!steps || o.json || o.out == ""):
		return cli.Usagef("-view shows the steps of -optimizer adamw or sgd: give -o, and leave -json, -tip, -sensors and -verify out")
	case o.given["probe"] && !o.view, o.given["probe-every"] && o.probe == "":
		return cli.Usagef("-probe is what -view shows, and -probe-every how often: give -view -probe %s", o.probeWord())
	case o.view && o.paints() && o.probe != "" && o.token != "" && !strings.Contains(o.probe, o.token):
		return cli.Usagef("-probe %q does not name %s, so that nothing of it would change", o.probe, o.token)
	}
	return nil
}

// openView finds out before any work whether there are a window and a probe.
func (a *app) openView() error {
	if err := viewer.Available(); err != nil {
		reason, _, _ := strings.Cut(err.Error(), ";") // what follows are run's ways without one
		return fmt.Errorf("%s; leave -view out", reason)
	}
	if a.probe == "" || a.paints() {
		return nil
	}
	_, err := picture.Open(a.probe, picture.DecodeOptions{})
	if err != nil && !strings.Contains(err.Error(), a.probe) {
		err = fmt.Errorf("picture %s: %w", a.probe, err)
	}
	return err
}

// probeWord is what -probe is of the model.
func (o *options) probeWord() string {
	if o.paints() {
		return `"PROMPT"`
	}
	return "PICTURE"
}

// watch makes the steps of a training that a window shows, and what comes of them. Once the
// window is closed the training goes on without it.
func (t *training) watch(ctx context.Context, o fit.Options, train func(context.Context, func(fit.Step) error) error) error {
	every := t.probeEvery
	if every == 0 {
		every = max(1, o.Steps/looksOfTraining)
	}
	shown := live.TrainingOptions{Name: fmt.Sprintf("%s, %s", t.model, filepath.Base(t.dataPath)), Steps: o.Steps, Every: every, Keep: t.keep}
	if t.probe != "" {
		shown.Look = t.look
	}
	session := live.NewTraining(shown)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		var err error
		if !t.resume { // else what was learned is not there yet
			err = session.Begin(ctx)
		}
		if err == nil {
			err = train(ctx, func(s fit.Step) error {
				if err := t.report(s); err != nil {
					return err
				}
				err := session.Made(ctx, shownStep(s))
				if errors.Is(err, live.ErrStopped) {
					return fit.ErrStop
				}
				return err
			})
		}
		if err != nil {
			session.End(cli.OneLine(err))
		} else {
			session.End("done: " + t.out)
		}
		ended <- err
	}()
	if err := viewer.New(session, viewer.Options{}).Run(ctx, t.dev); err != nil {
		cancel()
		<-ended
		return err
	}
	session.Leave()
	return <-ended
}

// shownStep is a step as a window shows it.
func shownStep(s fit.Step) live.TrainingStep {
	shown := live.TrainingStep{Number: s.Number, Loss: s.Loss, Held: math.NaN(), Took: s.Took, Facts: []string{fmt.Sprintf("rate %.3g", s.Rate)}}
	if s.Validated != nil {
		shown.Held = s.Validated.Loss
		shown.Facts = append(shown.Facts, fmt.Sprintf("validation %.1f %%", 100*s.Validated.Top1))
	}
	return shown
}

// keep writes what was learned after a step, beside the result.
func (t *training) keep(step int) (string, error) {
	path := filepath.Join(t.out, fmt.Sprintf("step-%d", step))
	if stem, ok := strings.CutSuffix(t.out, ".safetensors"); ok {
		path = fmt.Sprintf("%s.step-%d.safetensors", stem, step)
	}
	values, err := t.l.Parameters()
	if err == nil {
		err = t.write(path, values)
	}
	return path, err
}

// look draws what the network makes of the probe.
func (t *training) look(ctx context.Context) (*picture.Image, error) {
	if t.paints() {
		return t.drawProbe(ctx)
	}
	return t.classifyProbe(ctx)
}

// mostLines is how many classes are told of a probe.
const mostLines = 5

// classifyProbe draws the probe with the classes that the network finds the likeliest.
func (t *training) classifyProbe(ctx context.Context) (*picture.Image, error) {
	if t.probed == nil {
		in, err := t.readProbe(ctx, &examples{from: t.probe, paths: []string{t.probe}, classes: []int{0}})
		if err != nil {
			return nil, err
		}
		t.probed = in
	}
	out, err := t.l.Forward(ctx, t.probed)
	if err != nil {
		return nil, err
	}
	img, err := picture.Open(t.probe, picture.DecodeOptions{})
	if err != nil {
		return nil, err
	}
	panel := figure.Panel{Title: filepath.Base(t.probe), Picture: img}
	for _, p := range t.m.Rank(out["logits"].Data, mostLines) {
		panel.Lines = append(panel.Lines, figure.Line{Left: t.labels[p.Index], Right: p.Shown(), Bar: min(1, max(0, p.Score))})
	}
	return figure.Figure{Rows: figure.Wrap([]figure.Panel{panel}, 1)}.Draw()
}

// drawProbe draws the probe's prompt by the pipeline with what was learned so far: what run draws
// of the file that would be written now.
func (t *training) drawProbe(ctx context.Context) (*picture.Image, error) {
	folder, err := os.MkdirTemp("", "saccade-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	values, err := t.l.Parameters()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "probe.safetensors")
	if err := t.write(file, values); err != nil {
		return nil, err
	}
	o := models.Options{Precision: t.precision, Hub: weights.HubFromEnv(), Embedded: zoo.All(), LoRA: []nn.LoRA{{File: file, Scale: 1}}}
	if t.token != "" {
		o.LoRA, o.Embeddings = nil, []string{file}
	}
	m, err := models.Load(ctx, t.dev, t.model, t.weights, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	p, ok := m.Pipeline.(*diffusion.Pipeline)
	if !ok {
		return nil, fmt.Errorf("%s is no pipeline of a UNet", t.model)
	}
	q := p.Defaults()
	q.Prompts, q.Seeds = []string{t.probe}, []uint64{t.seed}
	run, err := p.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	for run.Next() {
		if err := run.Step(ctx); err != nil {
			return nil, err
		}
	}
	result, err := run.Result(ctx)
	if err != nil {
		return nil, err
	}
	return figure.Figure{Rows: figure.Wrap([]figure.Panel{{Title: t.probe, Picture: result.Pictures()[0]}}, 1)}.Draw()
}
