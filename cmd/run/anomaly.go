package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/figure"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/anomaly"
	"saccade/models/sensors"
	"saccade/picture"
)

// bankJSON says what became of a bank.
type bankJSON struct {
	Path      string    `json:"path"`
	Method    string    `json:"method"`
	Layers    []string  `json:"layers"`
	Images    int       `json:"images"`
	Patches   int       `json:"patches"`
	Width     int       `json:"width"`
	Quantile  float64   `json:"quantile"`
	Threshold float64   `json:"threshold"`
	HeldOut   []float64 `json:"held_out"`
}

// normalJSON is the document of -normal.
type normalJSON struct {
	head
	Bank   bankJSON    `json:"bank"`
	Errors []pathError `json:"errors,omitempty"`
	MS     timesJSON   `json:"ms"`
}

// unlikeJSON is a picture with its score.
type unlikeJSON struct {
	Path      string       `json:"path"`
	Score     float64      `json:"score"`
	Threshold float64      `json:"threshold"`
	Anomalous bool         `json:"anomalous"`
	Picture   *scoredJSON  `json:"picture,omitempty"`  // of the picture alone, where readings are beside it,
	Readings  *scoredJSON  `json:"readings,omitempty"` // and of those alone
	Written   *writtenJSON `json:"written,omitempty"`
}

// scoredJSON is a score of its own.
type scoredJSON struct {
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// unlikesJSON is the document of pictures that were compared.
type unlikesJSON struct {
	head
	Images []unlikeJSON `json:"images"`
	Errors []pathError  `json:"errors,omitempty"`
	MS     timesJSON    `json:"ms"`
}

// likeness is one call that makes a bank or compares with one.
type likeness struct {
	pass
	method   anomaly.Method
	layers   []string
	detector *anomaly.Detector
	table    *sensors.Table // of -sensors, or nil
	rows     map[string]int // of the table, by the pictures' paths
}

// compareNormal makes a bank of what is normal, or compares pictures with one.
func (a *app) compareNormal(ctx context.Context) error {
	if a.normal != "" {
		return a.makeBank(ctx)
	}
	bank, err := anomaly.Open(a.index)
	if err != nil {
		return err
	}
	c, err := a.likenessTo(ctx, bank)
	if err != nil {
		return err
	}
	defer c.m.Close()
	if c.detector, err = bank.Detector(a.dev); err != nil {
		return err
	}
	defer c.detector.Close()
	if err := c.findReadings(); err != nil {
		return err
	}
	switch {
	case a.moving():
		return a.watchFrames(ctx, c.sight)
	case a.view:
		return c.show(ctx)
	case a.eval != "":
		return c.evaluate(ctx)
	}
	return c.compare(ctx)
}

// head begins the documents: the model is what was asked for, its backbone the network.
func (c *likeness) head() head {
	h := c.app.head(c.m)
	h.Model, h.Backbone = anomalyFamily, c.m.Name
	return h
}

// likenessTo loads the network that a bank was made with.
func (a *app) likenessTo(ctx context.Context, bank *anomaly.Bank) (*likeness, error) {
	var err error
	if a.precision, err = models.ParsePrecision(bank.Origin.Precision); err != nil {
		return nil, fmt.Errorf("bank %s: %w", a.index, err)
	}
	a.override = bank.Origin.Override
	source := bank.Origin.Source
	if strings.HasPrefix(source, "zoo/") {
		source = ""
	}
	if a.weights != "" {
		source = a.weights
	}
	m, err := a.loadBackbone(ctx, bank.Origin.Model, source)
	if err != nil {
		return nil, err
	}
	c := &likeness{pass: pass{app: a, m: m, bar: a.progress()}, method: bank.Method, layers: bank.Origin.Layers}
	origin, err := c.origin()
	if err == nil {
		err = bank.Origin.Check(a.index, origin)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return c, nil
}

// loadBackbone loads the network whose features are compared.
func (a *app) loadBackbone(ctx context.Context, name, source string) (*models.Model, error) {
	o, err := a.prepare()
	if err != nil {
		return nil, err
	}
	return a.loadModel(ctx, name, source, o)
}

// origin is what makes the features.
func (c *likeness) origin() (anomaly.Origin, error) {
	print, err := c.m.Fingerprint()
	return anomaly.Origin{
		Model: c.m.Name, Source: c.m.Source, Fingerprint: print, Precision: c.m.Precision.String(), Layers: c.layers, Override: c.override,
		Preprocessing: fmt.Sprintf("%+v over %v", *c.m.Processor, c.background),
	}, err
}

// The sizes that features are taken at where nobody says another: the embedded network was
// trained on 32×32 pixels, and AnomalyDINO's authors take 448.
const (
	embeddedSize = "64"
	dinoSize     = "448"
)

// makeBank makes a bank of the pictures of -normal.
func (a *app) makeBank(ctx context.Context) error {
	a.images = []string{a.normal}
	method := anomaly.Method(a.method)
	if method == "" {
		method = anomaly.PatchCore
	}
	backbone := a.backbone
	if backbone == "" {
		backbone = "resnet"
		if method == anomaly.DINO {
			backbone = "dinov2"
		}
	}
	if !a.given["precision"] {
		a.precision = gpu.F32 // scores are to be the same on every adapter
	}
	if !a.given["size"] {
		switch {
		case method == anomaly.DINO:
			a.override.Size = dinoSize
		case a.weights == "":
			a.override.Size = embeddedSize
		}
	}
	m, err := a.loadBackbone(ctx, backbone, a.weights)
	if err != nil {
		return err
	}
	defer m.Close()
	c := &likeness{pass: pass{app: a, m: m, bar: a.progress()}, method: method, layers: a.layers}
	if err := c.findReadings(); err != nil {
		return err
	}
	all, readings, err := c.normals(ctx)
	c.bar.clear()
	if err != nil {
		return err
	}
	bank, err := anomaly.Fit(ctx, a.dev, method, all, anomaly.Options{Coreset: a.coreset, Quantile: a.quantileGiven()})
	if err != nil {
		return fmt.Errorf("folder %s: %w", a.normal, err)
	}
	if bank.Origin, err = c.origin(); err != nil {
		return err
	}
	if c.table != nil {
		if err := bank.AddReadings(c.table.Columns, readings); err != nil {
			return fmt.Errorf("sensors %s: %w", a.sensors, err)
		}
	}
	if err := bank.Save(a.out); err != nil {
		return err
	}
	return c.tellBank(bank)
}

// quantileGiven is that of -quantile, nil if it was not typed.
func (o *options) quantileGiven() *float64 {
	if o.given["quantile"] {
		return &o.quantile
	}
	return nil
}

// normals are the patches of the normal pictures, and the readings beside them.
func (c *likeness) normals(ctx context.Context) (all []anomaly.Patches, readings [][]float64, err error) {
	for i, path := range c.pictures {
		c.bar.pictures(i, len(c.pictures))
		row, err := c.readingsOf(path)
		var p anomaly.Patches
		if err == nil {
			p, _, err = c.patches(ctx, path)
		}
		if bad, ok := err.(unreadable); ok {
			err = c.bad(path, bad.error, len(c.pictures) == 1)
		} else if err == nil {
			all, readings = append(all, p), append(readings, row)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return all, readings, nil
}

// patches are those of a picture, with what the network saw.
func (c *likeness) patches(ctx context.Context, path string) (anomaly.Patches, *models.Seen, error) {
	if err := ctx.Err(); err != nil {
		return anomaly.Patches{}, nil, err
	}
	img, err := c.decode(path)
	if err != nil {
		return anomaly.Patches{}, nil, unreadable{err}
	}
	return c.patchesOf(ctx, img)
}

// patchesOf are those of a picture that was read.
func (c *likeness) patchesOf(ctx context.Context, img *picture.Image) (anomaly.Patches, *models.Seen, error) {
	s, err := c.m.See(img, figure.DefaultSide)
	if err != nil {
		return anomaly.Patches{}, nil, unreadable{err}
	}
	if c.layers == nil {
		if c.layers, err = c.m.PatchLayers(ctx, c.method, s.Pixels); err != nil {
			return anomaly.Patches{}, nil, err
		}
	}
	began := time.Now()
	p, err := c.m.Patches(ctx, c.method, c.layers, s.Pixels)
	c.forward += time.Since(began)
	return p, s, err
}

func (c *likeness) tellBank(b *anomaly.Bank) error {
	doc := normalJSON{head: c.head(), Errors: c.errors, MS: times(c.m, c.forward),
		Bank: bankJSON{c.out, string(b.Method), c.layers, b.Images, b.Patches(), b.Width(), b.Quantile, b.Threshold, b.HeldOut}}
	return c.conclude(&doc, func() {
		c.stdout.printf("%s: %s of %s, %d patches of %d values of %s; anomalous above %.6g\n", c.out, string(b.Method), cli.Count(b.Images, "picture"), b.Patches(), b.Width(), strings.Join(c.layers, ", "), b.Threshold)
	}, len(c.pictures))
}

// compare scores the pictures of -image.
func (c *likeness) compare(ctx context.Context) error {
	doc := unlikesJSON{head: c.head(), Images: []unlikeJSON{}}
	files, err := c.measuredFiles()
	if err != nil {
		return err
	}
	for i, path := range c.pictures {
		file := ""
		if files != nil {
			file = files[i]
		}
		found, err := c.score(ctx, path, file)
		if bad, ok := err.(unreadable); ok {
			err = c.bad(path, bad.error, len(c.pictures) == 1)
		} else if err == nil {
			doc.Images = append(doc.Images, found)
			err = c.tell(found)
		}
		if err != nil {
			return err
		}
	}
	doc.Errors, doc.MS = c.errors, times(c.m, c.forward)
	return c.conclude(&doc, func() {}, len(c.pictures))
}

// score compares a picture, and draws its heat map into a file unless that is "".
func (c *likeness) score(ctx context.Context, path, file string) (unlikeJSON, error) {
	if err := ctx.Err(); err != nil {
		return unlikeJSON{}, err
	}
	img, err := c.decode(path)
	if err != nil {
		return unlikeJSON{}, unreadable{err}
	}
	u, s, found, err := c.scoreOf(ctx, img)
	if u.Path = path; err != nil {
		return u, err
	}
	if err := c.fuseScore(&u); err != nil {
		return u, err
	}
	if file != "" {
		u.Written, err = c.app.write(file, c.picture(u, s, found))
	}
	return u, err
}

// scoreOf compares a picture that was read.
func (c *likeness) scoreOf(ctx context.Context, img *picture.Image) (u unlikeJSON, s *models.Seen, found anomaly.Found, err error) {
	p, s, err := c.patchesOf(ctx, img)
	if err != nil {
		return u, s, found, err
	}
	began := time.Now()
	found, err = c.detector.Score(ctx, p)
	c.forward += time.Since(began)
	return unlikeJSON{Score: found.Score, Threshold: c.detector.Threshold, Anomalous: found.Score > c.detector.Threshold}, s, found, err
}

// picture is a heat map beside its picture; its colours begin at 0 and end at the threshold
// or beyond.
func (c *likeness) picture(u unlikeJSON, s *models.Seen, found anomaly.Found) figure.Figure {
	h := heat(models.Map{Rows: s.H, Columns: s.W, Height: 1, Width: 1, Values: found.Heat}, "distance from what is normal")
	h.Low, h.High = 0, max(h.High, c.detector.Threshold)
	verdict := "normal"
	if u.Anomalous {
		verdict = "anomalous"
	}
	return figure.Figure{Side: side(2), Rows: figure.Wrap([]figure.Panel{
		{Title: base(u.Path), Note: fmt.Sprintf("seen in %d×%d pixels", s.W, s.H), Picture: s.View},
		{Title: verdict, Note: fmt.Sprintf("score %.4g, threshold %.4g", u.Score, u.Threshold), Picture: s.View, Heat: h},
	}, 2)}
}

// tell prints what a picture has.
func (c *likeness) tell(u unlikeJSON) error {
	if c.json {
		return nil
	}
	c.bar.clear()
	verdict := ""
	if u.Anomalous {
		verdict = "  anomalous"
	}
	c.stdout.printf("%8.4f  %s%s\n", u.Score, u.Path, verdict)
	if u.Written != nil {
		u.Written.print(c.stdout)
	}
	return c.stdout.flush()
}
