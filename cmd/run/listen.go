package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/generate"
	"saccade/sound"
)

// segmentJSON is a part of what was said, from one second to another.
type segmentJSON struct {
	Start  float64  `json:"start"`
	End    float64  `json:"end"`
	Text   string   `json:"text"`
	Tokens []uint32 `json:"tokens"`
}

// listening is what the flags ask of sounds.
func (s *scribe) listening() models.Listening {
	return models.Listening{Language: s.language, Task: s.task, Times: s.timestamps, Seed: s.seed}
}

// sequences writes the texts of raw inputs.
func (s *scribe) sequences(ctx context.Context) (models.Array, []generate.Text, error) {
	by := models.Draws{Seed: s.seed}
	if s.m.SoundRate() > 0 {
		return s.m.ListenRaw(ctx, s.raw, s.listening(), by)
	}
	return s.m.Sequences(ctx, s.raw, by)
}

// writeSounds writes what is said in each sound.
func (s *scribe) writeSounds(ctx context.Context) error {
	if len(s.sounds) == 0 {
		return cli.Usagef("no sound: give -audio FILE")
	}
	if err := s.tellPlan(s.m.PlanListen()); err != nil {
		return err
	}
	for _, path := range s.heard {
		heard, err := sound.Open(ctx, path, sound.Options{Rate: s.m.SoundRate()})
		if err == nil {
			err = s.listen(ctx, path, heard)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if err := s.bad(path, ofSound(path, err), len(s.heard) == 1); err != nil {
				return err
			}
		}
	}
	return s.finish(len(s.heard))
}

// ofSound makes sure that an error names its sound.
func ofSound(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("sound %s: %w", path, err)
}

// listen writes what is said in a sound: to a terminal token by token, and where there are
// times part by part.
func (s *scribe) listen(ctx context.Context, path string, heard *sound.Sound) error {
	before := ""
	if len(s.heard) > 1 {
		before = path + ": "
	}
	q := s.listening()
	text, all := s.stream(before), ""
	if text.live && !s.timestamps {
		q.Each = func(_ uint32, words string) { text.reach(words) }
	}
	q.Part = func(p models.HeardSegment) {
		switch {
		case s.json:
		case s.timestamps:
			s.stdout.printf("%s%8.2f %8.2f  %s\n", before, p.Start, p.End, p.Words)
			_ = s.stdout.w.Flush() // its error shows at the end
		case text.live:
			all += p.Words
			text.reach(all)
		}
	}
	began := time.Now()
	t, err := s.m.Listen(ctx, heard, q)
	if err != nil {
		return err
	}
	s.forward += time.Since(began)
	s.add(path, models.Written{Text: generate.Text{IDs: t.Tokens, Stopped: t.Stopped}, Words: t.Words})
	if t.Timed {
		into := &s.doc.Images[len(s.doc.Images)-1]
		for _, p := range t.Segments {
			into.Segments = append(into.Segments, segmentJSON{p.Start, p.End, p.Words, p.Tokens})
		}
	}
	if !s.json && !s.timestamps {
		text.end(t.Words)
	}
	return s.stdout.w.Flush()
}
