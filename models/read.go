package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/ppocr"
	"saccade/picture"
)

// Reader finds the lines of text in images and reads them: a detector and a recogniser.
type Reader struct {
	Source   string
	LoadTime time.Duration
	// Detector and Recogniser are the networks.
	Detector, Recogniser *Model

	find, line ppocr.Process
}

// TextLine is a line of text in an image.
type TextLine struct {
	Text  string
	Score float64    // mean probability of its characters
	Quad  ppocr.Quad // its corners, pixels of the image
}

// OpenReader opens a reader: src is a folder that holds one of a detector and one of a
// recogniser, or both with a comma between them, each as [Load] takes it; "" means those
// among Options.Embedded.
func OpenReader(ctx context.Context, dev *gpu.Device, src string, o Options) (*Reader, error) {
	began := time.Now()
	if src == "" && o.Embedded == nil {
		return nil, fmt.Errorf("model ocr: %w; give -weights, %s", nn.ErrNoEmbedded, ppocr.Family.Weights)
	}
	det, rec, err := readerParts(src)
	if err != nil {
		return nil, err
	}
	r := &Reader{Source: src}
	if r.Detector, err = Load(ctx, dev, ppocr.DetectorFamily.Name, det, o); err != nil {
		return nil, err
	}
	if r.Recogniser, err = Load(ctx, dev, ppocr.RecogniserFamily.Name, rec, o); err == nil {
		err = r.processes()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	if src == "" {
		r.Source = r.Detector.Source + "," + r.Recogniser.Source
	}
	r.LoadTime = time.Since(began)
	return r, nil
}

// readerParts are where detector and recogniser come from.
func readerParts(src string) (det, rec string, err error) {
	if src == "" {
		return "", "", nil
	}
	if info, err := os.Stat(src); err != nil || !info.IsDir() {
		det, rec, ok := strings.Cut(src, ",")
		if !ok || det == "" || rec == "" {
			return "", "", fmt.Errorf("ocr reads with two networks and found %q; give a folder that holds both, or -weights DETECTOR,RECOGNISER", src)
		}
		return det, rec, nil
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		return "", "", err
	}
	for _, e := range entries {
		config, err := os.ReadFile(filepath.Join(src, e.Name(), "config.json"))
		if err != nil {
			continue
		}
		into := &rec
		if ppocr.IsDetector(config) {
			into = &det
		}
		if *into != "" {
			return "", "", fmt.Errorf("folder %s holds two networks of one kind, %s and %s; give -weights DETECTOR,RECOGNISER", src, filepath.Base(*into), e.Name())
		}
		*into = filepath.Join(src, e.Name())
	}
	if det == "" || rec == "" {
		return "", "", fmt.Errorf("folder %s holds not both a folder of a detector and one of a recogniser; give -weights DETECTOR,RECOGNISER", src)
	}
	return det, rec, nil
}

// processes reads what is done to images.
func (r *Reader) processes() (err error) {
	if r.find, err = ppocr.DetectorProcess(r.Detector.preprocessor); err != nil {
		return fmt.Errorf("%s: %w", r.Detector.Source, err)
	}
	in := r.Recogniser.example
	out, err := r.Recogniser.classesOf(in)
	if err == nil {
		r.line, err = ppocr.RecogniserProcess(r.Recogniser.preprocessor, ppocr.IsV6(r.Recogniser.config), out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Recogniser.Source, err)
	}
	return nil
}

// classesOf is the last size of what a network makes of an example.
func (m *Model) classesOf(in map[string]Array) (int, error) {
	_, shapes, err := m.module.Outputs(in, m.wants(nil))
	if err != nil {
		return 0, err
	}
	for _, shape := range shapes {
		return shape[len(shape)-1], nil
	}
	return 0, errors.New("it gives nothing")
}

// Close frees all memory. No call may be under way.
func (r *Reader) Close() {
	for _, m := range []*Model{r.Detector, r.Recogniser} {
		if m != nil {
			m.Close()
		}
	}
}

// Read finds and reads the lines of an image, in the order of [ppocr.Order]. What comes to
// no character is left out.
func (r *Reader) Read(ctx context.Context, m *picture.Image) ([]TextLine, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	pixels, h, w, err := r.find.Detect(m)
	if err != nil {
		return nil, err
	}
	out, err := r.Detector.Forward(ctx, nn.Images(Array{Shape: []int{1, 3, h, w}, Data: pixels}))
	if err != nil {
		return nil, fmt.Errorf("finding lines: %w", err)
	}
	r.Detector.module.Free() // pages are seldom of one size, and maps take memory
	boxes := ppocr.Boxes(out["last_hidden_state"].Data, h, w, m.H, m.W)
	ppocr.Order(boxes)
	lines := make([]TextLine, len(boxes))
	for i, b := range boxes {
		lines[i].Quad = b.Quad
	}
	if err := r.read(ctx, m, boxes, lines); err != nil {
		return nil, fmt.Errorf("reading lines: %w", err)
	}
	return slices.DeleteFunc(lines, func(l TextLine) bool { return strings.TrimSpace(l.Text) == "" }), nil
}

// lineBatch is how many lines one pass reads at most.
const lineBatch = 8

// read reads the lines, those of one width together. Each is as wide as the reference has a
// line alone: zeros behind its end change what is read.
func (r *Reader) read(ctx context.Context, m *picture.Image, boxes []ppocr.Box, lines []TextLine) error {
	type cut struct {
		line  int
		image *picture.Image
		width int
	}
	var cuts []cut
	for i, b := range boxes {
		c := cut{line: i, image: b.Cut(m)}
		c.width = max(r.line.Width, r.line.LineWidth(c.image.H, c.image.W))
		cuts = append(cuts, c)
	}
	slices.SortStableFunc(cuts, func(a, b cut) int { return cmp.Compare(a.width, b.width) })
	for len(cuts) > 0 {
		n := 1
		for n < min(len(cuts), lineBatch) && cuts[n].width == cuts[0].width {
			n++
		}
		in := Array{Shape: []int{n, 3, r.line.Height, cuts[0].width}}
		for _, c := range cuts[:n] {
			pixels, err := r.line.Line(c.image, c.width)
			if err != nil {
				return err
			}
			in.Data = append(in.Data, pixels...)
		}
		out, err := r.Recogniser.Forward(ctx, nn.Images(in))
		if err != nil {
			return err
		}
		all := out["last_hidden_state"].Data
		for k, c := range cuts[:n] {
			one := len(all) / n
			lines[c.line].Text, lines[c.line].Score = ppocr.Decode(all[k*one:(k+1)*one], r.line.Characters)
		}
		cuts = cuts[n:]
	}
	return nil
}

// Fingerprint tells the weights of both networks from others: see [Model.Fingerprint].
func (r *Reader) Fingerprint() (string, error) {
	det, err := r.Detector.Fingerprint()
	if err != nil {
		return "", err
	}
	rec, err := r.Recogniser.Fingerprint()
	return det + " " + rec, err
}
