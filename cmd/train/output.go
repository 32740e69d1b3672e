package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models/nn"
	"saccade/weights"
)

// saveTensors writes -save: what is trained, the losses, and gradients, if there are any.
func (a *app) saveTensors(values, grads map[string]nn.Array, losses []float32) error {
	if a.save == "" {
		return nil
	}
	tensors, err := tensorsOf("", values)
	if err != nil {
		return err
	}
	more, err := tensorsOf("grad.", grads)
	if err != nil {
		return err
	}
	loss, err := weights.FromFloat32s("loss", losses, len(losses))
	if err != nil {
		return err
	}
	return weights.Write(a.save, append(append(tensors, more...), loss), map[string]string{"format": "pt"})
}

// tensorsOf are arrays as tensors, with a prefix to their names.
func tensorsOf(prefix string, arrays map[string]nn.Array) ([]*weights.Tensor, error) {
	var all []*weights.Tensor
	for name, v := range arrays {
		t, err := weights.FromFloat32s(prefix+name, v.Data, v.Shape...)
		if err != nil {
			return nil, fmt.Errorf("save: %w", err)
		}
		all = append(all, t)
	}
	return all, nil
}

// bad names a picture that could not be read, once.
func (a *app) bad(path string, err error) {
	if a.named[path] {
		return
	}
	a.named[path] = true
	if !strings.Contains(err.Error(), path) {
		err = fmt.Errorf("picture %s: %w", path, err)
	}
	a.complain(fmt.Errorf("%w; left out", err))
	a.errors = append(a.errors, pathError{path, cli.OneLine(err)})
}

// rated is a bar of pictures done, with how fast and how long still.
func (a *app) rated(what string, done, total int, took time.Duration) {
	rate := float64(done) / max(took.Seconds(), 1e-9)
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	a.bar.Draw(what, int64(done), int64(total), fmt.Sprintf("%d/%d, %.1f a second, %s left", done, total, rate, left))
}

// tellMemory says what the device will hold, before it begins.
func (a *app) tellMemory(resident int64, program gpu.Memory) {
	step := program.Arena + program.IO
	fmt.Fprintf(a.stderr, "memory: %s on the device, %s of weights and what is trained, %s of a step\n", gpu.MiB(resident+step), gpu.MiB(resident), gpu.MiB(step))
}

// finish prints the end of a training. Pictures that were left out are its error.
func (a *app) finish(d doneLine) error {
	d.LeftOut, d.Errors = len(a.errors), a.errors
	if a.json {
		if err := a.line(d); err != nil {
			return err
		}
	} else {
		a.summarise(d)
	}
	if d.LeftOut > 0 {
		return fmt.Errorf("%s could not be read and left out; the result is of the others", cli.Count(d.LeftOut, "picture"))
	}
	return nil
}

// summarise prints the end of a training for people.
func (a *app) summarise(d doneLine) {
	if d.Top1 != nil {
		fmt.Fprintf(a.stdout, "top-1  %.2f %% of %s, %s\n", 100**d.Top1, cli.Count(d.Images, "picture"), d.Of)
	}
	if d.Best != nil {
		fmt.Fprintf(a.stdout, "best   %.2f %% after step %d\n", 100*d.Best.Top1, d.Best.Step)
	}
	if d.Loss != nil {
		fmt.Fprintf(a.stdout, "loss   %.4f after %s\n", *d.Loss, cli.Count(d.Steps, "step"))
	}
	a.printConfusion(d.Confusion)
	if a.out != "" && !a.verify {
		fmt.Fprintf(a.stdout, "\n%s\n", weights.Escape(a.out))
	}
	fmt.Fprintf(a.stderr, "%s (%s), %s, on %s: %.1f s", a.model, a.source, a.precision, a.dev.Info(), d.Seconds)
	if d.Waited > 0 {
		fmt.Fprintf(a.stderr, ", %.1f %% of it for pictures", 100*d.Waited)
	}
	fmt.Fprintln(a.stderr)
}

// mostConfused is the number of classes of which a table still fits a terminal.
const mostConfused = 20

// printConfusion prints what was taken for what, of few classes.
func (a *app) printConfusion(confusion [][]int) {
	if len(confusion) == 0 || len(confusion) > mostConfused {
		return
	}
	width := utf8.RuneCountInString("true \\ predicted")
	for _, l := range a.labels {
		width = max(width, utf8.RuneCountInString(l))
	}
	fmt.Fprintf(a.stdout, "\n%-*s", width, "true \\ predicted")
	for _, l := range a.labels {
		fmt.Fprintf(a.stdout, "  %s", weights.Escape(l))
	}
	for i, row := range confusion {
		fmt.Fprintf(a.stdout, "\n%-*s", width, weights.Escape(a.labels[i]))
		for k, n := range row {
			fmt.Fprintf(a.stdout, "  %*d", utf8.RuneCountInString(weights.Escape(a.labels[k])), n)
		}
	}
	fmt.Fprintln(a.stdout)
}
