package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/models"
	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/track"
)

// watchModel looks at frames with a model, by what that is for.
func (a *app) watchModel(ctx context.Context, m *models.Model) error {
	look, err := a.sightOf(ctx, m)
	if err != nil {
		return err
	}
	return a.watchFrames(ctx, look)
}

// sightOf is how a model looks at a frame.
func (a *app) sightOf(ctx context.Context, m *models.Model) (sight, error) {
	if !m.SeesImages() {
		return nil, fmt.Errorf("%s: %w", m.Name, models.ErrNoImages)
	}
	switch {
	case m.Segments():
		return a.sightOfMasks(m)
	case a.purpose() != "":
		return a.sightOfMeasures(m)
	case m.Writer() != nil:
		return a.sightOfTexts(m), nil
	case m.Matches():
		return a.sightOfMatches(m)
	case len(a.texts) > 0:
		return a.sightByTexts(ctx, m)
	}
	rank, err := a.ranking(ctx, m)
	if err != nil {
		return nil, err
	}
	if rank == nil {
		return nil, fmt.Errorf("%s from %s: %w to tell of each frame", m.Name, m.Source, models.ErrNoClasses)
	}
	return func(ctx context.Context, img *picture.Image) (sighting, error) {
		var top []models.Prediction
		err := a.oneFrame(ctx, m, img, func(r models.Result) (err error) {
			top, err = rank(r.Outputs, a.top)
			return err
		})
		var parts []string
		for _, p := range top {
			parts = append(parts, p.Label+" "+p.Shown())
		}
		return a.written(img, struct {
			Top []models.Prediction `json:"top"`
		}{top}, parts), err
	}, nil
}

// oneFrame runs a network on a frame.
func (a *app) oneFrame(ctx context.Context, m *models.Model, img *picture.Image, report func(r models.Result) error) error {
	return m.EachNamed(ctx, 1, 1, a.namedTexts(), func(int) (*picture.Image, error) { return img, nil }, func(r models.Result) error {
		if r.Err != nil {
			return r.Err
		}
		return report(r)
	})
}

// namedTexts are those that a detector looks for.
func (a *app) namedTexts() []string {
	if a.purpose() == nn.FindObjects {
		return a.texts
	}
	return nil
}

// written is a sighting that words tell of, the first of which stands over the frame.
func (a *app) written(img *picture.Image, entry any, parts []string) sighting {
	return sighting{entry, strings.Join(parts, ", "), func() *picture.Image {
		label := ""
		if len(parts) > 0 {
			label = parts[0]
		}
		return figure.DrawBoxes(img, []figure.Box{{Corners: [4]float64{0, 0, float64(img.W - 1), float64(img.H - 1)}, Label: label}})
	}}
}

// sightOfMeasures finds and measures.
func (a *app) sightOfMeasures(m *models.Model) (sight, error) {
	c := &measurement{pass: pass{app: a, m: m, bar: a.progress()}}
	if a.track {
		c.tracker = track.New(track.Options{Sure: c.least(), Unsure: min(leastUnsure, c.least())})
	}
	if a.behind != "" {
		var err error
		if c.over, err = picture.Open(a.behind, picture.DecodeOptions{}); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, img *picture.Image) (s sighting, err error) {
		err = a.oneFrame(ctx, m, img, func(r models.Result) (err error) {
			s, err = c.sight(r.Outputs, img)
			return err
		})
		return s, err
	}, nil
}

// sight is what the model's task makes of a frame's outputs.
func (c *measurement) sight(outputs map[string]models.Array, img *picture.Image) (sighting, error) {
	switch c.purpose() {
	case nn.FindDepth:
		d, err := c.m.Depth(outputs, img.W, img.H)
		return sighting{struct {
			Min float64 `json:"min"`
			Max float64 `json:"max"`
		}{d.Min, d.Max}, fmt.Sprintf("from %.6g to %.6g", d.Min, d.Max), func() *picture.Image { return figure.Colours(d.W, d.H, d.Parts()) }}, err
	case nn.FindClasses:
		s, err := c.m.PixelClasses(outputs, img.W, img.H)
		return sighted(s.Shares, func() *picture.Image { return blended(img, coloured(s)) }), err
	case nn.CutOut:
		alpha, err := c.m.Cutout(outputs, img.W, img.H)
		if err != nil {
			return sighting{}, err
		}
		over, err := c.composed(img, alpha)
		return sighted(sharesOf(alpha), func() *picture.Image { return over }), err
	}
	found, err := c.followed(outputs, img)
	return sighting{struct {
		Objects []models.Object `json:"objects"`
	}{found}, objectsLine(found), func() *picture.Image { return figure.DrawBoxes(img, boxesOf(found)) }}, err
}

// leastUnsure is the score from which on what is unsure goes on with a track.
const leastUnsure = 0.1

// followed are the objects of a frame: those above the threshold, and with -track those below
// that go on with a track.
func (c *measurement) followed(outputs map[string]models.Array, img *picture.Image) ([]models.Object, error) {
	if c.tracker == nil {
		return c.m.Objects(outputs, img.W, img.H, c.least(), c.texts...)
	}
	found, err := c.m.Objects(outputs, img.W, img.H, min(leastUnsure, c.least()), c.texts...)
	if err != nil {
		return nil, err
	}
	seen := make([]track.Detection, len(found))
	for i, o := range found {
		seen[i] = track.Detection{Box: o.Box, Score: o.Score}
	}
	for i, number := range c.tracker.Next(seen) {
		found[i].Track = number
	}
	return slices.DeleteFunc(found, func(o models.Object) bool { return o.Track == 0 && o.Score <= c.least() }), nil
}

// objectsLine tells of objects in a line.
func objectsLine(found []models.Object) string {
	var parts []string
	for _, o := range found {
		number := ""
		if o.Track > 0 {
			number = fmt.Sprintf("%d ", o.Track)
		}
		parts = append(parts, number+fmt.Sprintf("%s %.0f %% at %.0f,%.0f,%.0f,%.0f", o.Label, 100*o.Score, o.Box[0], o.Box[1], o.Box[2], o.Box[3]))
	}
	return cmp.Or(strings.Join(parts, "; "), "nothing")
}

// sighted is a sighting of classes and their parts of a frame.
func sighted(shares []models.Share, draw func() *picture.Image) sighting {
	var parts []string
	for _, s := range shares {
		parts = append(parts, fmt.Sprintf("%s %.1f %%", s.Label, 100*s.Share))
	}
	return sighting{struct {
		Classes []models.Share `json:"classes"`
	}{shares}, strings.Join(parts, ", "), draw}
}

// blended is the mean of two pictures of a size.
func blended(a, b *picture.Image) *picture.Image {
	out := picture.New(a.W, a.H)
	for i := range out.Pix {
		out.Pix[i] = uint8((int(a.Pix[i]) + int(b.Pix[i])) / 2)
	}
	return out
}

// sightOfTexts writes a text of each frame.
func (a *app) sightOfTexts(m *models.Model) sight {
	a.configure(m.Writer())
	seed := a.drawSeed()
	words := a.words()
	return func(ctx context.Context, img *picture.Image) (sighting, error) {
		t, err := m.Write(ctx, models.Ask{Image: img, Words: words, Question: a.question != "", Seed: seed})
		if err != nil {
			return sighting{}, err
		}
		return a.written(img, struct {
			Text    string           `json:"text"`
			Tokens  []uint32         `json:"tokens"`
			Stopped generate.Stopped `json:"stopped"`
		}{t.Words, t.IDs[t.Begun:], t.Stopped}, []string{t.Words}), nil
	}
}

// sightOfMatches tells how well texts go with each frame, by a model that reads both at once.
func (a *app) sightOfMatches(m *models.Model) (sight, error) {
	if len(a.texts) == 0 {
		return nil, cli.Usagef("%s tells how well texts go with pictures: give -text", m.Name)
	}
	cosine := a.match == matchCosine
	return func(ctx context.Context, img *picture.Image) (sighting, error) {
		scores, _, err := m.MatchTexts(ctx, img, a.texts, cosine)
		if err != nil {
			return sighting{}, err
		}
		var entry struct {
			Scores []textScoreJSON `json:"scores"`
		}
		var parts []string
		for i, text := range a.texts {
			entry.Scores = append(entry.Scores, textScoreJSON{text, scores[i]})
			parts = append(parts, fmt.Sprintf("%s %s", shownScore(scores[i], cosine), text))
		}
		return a.written(img, entry, parts), nil
	}, nil
}

// sightByTexts compares each frame with texts by their embeddings.
func (a *app) sightByTexts(ctx context.Context, m *models.Model) (sight, error) {
	s := &search{pass: pass{app: a, m: m, bar: a.progress()}}
	if err := s.embedTexts(ctx); err != nil {
		return nil, err
	}
	return func(ctx context.Context, img *picture.Image) (sighting, error) {
		var entry struct {
			Scores []scoreJSON `json:"scores"`
		}
		var parts []string
		err := m.EmbedPictures(ctx, 1, 1, false, func(int) (*picture.Image, error) { return img, nil }, func(_ int, v []float32, err error) error {
			if err != nil {
				return err
			}
			logits, scores := textScores(m, v, s.texts)
			for i, text := range a.texts {
				entry.Scores = append(entry.Scores, scoreJSON{text, scores[i], logits[i]})
				parts = append(parts, fmt.Sprintf("%.2f %% %s", 100*scores[i], shortText(text)))
			}
			return nil
		})
		return a.written(img, entry, parts), err
	}, nil
}

// sightOfMasks gives masks of what is at the same points and in the same boxes of each frame.
func (a *app) sightOfMasks(m *models.Model) (sight, error) {
	c := &cutter{pass: pass{app: a, m: m, bar: a.progress()}}
	if len(c.asked()) == 0 {
		return nil, cli.Usagef("%s masks what is at points or in boxes of each frame: give -point X,Y or -box X0,Y0,X1,Y1", m.Name)
	}
	return func(ctx context.Context, img *picture.Image) (sighting, error) {
		e, err := m.EncodePicture(ctx, img)
		if err != nil {
			return sighting{}, err
		}
		var entry struct {
			Masks []maskJSON `json:"masks"`
		}
		var found []models.Mask
		var parts []string
		for i, p := range c.asked() {
			some, err := e.Masks(ctx, p)
			if err != nil {
				return sighting{}, err
			}
			found, entry.Masks = append(found, some...), append(entry.Masks, described(some, i)...)
			if len(some) > 0 {
				parts = append(parts, fmt.Sprintf("score %.3f, %d pixels", some[0].Score, some[0].Area()))
			}
		}
		return sighting{entry, strings.Join(parts, "; "), func() *picture.Image { return c.overlay(img, entry.Masks, found) }}, nil
	}, nil
}

// watchPages reads the text of each frame.
func (a *app) watchPages(ctx context.Context) error {
	o, err := a.prepare()
	if err != nil {
		return err
	}
	reader, err := a.openReader(ctx, a.weights, o)
	if err != nil {
		return err
	}
	defer reader.Close()
	return a.watchFrames(ctx, func(ctx context.Context, img *picture.Image) (sighting, error) {
		lines, err := reader.Read(ctx, img)
		entry := struct {
			Lines []lineJSON `json:"lines"`
		}{[]lineJSON{}}
		var parts []string
		var boxes []figure.Box
		for _, l := range lines {
			q := corners(l.Quad)
			entry.Lines, parts = append(entry.Lines, lineJSON{l.Text, l.Score, q}), append(parts, l.Text)
			boxes = append(boxes, figure.Box{Corners: around(q), Label: l.Text})
		}
		return sighting{entry, strings.Join(parts, " | "), func() *picture.Image { return figure.DrawBoxes(img, boxes) }}, err
	})
}

// around is the box around a quadrilateral.
func around(q [4][2]float64) [4]float64 {
	b := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range q {
		b = [4]float64{min(b[0], p[0]), min(b[1], p[1]), max(b[2], p[0]), max(b[3], p[1])}
	}
	return b
}
