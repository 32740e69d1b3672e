package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/index"
	"saccade/models"
	"saccade/models/clap"
	"saccade/nearest"
	"saccade/picture"
	"saccade/weights"
)

// scoreJSON is a text with its probability for a picture.
type scoreJSON struct {
	Text  string  `json:"text"`
	Score float64 `json:"score"`
	Logit float64 `json:"logit"`
}

// matchJSON is a picture with what it was compared with: texts, or, ranked by a
// picture, the cosine.
type matchJSON struct {
	Path   string      `json:"path"`
	Scores []scoreJSON `json:"scores,omitempty"`
	Cosine *float64    `json:"cosine,omitempty"`
	// Of pictures and sounds together: which it is, and how many nats the text is likelier
	// for it than other sentences are.
	Kind     string   `json:"kind,omitempty"`
	Evidence *float64 `json:"evidence,omitempty"`
}

// searchJSON is the document of -text and -similar.
type searchJSON struct {
	head
	Images  []matchJSON `json:"images"`
	Indexed *indexJSON  `json:"index,omitempty"`
	Errors  []pathError `json:"errors,omitempty"`
	MS      timesJSON   `json:"ms"`
}

// indexJSON says what became of an index.
type indexJSON struct {
	Path    string `json:"path"`
	Images  int    `json:"images"`
	Sounds  int    `json:"sounds,omitempty"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
}

// search is one call that compares pictures by their embeddings.
type search struct {
	pass
	doc searchJSON

	texts [][]float32 // embeddings of -text
	files []string    // pictures or sounds to look at
	given []string    // the files and folders of flags that those are of

	file    string         // of the index, or ""
	store   *index.Index   // of -index, or nil
	vectors *index.Vectors // of the pictures, or nil while they stay in the index
	count   int            // pictures
}

// searchPictures compares pictures with texts or with a picture.
func (a *app) searchPictures(ctx context.Context, m *models.Model) error {
	s := &search{pass: pass{app: a, m: m, bar: a.progress()}, doc: searchJSON{head: a.head(m), Images: []matchJSON{}}, file: a.index}
	if err := s.embedTexts(ctx); err != nil {
		return err
	}
	s.files, s.given = a.pictures, a.images
	switch {
	case m.TakesSounds():
		s.files, s.given = a.heard, a.sounds
	case a.similar != "":
		s.files, s.given = a.gallery, append(slices.Clone(a.images), a.similar)
	}
	source, err := s.soundSource(ctx)
	if err != nil {
		return err
	}
	if source != "" {
		return s.withSounds(ctx, source)
	}
	err = s.collect(ctx)
	s.bar.clear()
	if s.store != nil {
		defer s.store.Close() //nolint:errcheck // all that was added is committed
	}
	if err != nil {
		return err
	}
	switch {
	case a.similar != "":
		err = s.rankByPicture(ctx)
	case len(a.texts) == 1 && (len(s.files) != 1):
		err = s.rankByText(ctx)
	case len(a.texts) > 0:
		err = s.score()
	}
	if err == nil && s.save != "" {
		err = s.saveEmbeds(s.vectors)
	}
	if err != nil {
		return err
	}
	s.doc.Errors, s.doc.MS = s.errors, times(s.m, s.forward)
	return s.conclude(&s.doc, s.print, s.count)
}

// saveEmbeds writes the embeddings and the logits under transformers' names.
func (s *search) saveEmbeds(v *index.Vectors) error {
	if len(v.Data) == 0 {
		return nil // all pictures were bad, which was said
	}
	images, texts, of := stack(v.Data), stack(s.texts), "image_embeds"
	if s.m.TakesSounds() {
		of = clap.AudioEmbeds
	}
	out := newSaver()
	out.outputs = map[string]*models.Array{of: &images, "text_embeds": &texts}
	if name, logits, ok := s.m.PairLogits(map[string]models.Array{of: images, "text_embeds": texts}); ok {
		out.outputs[name] = &logits
	}
	out.paths = v.Paths
	return out.write(s.save)
}

// stack makes one array of vectors.
func stack(vectors [][]float32) models.Array {
	a := models.Array{Shape: []int{len(vectors), len(vectors[0])}}
	for _, v := range vectors {
		a.Data = append(a.Data, v...)
	}
	return a
}

// embedTexts embeds the texts, each in every template.
func (s *search) embedTexts(ctx context.Context) error {
	if len(s.app.texts) == 0 {
		switch {
		case s.similar != "" || s.index != "":
		case s.m.TakesSounds():
			return cli.Usagef("%s from %s compares sounds with texts: give -text", s.m.Name, s.m.Source)
		default:
			return cli.Usagef("%s compares pictures with texts: give -text, or -similar FOLDER", s.m.Name)
		}
		return nil
	}
	embeds, cut, err := s.promptEmbeds(ctx, s.m, s.app.texts, placeholder)
	if err != nil {
		return err
	}
	for _, prompt := range cut {
		s.note("the text %q is longer than the model reads; its end is left out", shortText(prompt))
	}
	s.texts = embeds
	return nil
}

// promptEmbeds embeds each text in every -template, or in the usual one if none
// was given, and averages. cut are the sentences that were too long.
func (a *app) promptEmbeds(ctx context.Context, m *models.Model, texts []string, usual string) (embeds [][]float32, cut []string, err error) {
	templates := a.templates
	if len(templates) == 0 {
		templates = []string{usual}
	}
	var prompts []string
	for _, text := range texts {
		for _, t := range templates {
			prompts = append(prompts, strings.ReplaceAll(t, placeholder, text))
		}
	}
	all, truncated, err := a.embedPrompts(ctx, m, prompts)
	if err != nil {
		return nil, nil, err
	}
	for i, prompt := range prompts {
		if truncated[i] {
			cut = append(cut, prompt)
		}
	}
	for i := range texts {
		embeds = append(embeds, models.MeanVector(all[i*len(templates):(i+1)*len(templates)]))
	}
	return embeds, cut, nil
}

// embedPrompts embeds texts in the space of a dual encoder's pictures, by the encoder of
// -text-weights where one was given.
func (a *app) embedPrompts(ctx context.Context, m *models.Model, texts []string) (embeds [][]float32, truncated []bool, err error) {
	if a.textWeights == "" || m.TakesSounds() {
		return m.EmbedTexts(ctx, texts, nil)
	}
	t, err := a.loadModel(ctx, textFamily, a.textWeights, models.Options{Precision: a.precision, Hub: weights.HubFromEnv()})
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	prompted := make([]string, len(texts))
	for i, text := range texts {
		prompted[i] = t.Prompts().Query + text
	}
	if embeds, truncated, err = t.EmbedTexts(ctx, prompted, nil); err != nil {
		return nil, nil, err
	}
	for i, v := range embeds {
		if width := m.EmbeddingWidth(); len(v) != width {
			return nil, nil, fmt.Errorf("-text-weights %s makes vectors of %d values and %s's pictures have %d; give the encoder that was trained beside it", a.textWeights, len(v), m.Source, width)
		}
		embeds[i] = models.MeanVector([][]float32{v})
	}
	return embeds, truncated, nil
}

// textScores are the logits of a picture and each text, and their probabilities.
func textScores(m *models.Model, picture []float32, texts [][]float32) (logits, scores []float64) {
	for _, text := range texts {
		logits = append(logits, m.Match(picture, text))
	}
	return logits, m.Scores(logits)
}

// shortText is the beginning of a long text.
func shortText(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return s
}

// collect computes the embeddings of the pictures, or brings the index up to date.
func (s *search) collect(ctx context.Context) (err error) {
	if s.file == "" {
		if s.vectors, err = s.compute(ctx); err == nil {
			s.count = len(s.vectors.Paths)
		}
		return err
	}
	if s.store, err = s.openIndex(ctx); err != nil {
		return err
	}
	if err := s.update(ctx); err != nil {
		return err
	}
	if s.count, err = s.store.Count(s.wanted()); err == nil {
		s.doc.Indexed.Images = s.count
	}
	return err
}

// wanted are the pictures to look at of those in the index, nil for all.
func (s *search) wanted() []string {
	if s.everything() {
		return nil
	}
	return s.files
}

// everything says that no flag names what is to be looked at, so that it is all of the index.
func (s *search) everything() bool { return len(s.images)+len(s.sounds) == 0 && s.similar == "" }

// all are the embeddings of all pictures to look at.
func (s *search) all() (*index.Vectors, error) {
	if s.store == nil {
		return s.vectors, nil
	}
	return s.store.Vectors(s.wanted())
}

// rank gives the pictures that are likest a vector, the likest first. Those in an index are
// compared on the device; there they are looked through in parts.
func (s *search) rank(ctx context.Context, query []float32) ([]index.Match, error) {
	if s.store == nil || s.top == 0 || s.top > nearest.Most {
		v, err := s.all()
		if err != nil {
			return nil, err
		}
		return v.Top(query, s.top), nil
	}
	return s.store.Search(s.wanted(), func(t *index.Stored) ([]index.Found, error) {
		rows, err := nearest.Search(ctx, s.dev, t, [][]float32{query}, s.top, nearest.Options{})
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", s.file, err)
		}
		found := make([]index.Found, len(rows[0]))
		for i, r := range rows[0] {
			found[i] = index.Found{Row: r.Index, Cosine: float64(r.Product)}
		}
		return found, nil
	})
}

// openIndex opens or makes the index for this model; without pictures to add, one
// that is there.
func (s *search) openIndex(ctx context.Context) (*index.Index, error) {
	fingerprint, err := s.m.Fingerprint()
	if err != nil {
		return nil, err
	}
	s.doc.Indexed = &indexJSON{Path: s.file}
	id := index.Identity{
		Model: s.m.Name, Source: s.m.Source, Fingerprint: fingerprint, Precision: s.m.Precision.String(),
		Preprocessing: s.m.SoundPreprocessing(),
	}
	if s.m.Processor != nil {
		id.Preprocessing = fmt.Sprintf("%+v over %v", *s.m.Processor, s.background)
	}
	return index.OpenWith(ctx, s.file, id, index.Options{Search: s.everything(), Waiting: func() {
		s.note("index %s: waiting for another process that writes to it", s.file)
	}})
}

// update embeds the pictures that are new or changed, and drops those that are gone.
func (s *search) update(ctx context.Context) (err error) {
	began := time.Now()
	s.doc.Indexed.Added, s.doc.Indexed.Removed, err = s.store.Update(ctx, s.files, s.given, func(ctx context.Context, paths []string, report func(int, []float32, error) error) error {
		return s.embed(ctx, paths, began, report)
	})
	return err
}

// compute embeds the pictures without an index.
func (s *search) compute(ctx context.Context) (*index.Vectors, error) {
	v := &index.Vectors{}
	err := s.embed(ctx, s.files, time.Now(), func(i int, e []float32, err error) error {
		if err == nil {
			v.Paths, v.Data = append(v.Paths, s.files[i]), append(v.Data, e)
		}
		return nil
	})
	return v, err
}

// embed computes the embeddings of pictures. A bad one is named and reported
// with its error.
func (s *search) embed(ctx context.Context, paths []string, began time.Time, report func(i int, v []float32, err error) error) error {
	n, open := len(paths), func(i int) (*picture.Image, error) { return s.decode(paths[i]) }
	tell := func(i int, v []float32, err error) error {
		s.bar.rated(i+1, n, time.Since(began))
		if err != nil {
			if err := s.bad(paths[i], err, n == 1 && s.store == nil); err != nil {
				return err
			}
		}
		return report(i, v, err)
	}
	var err error
	if s.m.TakesSounds() {
		err = s.embedSounds(ctx, paths, tell)
	} else {
		err = s.m.EmbedPictures(ctx, n, s.batch, s.store != nil, open, tell)
	}
	s.forward += time.Since(began)
	return err
}

// score gives the probabilities of the texts for each picture.
func (s *search) score() error {
	v, err := s.all()
	if err != nil {
		return err
	}
	for i, e := range v.Data {
		logits, scores := textScores(s.m, e, s.texts)
		m := matchJSON{Path: v.Paths[i]}
		for t, p := range scores {
			m.Scores = append(m.Scores, scoreJSON{s.app.texts[t], p, logits[t]})
		}
		s.doc.Images = append(s.doc.Images, m)
	}
	return nil
}

// rankByText orders the pictures by the one text.
func (s *search) rankByText(ctx context.Context) error {
	matches, err := s.rank(ctx, s.texts[0])
	if err != nil {
		return err
	}
	for _, match := range matches {
		logit := s.m.MatchCosine(match.Cosine)
		s.doc.Images = append(s.doc.Images, matchJSON{Path: match.Path, Cosine: &match.Cosine,
			Scores: []scoreJSON{{s.app.texts[0], s.m.Scores([]float64{logit})[0], logit}}})
	}
	return nil
}

// rankByPicture orders the pictures by the one of -image.
func (s *search) rankByPicture(ctx context.Context) error {
	var query []float32
	err := s.m.EmbedPictures(ctx, 1, s.batch, s.store != nil, s.openPicture, func(_ int, e []float32, err error) error {
		query = e
		return err
	})
	if err != nil {
		return naming(s.pictures[0], err)
	}
	matches, err := s.rank(ctx, query)
	if err != nil {
		return err
	}
	for _, match := range matches {
		s.doc.Images = append(s.doc.Images, matchJSON{Path: match.Path, Cosine: &match.Cosine})
	}
	return nil
}

// print writes tables: of texts for each picture, or of pictures.
func (s *search) print() {
	if x := s.doc.Indexed; x != nil {
		s.stdout.printf("%s: %s, %d added, %d removed\n", x.Path, x.held(s.subject()), x.Added, x.Removed)
	}
	for _, m := range s.doc.Images {
		if m.Evidence != nil {
			s.stdout.printf("%7.2f  %-7s  %s\n", *m.Evidence, m.Kind, m.Path)
			continue
		}
		if m.Cosine != nil {
			s.stdout.printf("%7.4f  %s\n", *m.Cosine, m.Path)
			continue
		}
		s.stdout.printf("%s\n", m.Path)
		ordered := slices.Clone(m.Scores)
		slices.SortStableFunc(ordered, func(a, b scoreJSON) int { return cmp.Compare(b.Logit, a.Logit) })
		for _, x := range ordered {
			s.stdout.printf("  %6.2f %%  %s\n", 100*x.Score, shortText(x.Text))
		}
	}
}
