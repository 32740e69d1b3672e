package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/live"
	"saccade/models"
	"saccade/models/generate"
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
)

// textJSON is the text that was written of a picture.
type textJSON struct {
	Path    string           `json:"path"`
	Text    string           `json:"text"`
	Tokens  []uint32         `json:"tokens"` // that were written
	Stopped generate.Stopped `json:"stopped"`
	Words   []wordJSON       `json:"words,omitempty"` // with -explain
	// Tiles and PictureTokens are of a picture that a model is asked about in a conversation,
	// Turns its turns with -chat.
	Tiles         int        `json:"tiles,omitempty"`
	PictureTokens int        `json:"picture_tokens,omitempty"`
	Turns         []turnJSON `json:"turns,omitempty"`
	// Segments are of a sound, where the text was written with times.
	Segments []segmentJSON `json:"segments,omitempty"`
}

// writingJSON is the document of texts.
type writingJSON struct {
	head
	Images []textJSON       `json:"images"`
	Tokens int              `json:"tokens"` // all of them
	Memory *writeMemoryJSON `json:"memory,omitempty"`
	drawnJSON
}

// scribe is one call that writes texts.
type scribe struct {
	pass
	doc  writingJSON
	rows [][]uint32 // of all texts, what they begin with among them
	seed uint64
	maps [][]figure.Panel // of each picture's words, with -explain
}

// writeTexts writes a text of each picture, or of raw inputs.
func (a *app) writeTexts(ctx context.Context, m *models.Model) error {
	a.configure(m.Writer())
	s := &scribe{pass: pass{app: a, m: m, bar: &progress{}}, seed: a.drawSeed()}
	s.doc.head, s.doc.Images = a.head(m), []textJSON{}
	var err error
	switch {
	case len(a.texts) > 0:
		err = fmt.Errorf("%s from %s writes texts and scores none; leave -text out, or give weights that match texts", m.Name, m.Source)
	case a.raw != nil:
		return s.writeRaw(ctx)
	case m.SoundRate() > 0:
		return s.writeSounds(ctx)
	case len(a.pictures) == 0:
		err = cli.Usagef("no picture: give -image FILE")
	case a.view:
		return s.show(ctx)
	case m.Converses():
		err = s.converse(ctx)
	default:
		err = s.writePictures(ctx)
	}
	if err != nil {
		return err
	}
	return s.finish(len(a.pictures))
}

// configure changes how tokens are chosen as the flags say.
func (a *app) configure(g *generate.Generator) {
	c := &g.Config
	if a.maxTokens > 0 {
		c.MaxTokens = a.maxTokens
	}
	if a.beams > 0 {
		c.Beams = a.beams
	}
	for _, name := range drawingTokens {
		if a.given[name] {
			c.Sample, c.Beams = true, 1
		}
	}
	if a.given["temperature"] {
		c.Sample, c.Temperature = a.temperature > 0, a.temperature
	}
	if a.given["top-k"] {
		c.TopK = &a.topK
	}
	if a.given["top-p"] {
		c.TopP = a.topP
	}
	if a.beams > 1 {
		c.Sample = false
	}
}

// drawSeed is the one of -seed, or a random one for less than zero.
func (a *app) drawSeed() uint64 {
	if a.painting.seed >= 0 {
		return uint64(a.painting.seed)
	}
	return rand.Uint64() >> 16
}

// words are the user's: a question, or what the text begins with.
func (a *app) words() string {
	if len(a.prompts) > 0 {
		return a.prompts[0]
	}
	return a.question
}

// show writes in a window.
func (s *scribe) show(ctx context.Context) error {
	c, err := live.NewCaption(ctx, s.m, s.pictures, s.decode, models.Ask{Words: s.words(), Question: s.question != "", Seed: s.seed})
	if err != nil {
		return err
	}
	defer c.Close()
	return viewer.New(c, viewer.Options{Smooth: true}).Run(ctx, s.dev)
}

func (s *scribe) writePictures(ctx context.Context) error {
	planned := false
	for _, path := range s.pictures {
		img, err := s.decode(path)
		if err != nil {
			if err := s.bad(path, err, len(s.pictures) == 1); err != nil {
				return err
			}
			continue
		}
		q := models.Ask{Image: img, Words: s.words(), Question: s.question != "", Seed: s.seed}
		if !planned {
			if err := s.tellPlan(s.m.PlanWrite(q)); err != nil {
				return err
			}
			planned = true
		}
		if err := s.write(ctx, path, q); err != nil {
			return err
		}
	}
	return nil
}

// tellPlan says what the texts take at most.
func (s *scribe) tellPlan(p generate.Plan, err error) error {
	if err == nil {
		err = s.dev.Fits(p.Sum())
	}
	s.doc.Memory = &writeMemoryJSON{p.Tokens, p.Caches, p.Memory, p.Programs}
	if err == nil && !s.json && cli.IsTerminal(s.stderr) {
		fmt.Fprintf(s.stderr, "%s\n", p)
	}
	return err
}

// writeMemoryJSON is what a text takes on the device at most, in bytes, without the weights.
type writeMemoryJSON struct {
	MaxTokens   int   `json:"max_tokens"`
	Caches      int64 `json:"caches"`
	About       int64 `json:"about"` // what is kept of the picture or sound
	Activations int64 `json:"activations"`
}

// write writes the text of a picture: to a terminal token by token.
func (s *scribe) write(ctx context.Context, path string, q models.Ask) error {
	before := ""
	if len(s.pictures) > 1 {
		before = path + ": "
	}
	text := s.stream(before)
	if text.live {
		q.Each = func(_ uint32, words string) { text.reach(words) }
	}
	began := time.Now()
	t, err := s.m.Write(ctx, q)
	if err != nil {
		return naming(path, err)
	}
	s.forward += time.Since(began)
	s.add(path, t)
	if s.explain != "" {
		if err := s.look(ctx, path, q, t); err != nil {
			return err
		}
	}
	if !s.json {
		text.end(t.Words)
	}
	return s.stdout.w.Flush()
}

// look draws where the model looked for each word.
func (s *scribe) look(ctx context.Context, path string, q models.Ask, t models.Written) error {
	maps, err := s.m.WordMaps(ctx, q, t)
	if err != nil {
		return err
	}
	seen, err := s.m.See(q.Image, 320)
	if err != nil {
		return err
	}
	panels := []figure.Panel{{Title: base(path), Note: t.Words, Picture: seen.View}}
	x := &s.doc.Images[len(s.doc.Images)-1]
	for _, m := range maps {
		panels = append(panels, figure.Panel{Title: m.Word, Picture: seen.View, Heat: heat(m.Map, "attention")})
		var sum float64
		for _, v := range m.Map.Values {
			sum += float64(v)
		}
		x.Words = append(x.Words, wordJSON{m.Word, sum})
	}
	s.maps = append(s.maps, panels)
	return nil
}

// add takes a text into the document.
func (s *scribe) add(path string, t models.Written) {
	tokens := t.IDs[t.Begun:]
	s.doc.Images = append(s.doc.Images, textJSON{Path: path, Text: t.Words, Tokens: tokens, Stopped: t.Stopped})
	s.doc.Tokens += len(tokens)
	s.rows = append(s.rows, t.IDs)
}

// writeRaw writes a text for each item of raw inputs, or gives the logits of the ids
// among them.
func (s *scribe) writeRaw(ctx context.Context) error {
	d := s.m.Writer().Decoder
	if _, ids := s.raw[d.IDs]; ids && !s.generate {
		return s.saveRaw(ctx)
	}
	began := time.Now()
	sequences, texts, err := s.sequences(ctx)
	if err != nil {
		return s.ofInput(err)
	}
	s.forward = time.Since(began)
	names := s.rawNames(len(texts))
	for i, t := range texts {
		words, err := s.m.Words(t.IDs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, models.ErrNoTokenizer) {
			return err
		}
		s.add(names[i], models.Written{Text: t, Words: words})
		if !s.json {
			s.stdout.printf("%s: %s\n", names[i], cmp.Or(words, fmt.Sprint(t.IDs)))
		}
	}
	if s.save != "" {
		out := newSaver()
		out.set(s.input, map[string]models.Array{"sequences": sequences})
		if err := out.write(s.save); err != nil {
			return err
		}
		s.save = ""
	}
	return s.finish(len(texts))
}

// finish saves the sequences and ends the document.
func (s *scribe) finish(n int) error {
	if s.save != "" && len(s.rows) > 0 {
		sequences := s.m.Padded(s.rows)
		out := newSaver()
		out.outputs["sequences"], out.paths = &sequences, s.paths()
		if err := out.write(s.save); err != nil {
			return err
		}
	}
	if len(s.maps) > 0 {
		var err error
		if s.doc.Written, err = s.app.write(s.explain, *arrange(s.maps)); err != nil {
			return err
		}
	}
	compile := s.m.WriteCompile()
	s.forward -= compile
	s.doc.Errors, s.doc.MS = s.errors, timesJSON{milliseconds(s.m.LoadTime), milliseconds(compile), milliseconds(s.forward)}
	if !s.json && s.doc.Tokens > 0 {
		defer fmt.Fprintf(s.stderr, "%s, %.1f a second\n", cli.Count(s.doc.Tokens, "token"), float64(s.doc.Tokens)/s.forward.Seconds())
	}
	return s.conclude(&s.doc, func() {
		if s.doc.Written != nil {
			s.doc.Written.print(s.stdout)
		}
	}, n)
}

// paths are those of the pictures that were read.
func (s *scribe) paths() []string {
	var all []string
	for _, x := range s.doc.Images {
		all = append(all, x.Path)
	}
	return all
}

// textScoreJSON is how well a text goes with a picture.
type textScoreJSON struct {
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

type matchedJSON struct {
	Path   string          `json:"path"`
	Scores []textScoreJSON `json:"scores"`
}

type matchingJSON struct {
	head
	Images []matchedJSON `json:"images"`
	Errors []pathError   `json:"errors,omitempty"`
	MS     timesJSON     `json:"ms"`
}

// matchTexts tells how well texts go with pictures.
func (a *app) matchTexts(ctx context.Context, m *models.Model) error {
	t := &pass{app: a, m: m, bar: &progress{}}
	doc := matchingJSON{head: a.head(m), Images: []matchedJSON{}}
	cosine := a.match == matchCosine
	if a.raw != nil {
		began := time.Now()
		out, err := m.MatchRaw(ctx, a.raw, cosine)
		if err != nil {
			return a.ofInput(err)
		}
		if a.save == "" {
			return cli.Usagef("what comes of raw inputs other than images goes to a file: give -save FILE.safetensors")
		}
		t.forward = time.Since(began)
		s := newSaver()
		s.set(a.input, out)
		if err := s.write(a.save); err != nil {
			return err
		}
		doc.MS = times(m, t.forward)
		return t.conclude(&doc, func() {}, 1)
	}
	if len(a.texts) == 0 || len(a.pictures) == 0 {
		return cli.Usagef("%s tells how well texts go with pictures: give -image and -text", m.Name)
	}
	saved := newSaver()
	for _, path := range a.pictures {
		img, err := a.decode(path)
		if err == nil {
			err = t.matchOne(ctx, path, img, cosine, &doc, saved)
		}
		if err != nil {
			if err := t.bad(path, err, len(a.pictures) == 1); err != nil {
				return err
			}
		}
	}
	if a.save != "" && len(saved.paths) > 0 {
		if err := saved.write(a.save); err != nil {
			return err
		}
	}
	doc.Errors, doc.MS = t.errors, times(m, t.forward)
	return t.conclude(&doc, func() {}, len(a.pictures))
}

// matchOne compares the texts with a picture.
func (t *pass) matchOne(ctx context.Context, path string, img *picture.Image, cosine bool, doc *matchingJSON, saved *saver) error {
	began := time.Now()
	scores, raw, err := t.m.MatchTexts(ctx, img, t.texts, cosine)
	if err != nil {
		return err
	}
	t.forward += time.Since(began)
	x := matchedJSON{Path: path}
	for i, text := range t.texts {
		x.Scores = append(x.Scores, textScoreJSON{text, scores[i]})
	}
	doc.Images = append(doc.Images, x)
	if !t.json {
		t.stdout.printf("%s\n", path)
		for _, s := range x.Scores {
			t.stdout.printf("  %8s  %s\n", shownScore(s.Score, cosine), weights.Escape(s.Text))
		}
	}
	return saved.add(path, map[string]models.Array{models.ITMScore: raw})
}

// shownScore is a cosine, or a probability in per cent.
func shownScore(score float64, cosine bool) string {
	if cosine {
		return fmt.Sprintf("%.4f", score)
	}
	return fmt.Sprintf("%.2f %%", 100*score)
}
