package main

import (
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/weights"
)

// progress is a bar of what a command goes through.
type progress struct{ cli.Bar }

// progress is a bar on stderr if that is a terminal.
func (a *app) progress() *progress { return &progress{cli.NewBar(a.stderr)} }

// clear takes the bar away.
func (p *progress) clear() { p.Clear() }

// pictures is a bar of pictures done.
func (p *progress) pictures(done, total int) {
	p.Draw("pictures", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// points is a bar of points whose masks are done.
func (p *progress) points(done, total int) {
	p.Draw("points", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// occlusion is a bar of forward passes with a part of the picture hidden.
func (p *progress) occlusion(done, total int) {
	p.Draw("occlusion", int64(done), int64(total), fmt.Sprintf("%d/%d", done, total))
}

// rated is a bar of pictures done, with how fast and how long still.
func (p *progress) rated(done, total int, took time.Duration) {
	rate := float64(done) / max(took.Seconds(), 1e-9)
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	p.Draw("pictures", int64(done), int64(total), fmt.Sprintf("%d/%d, %.1f a second, %s left", done, total, rate, left))
}

// steps is a bar of a scheduler's steps, with how fast.
func (p *progress) steps(done, total int, took time.Duration) {
	each := took / time.Duration(max(1, done))
	rate := fmt.Sprintf("%.2f it/s", 1/max(each.Seconds(), 1e-9))
	if each > time.Second {
		rate = fmt.Sprintf("%.2f s/it", each.Seconds())
	}
	p.Draw("steps", int64(done), int64(total), fmt.Sprintf("%d/%d, %s", done, total, rate))
}

// download is a bar of a file's bytes, nil where none is wanted.
func (p *progress) download(h *weights.Hub) func(file string, done, total int64) {
	if p.To == nil || h.NoBars {
		return nil
	}
	return func(file string, done, total int64) {
		amount := fmt.Sprintf("%.1f MB", float64(done)/1e6)
		if total > 0 {
			amount += fmt.Sprintf(" of %.1f MB", float64(total)/1e6)
		}
		p.Draw(file, done, total, amount)
	}
}
