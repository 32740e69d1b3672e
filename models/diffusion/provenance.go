package diffusion

import (
	"fmt"
	"path/filepath"
	"strings"

	"saccade/picture"
)

// Provenance is what is to be told of pictures beside their request.
type Provenance struct {
	Prompt    string // as it was asked for
	Refiner   string // the pipeline that did the last steps, "" of none
	RefinerAt float64
	Seeds     []uint64 // of the pictures
}

// Parameters is what pictures were made of, as a text chunk of their file under the
// name and in the form that other programs read.
func (p *Pipeline) Parameters(q Request, of Provenance) picture.Text {
	var s strings.Builder
	s.WriteString(of.Prompt)
	if negative := q.negative(); negative != "" {
		fmt.Fprintf(&s, "\nNegative prompt: %s", negative)
	}
	fmt.Fprintf(&s, "\nSteps: %d, Sampler: %s, CFG scale: %g, Seed: %s, Size: %dx%d, Model: %s", q.Steps, p.SchedulerName(q.Scheduler), q.Guidance, numbers(of.Seeds), q.Width, q.Height, p.Name)
	if q.Rescale > 0 {
		fmt.Fprintf(&s, ", Guidance rescale: %g", q.Rescale)
	}
	if of.Refiner != "" {
		fmt.Fprintf(&s, ", Refiner: %s, Refiner switch at: %g", of.Refiner, of.RefinerAt)
	}
	if q.Syntax != "" && q.Syntax != Plain {
		fmt.Fprintf(&s, ", Prompt syntax: %s", q.Syntax)
	}
	if q.Image != nil {
		fmt.Fprintf(&s, ", Denoising strength: %g", q.Strength)
	}
	for i, c := range q.Controls {
		fmt.Fprintf(&s, ", ControlNet %d: %s:%g:%g:%g", i, filepath.Base(p.controls[i].name), c.Weight, c.From, c.To)
	}
	for i, a := range p.images {
		fmt.Fprintf(&s, ", IP-Adapter %d: %s:%g", i, filepath.Base(a.name), p.config.Images[i])
	}
	if p.motion != nil {
		fmt.Fprintf(&s, ", Motion: %s", filepath.Base(p.files.Motion.Name))
	}
	if q.Frames > 0 {
		fmt.Fprintf(&s, ", Frames: %d", q.Frames)
	}
	if q.Context > 0 {
		fmt.Fprintf(&s, ", Context: %d, Stride: %d", q.Context, q.stride())
	}
	for _, l := range p.LoRAs() {
		fmt.Fprintf(&s, ", LoRA: %s:%g", filepath.Base(l.File), l.Scale)
	}
	return picture.Text{Key: "parameters", Value: strings.TrimSpace(s.String())}
}

// NoiseParameters is [Pipeline.Parameters] of noise alone, which no network sees but the
// autoencoder.
func (p *Pipeline) NoiseParameters(q Request, seeds []uint64) picture.Text {
	return picture.Text{Key: "parameters", Value: fmt.Sprintf("Steps: %d, Sampler: %s, Seed: %s, Size: %dx%d, Model: %s", q.Steps, p.SchedulerName(q.Scheduler), numbers(seeds), q.Width, q.Height, p.Name)}
}

// numbers are seeds with commas between them.
func numbers(seeds []uint64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(seeds), " ", ", "), "[]")
}
