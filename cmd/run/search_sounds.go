package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"saccade/cmd/internal/cli"
	"saccade/index"
	"saccade/models"
	"saccade/weights"
)

// The kinds of what is found in an index of both.
const (
	kindPicture = "picture"
	kindSound   = "sound"
)

// others are sentences about what may be seen or heard, by which it is measured how much a
// sentence says of a picture or sound: the cosines of two models cannot be compared.
var others = []string{
	"a person", "people talking", "a child", "a crowd", "a dog", "a cat", "a bird", "an animal", "a car", "a train", "a boat", "an aeroplane",
	"music", "a guitar", "a piano", "singing", "rain", "the sea", "wind", "a fire", "a machine", "a computer", "a telephone", "a clock",
	"a door", "a house", "a street", "a forest", "a flower", "food", "sport", "silence",
}

// soundsBeside is what the file of the sounds of an index of pictures ends with.
const soundsBeside = ".sounds"

// soundSource is the model of sounds beside the pictures': that of -sound-weights, or where
// all of an index is asked that of the sounds beside it; "": there are none.
func (s *search) soundSource(ctx context.Context) (string, error) {
	if s.soundWeights != "" || s.file == "" || s.m.TakesSounds() || len(s.app.texts) != 1 || !s.everything() {
		return s.soundWeights, nil
	}
	if _, err := os.Stat(s.file + soundsBeside); err != nil {
		return "", nil //nolint:nilerr // there are no sounds
	}
	x, err := index.OpenWith(ctx, s.file+soundsBeside, index.Identity{Model: soundFamily}, index.Options{Search: true, Any: true})
	if err != nil {
		return "", err
	}
	defer x.Close() //nolint:errcheck // it was read
	id, err := x.Identity()
	return id.Source, err
}

// withSounds embeds pictures, and sounds by a model of them, and finds both by one text.
func (s *search) withSounds(ctx context.Context, source string) error {
	m, err := s.loadModel(ctx, soundFamily, source, models.Options{Precision: s.precision, Hub: weights.HubFromEnv()})
	if err != nil {
		return err
	}
	defer m.Close()
	if !m.Dual() {
		return cli.Usagef("-sound-weights %s: it tells classes; give one that pairs sounds with texts, such as laion/clap-htsat-unfused", source)
	}
	h := &search{pass: pass{app: s.app, m: m, bar: s.bar}, files: s.heard, given: s.sounds}
	if s.file != "" {
		h.file = s.file + soundsBeside
	}
	if err := h.embedTexts(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		*search
		kind string
	}{{s, kindPicture}, {h, kindSound}} {
		err := part.collect(ctx)
		s.bar.clear()
		if part.store != nil {
			defer part.store.Close() //nolint:errcheck // all that was added is committed
		}
		if err != nil {
			return err
		}
		found, err := part.evidence(ctx, part.kind)
		if err != nil {
			return err
		}
		s.doc.Images = append(s.doc.Images, found...)
	}
	slices.SortStableFunc(s.doc.Images, func(a, b matchJSON) int { return cmp.Compare(*b.Evidence, *a.Evidence) })
	s.doc.Images = best(s.doc.Images, s.top)
	if s.doc.Indexed != nil {
		s.doc.Indexed.Sounds = h.doc.Indexed.Images
		s.doc.Indexed.Added += h.doc.Indexed.Added
		s.doc.Indexed.Removed += h.doc.Indexed.Removed
	}
	s.errors = append(s.errors, h.errors...)
	s.doc.Errors, s.doc.MS = s.errors, times(s.m, s.forward+h.forward)
	return s.app.conclude(&s.doc, s.print, s.errors, func() {
		s.summaryOf(s.m, s.count, kindPicture, s.forward)
		s.summaryOf(h.m, h.count, kindSound, h.forward)
	})
}

// evidence is how much the text says of each; nothing without a text.
func (s *search) evidence(ctx context.Context, kind string) ([]matchJSON, error) {
	if len(s.texts) == 0 {
		return nil, nil
	}
	v, err := s.all()
	if err != nil {
		return nil, err
	}
	all, _, err := s.promptEmbeds(ctx, s.m, others, placeholder)
	if err != nil {
		return nil, err
	}
	var found []matchJSON
	for i, e := range v.Data {
		nats := s.m.Evidence(e, s.texts[0], all)
		found = append(found, matchJSON{Path: v.Paths[i], Kind: kind, Evidence: &nats})
	}
	return found, nil
}

// held tells how many there are of a kind, or of both.
func (x *indexJSON) held(what string) string {
	if x.Sounds == 0 {
		return cli.Count(x.Images, what)
	}
	return fmt.Sprintf("%s, %s", cli.Count(x.Images, kindPicture), cli.Count(x.Sounds, kindSound))
}
