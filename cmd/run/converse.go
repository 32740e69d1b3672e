package main

import (
	"context"
	"time"

	"saccade/models"
	"saccade/models/generate"
	"saccade/picture"
)

// turnJSON is a turn of a conversation.
type turnJSON struct {
	Prompt  string           `json:"prompt"`
	Text    string           `json:"text"`
	Tokens  []uint32         `json:"tokens"` // of the text
	Stopped generate.Stopped `json:"stopped"`
}

// converse has the prompts answered about each picture: one, or with -chat turns.
func (s *scribe) converse(ctx context.Context) error {
	cut, err := s.m.Tiler()
	if err != nil {
		return err
	}
	if s.tiles != "" {
		cut.Split = s.tiles == allTiles
	}
	turns := s.prompts
	if s.question != "" {
		turns = []string{s.question}
	}
	for _, path := range s.pictures {
		img, err := s.decode(path)
		if err != nil {
			if err := s.bad(path, err, len(s.pictures) == 1); err != nil {
				return err
			}
			continue
		}
		if err := s.talkOf(ctx, path, img, turns, cut); err != nil {
			return naming(path, err)
		}
	}
	return nil
}

// talkOf is the conversation about a picture.
func (s *scribe) talkOf(ctx context.Context, path string, img *picture.Image, turns []string, cut *picture.Tiler) error {
	q := models.Ask{Image: img, Seed: s.seed}
	if err := s.tellPlan(s.m.PlanConverse(q, turns)); err != nil {
		return err
	}
	s.tellTiles(path, img, cut)
	before := ""
	if len(s.pictures) > 1 {
		before = path + ": "
	}
	text := s.stream(before)
	if text.live {
		q.Each = func(_ uint32, words string) { text.reach(words) }
	}
	began := time.Now()
	answers, err := s.m.Converse(ctx, q, turns, func(_ int, w models.Written) {
		if !s.json {
			text.end(w.Words)
			_ = s.stdout.w.Flush() // its error shows at the end
		}
		text = s.stream(before)
	})
	if err != nil {
		return err
	}
	s.forward += time.Since(began)
	s.addTurns(path, turns, answers)
	return nil
}

// tellTiles says what a picture is cut into.
func (s *scribe) tellTiles(path string, img *picture.Image, cut *picture.Tiler) {
	if s.json {
		return
	}
	each, err := s.m.TileTokens()
	if err != nil { // which the plan has found already
		return
	}
	rows, columns := cut.Grid(img.W, img.H)
	if n := rows*columns + 1; n > 1 {
		s.note("%s: %d tiles, %d rows of %d and the whole picture: %d picture tokens; -tiles 1 takes the whole alone", path, n, rows, columns, n*each)
		return
	}
	s.note("%s: 1 tile, %d picture tokens", path, each)
}

// addTurns takes a conversation into the document.
func (s *scribe) addTurns(path string, turns []string, answers []models.Written) {
	last := answers[len(answers)-1]
	s.add(path, last)
	x := &s.doc.Images[len(s.doc.Images)-1]
	x.Tiles, x.PictureTokens = last.Tiles, last.ImageTokens
	if !s.chat {
		return
	}
	for i, w := range answers {
		x.Turns = append(x.Turns, turnJSON{turns[i], w.Words, w.IDs[w.Begun:], w.Stopped})
		if i < len(answers)-1 {
			s.doc.Tokens += len(w.IDs) - w.Begun
		}
	}
}
