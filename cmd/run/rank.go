package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/probe"
	"saccade/models/sensors"
	"saccade/picture"
)

// rank orders the classes of one picture's outputs, the best first; top 0 means all.
type rank func(outputs map[string]models.Array, top int) ([]models.Prediction, error)

// ranking is how pictures are classified: by the nearest of -examples, by the
// names of -eval's folders as texts for a model of pictures and texts, else by
// the network's own classes; nil if it has none.
func (a *app) ranking(ctx context.Context, m *models.Model) (rank, error) {
	switch {
	case a.tip != nil:
		return a.byTip(m)
	case a.examples != "":
		return a.byExamples(ctx, m)
	case m.Dual() && a.eval != "":
		return a.byNames(ctx, m)
	case m.Classes() > 0:
		return m.Top, nil
	}
	return nil, nil
}

// classNames are the names of folders.
func classNames(classes []class) []string {
	names := make([]string, len(classes))
	for i, c := range classes {
		names[i] = c.Name
	}
	return names
}

// findExamples lists the classes of -examples.
func (a *app) findExamples() (err error) {
	if info, statErr := os.Stat(a.examples); statErr != nil || info.IsDir() {
		if a.sensors != "" {
			return cli.Usagef("-examples %s: with -sensors it is a file, what train -sensors wrote", a.examples)
		}
		a.shown, err = a.findClasses(a.examples)
		return err
	}
	if a.sensors != "" {
		a.fused, err = sensors.ReadFusion(a.examples)
		return err
	}
	if a.tip, err = probe.ReadTip(a.examples); err != nil {
		return err
	}
	for _, label := range a.tip.Labels {
		a.shown = append(a.shown, class{Name: label})
	}
	return nil
}

// byTip classifies by a Tip-Adapter of the same weights.
func (a *app) byTip(m *models.Model) (rank, error) {
	print, err := m.Fingerprint()
	if err != nil {
		return nil, err
	}
	if print != a.tip.Fingerprint {
		return nil, fmt.Errorf("examples %s: they are of other weights than those of %s; make them anew with train -tip", a.examples, m.Source)
	}
	return func(outputs map[string]models.Array, top int) ([]models.Prediction, error) {
		v, err := m.Embedding(outputs)
		if err != nil {
			return nil, err
		}
		logits := a.tip.Logits(v)
		p := make([]models.Prediction, len(logits))
		for i, score := range m.Scores(logits) {
			p[i] = models.Prediction{Index: i, Label: a.tip.Labels[i], Score: score, Logit: logits[i]}
		}
		slices.SortStableFunc(p, func(x, y models.Prediction) int { return cmp.Compare(y.Logit, x.Logit) })
		return best(p, top), nil
	}, nil
}

// byExamples classifies by the nearest neighbours among the examples.
func (a *app) byExamples(ctx context.Context, m *models.Model) (rank, error) {
	var paths, labels []string
	for _, c := range a.shown {
		for _, path := range c.Paths {
			paths, labels = append(paths, path), append(labels, c.Name)
		}
	}
	bar, began := a.progress(), time.Now()
	open := func(i int) (*picture.Image, error) { return a.decode(paths[i]) }
	vectors := make([][]float32, 0, len(paths))
	err := m.EmbedPictures(ctx, len(paths), a.batch, false, open, func(i int, v []float32, err error) error {
		bar.rated(i+1, len(paths), time.Since(began))
		if err != nil { // an example that is left out would change all answers
			return fmt.Errorf("example: %w", naming(paths[i], err))
		}
		vectors = append(vectors, v)
		return nil
	})
	bar.clear()
	if err != nil {
		return nil, err
	}
	n, err := models.NewNeighbours(labels, vectors)
	if err != nil {
		return nil, fmt.Errorf("examples %s: %w", a.examples, err)
	}
	return func(outputs map[string]models.Array, top int) ([]models.Prediction, error) {
		v, err := m.Embedding(outputs)
		if err != nil {
			return nil, err
		}
		return best(n.Classify(v), top), nil
	}, nil
}

// byNames classifies by the names of the folders, without any training. Without
// -template they are put as CLIP's authors put them.
func (a *app) byNames(ctx context.Context, m *models.Model) (rank, error) {
	names := classNames(a.classes)
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = cli.Plain(name)
	}
	texts, _, err := a.promptEmbeds(ctx, m, words, "a photo of a {}")
	if err != nil {
		return nil, err
	}
	return func(outputs map[string]models.Array, top int) ([]models.Prediction, error) {
		v, err := m.Embedding(outputs)
		if err != nil {
			return nil, err
		}
		logits, scores := textScores(m, v, texts)
		p := make([]models.Prediction, len(texts))
		for i, score := range scores {
			p[i] = models.Prediction{Index: i, Label: names[i], Score: score, Logit: logits[i]}
		}
		slices.SortStableFunc(p, func(x, y models.Prediction) int { return cmp.Compare(y.Logit, x.Logit) })
		return best(p, top), nil
	}, nil
}

// best are the first of what is ranked; top 0 means all.
func best[T any](p []T, top int) []T {
	if top > 0 && top < len(p) {
		return p[:top]
	}
	return p
}
