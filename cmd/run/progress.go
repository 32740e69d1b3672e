package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/weights"
)

// progress is a bar on the terminal; without one it does nothing.
type progress struct {
	w     io.Writer // nil: no terminal
	drawn time.Time
	last  int // characters on the line
}

// progress is a bar on stderr if that is a terminal.
func (a *app) progress() *progress {
	if !cli.IsTerminal(a.stderr) {
		return &progress{}
	}
	return &progress{w: a.stderr}
}

const barWidth = 30 // characters

// draw shows done of total, ten times a second; a total that is not positive is unknown.
func (p *progress) draw(what string, done, total int64, amount string) {
	if p.w == nil || time.Since(p.drawn) < 100*time.Millisecond && done != total {
		return
	}
	p.drawn = time.Now()
	bar := ""
	if total > 0 {
		full := int(min(done, total) * barWidth / total)
		bar = "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] "
	}
	if runes := []rune(what); len(runes) > 28 {
		what = "…" + string(runes[len(runes)-27:])
	}
	line := fmt.Sprintf("%s %s%s", what, bar, amount)
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.last-len(line))))
	p.last = len(line)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.w != nil && p.last > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.last))
		p.last = 0
	}
}

// pictures is a bar of pictures done.
func (p *progress) pictures(done, total int) {
	p.draw("pictures", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// points is a bar of points whose masks are done.
func (p *progress) points(done, total int) {
	p.draw("points", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// occlusion is a bar of forward passes with a part of the picture hidden.
func (p *progress) occlusion(done, total int) {
	p.draw("occlusion", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// rated is a bar of pictures done, with how fast and how long still.
func (p *progress) rated(done, total int, took time.Duration) {
	rate := float64(done) / max(took.Seconds(), 1e-9)
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	p.draw("pictures", int64(done), int64(total), fmt.Sprintf("%d/%d, %.1f a second, %s left", done, total, rate, left))
}

// steps is a bar of a scheduler's steps, with how fast.
func (p *progress) steps(done, total int, took time.Duration) {
	each := took / time.Duration(max(1, done))
	rate := fmt.Sprintf("%.2f it/s", 1/max(each.Seconds(), 1e-9))
	if each > time.Second {
		rate = fmt.Sprintf("%.2f s/it", each.Seconds())
	}
	p.draw("steps", int64(done), int64(total), fmt.Sprintf("%d/%d, %s", done, total, rate))
}

// download is a bar of a file's bytes, nil where none is wanted.
func (p *progress) download(h *weights.Hub) func(file string, done, total int64) {
	if p.w == nil || h.NoBars {
		return nil
	}
	return func(file string, done, total int64) {
		amount := fmt.Sprintf("%.1f MB", float64(done)/1e6)
		if total > 0 {
			amount += fmt.Sprintf(" of %.1f MB", float64(total)/1e6)
		}
		p.draw(file, done, total, amount)
	}
}
