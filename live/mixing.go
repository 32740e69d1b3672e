package live

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
)

// MixingOptions are how a window with images of noise begins.
type MixingOptions struct {
	Name       string   // of the generator
	Seeds      []uint64 // one or more
	Truncation float64  // of styles; 1 without any
	// Save writes an image and says where.
	Save func(img *picture.Image, made Mixture) (file string, err error)
}

// Mixture is what an image is made of.
type Mixture struct {
	Ranges     []StyleRange
	Truncation float64
}

// StyleRange is layers of a generator and whose style they have.
type StyleRange struct {
	First, End int // layers; both 0 without styles
	Seed       SeedNoise
}

// SeedNoise is the noise of a seed, or that on the way to another's.
type SeedNoise struct {
	Seed, To uint64
	Part     float64 // of the way, 0: it is the seed's own
}

// String is the seed, or both.
func (s SeedNoise) String() string {
	if s.Part == 0 {
		return fmt.Sprint(s.Seed)
	}
	return fmt.Sprintf("%d to %d at %.2f", s.Seed, s.To, s.Part)
}

// String is ranges and seeds as people read them.
func (r StyleRange) String() string {
	switch {
	case r.End == 0:
		return fmt.Sprintf("seed %s", r.Seed)
	case r.End == r.First+1:
		return fmt.Sprintf("layer %d: seed %s", r.First, r.Seed)
	}
	return fmt.Sprintf("layers %d–%d: seed %s", r.First, r.End-1, r.Seed)
}

// Mixing is an image whose ranges of layers have the styles of several seeds, which a window
// shows below it. One goroutine draws and does the commands; what the window reads is behind
// mu.
type Mixing struct {
	g *models.Generator
	o MixingOptions

	commands chan viewer.Command
	changed  changes
	ctx      context.Context
	cancel   context.CancelFunc
	ended    chan struct{}

	mu   sync.Mutex // guards view
	view viewer.View

	// Of the goroutine alone.
	sources []*source
	ranges  []layerRange
	at      int    // of the ranges, which the keys mean
	next    uint64 // the least seed that was not used
	walking *source
	image   *picture.Image
}

// source is a seed whose style ranges may have.
type source struct {
	SeedNoise
	start, end []float32 // noise of both seeds
	thumb      *image.RGBA
}

// layerRange is layers up to end that have the style of a source.
type layerRange struct{ end, source int }

// The layers at which the ranges of a generator begin: those of maps of 16 pixels, and of 64, as
// the paper on styles divides them into coarse, middle and fine (Karras et al. 2019).
var rangeBounds = []int{4, 8}

// NewMixing draws the first image. The generator's model stays open; Close ends what it does,
// and so does ctx.
func NewMixing(ctx context.Context, g *models.Generator, o MixingOptions) (*Mixing, error) {
	m := &Mixing{g: g, o: o, commands: make(chan viewer.Command, 64), changed: make(changes, 1), ended: make(chan struct{}), next: slices.Max(o.Seeds) + 1}
	for _, seed := range o.Seeds {
		m.sources = append(m.sources, &source{SeedNoise: SeedNoise{Seed: seed}, start: g.Noise(seed)})
	}
	for _, end := range rangeBounds {
		if end < g.Layers {
			m.ranges = append(m.ranges, layerRange{end: end})
		}
	}
	if len(m.ranges) == 0 && g.Layers > 1 {
		m.ranges = append(m.ranges, layerRange{end: g.Layers / 2})
	}
	m.ranges = append(m.ranges, layerRange{end: g.Layers})
	for i := range m.ranges { // the first seed's coarse style, and the others after each other
		m.ranges[i].source = min(i, len(m.sources)-1)
	}
	m.ctx, m.cancel = context.WithCancel(ctx)
	if err := m.draw(true); err != nil {
		m.cancel()
		return nil, err
	}
	go m.work()
	return m, nil
}

// Close ends what is being drawn.
func (m *Mixing) Close() {
	m.cancel()
	<-m.ended
}

// A walk takes so many images to the next seed, at most so many of them a second.
const (
	walkImages = 90
	walkTime   = time.Second / 30
)

// work does commands and steps of walks until the context ends.
func (m *Mixing) work() {
	defer close(m.ended)
	tick := time.NewTicker(walkTime)
	defer tick.Stop()
	for m.ctx.Err() == nil {
		var steps <-chan time.Time
		if m.walking != nil {
			steps = tick.C
		}
		var err error
		select {
		case <-m.ctx.Done():
		case c := <-m.commands:
			err = m.carryOut(c)
		case <-steps:
			m.step()
			err = m.draw(false)
		}
		if err != nil {
			m.walking = nil
			m.say(weights.Line(err))
		}
	}
}

// noise is that of a source, and its seeds.
func (s *source) noise() []float32 {
	if s.Part == 0 {
		return s.start
	}
	return models.Walk([][]float32{s.start, s.end}, walkImages+1)[int(math.Round(s.Part*walkImages))]
}

// step takes the walking source further.
func (m *Mixing) step() {
	s := m.walking
	if s.Part == 0 {
		s.To, s.end = m.fresh()
	}
	if s.Part += 1.0 / walkImages; s.Part > 1-0.5/walkImages {
		s.Seed, s.start, s.Part = s.To, s.end, 0
	}
}

// fresh is a seed that was not used yet, with its noise.
func (m *Mixing) fresh() (uint64, []float32) {
	seed := m.next
	m.next++
	return seed, m.g.Noise(seed)
}

// draw makes the image, and with thumbs those of the sources.
func (m *Mixing) draw(thumbs bool) error {
	var noise [][]float32
	for _, s := range m.sources {
		noise = append(noise, s.noise())
	}
	drawn, err := m.images(noise, thumbs)
	if err != nil {
		return err
	}
	m.image = drawn[0]
	for i, img := range drawn[1:] {
		m.sources[i].thumb = covered(img, models.Map{})
	}
	m.show()
	return nil
}

// images are that of the mixture, and with all one of each source.
func (m *Mixing) images(noise [][]float32, all bool) ([]*picture.Image, error) {
	var out models.Array
	var err error
	if m.g.Layers == 0 {
		rows := [][]float32{noise[m.ranges[0].source]}
		if all {
			rows = append(rows, noise...)
		}
		out, err = m.g.Draw(m.ctx, rows, 1)
	} else {
		var styles [][]float32
		if styles, err = m.g.Styles(m.ctx, noise, m.o.Truncation); err != nil {
			return nil, err
		}
		layers := [][]int{m.layers()}
		for i := range noise {
			if all {
				layers = append(layers, slices.Repeat([]int{i}, m.g.Layers))
			}
		}
		out, err = m.g.Mix(m.ctx, styles, layers...)
	}
	if err != nil {
		return nil, err
	}
	return models.Drawn(out)
}

// layers are whose style each layer has.
func (m *Mixing) layers() (of []int) {
	for _, r := range m.ranges {
		of = append(of, slices.Repeat([]int{r.source}, r.end-len(of))...)
	}
	return of
}

// mixture tells what the image is made of.
func (m *Mixing) mixture() Mixture {
	made, first := Mixture{Truncation: m.o.Truncation}, 0
	for _, r := range m.ranges {
		made.Ranges = append(made.Ranges, StyleRange{first, r.end, m.sources[r.source].SeedNoise})
		first = r.end
	}
	return made
}

// show brings the view up to date.
func (m *Mixing) show() {
	view := viewer.View{Name: m.o.Name, Shown: []viewer.Picture{{Image: covered(m.image, models.Map{})}}, At: m.ranges[m.at].source}
	for _, s := range m.sources {
		view.Strip = append(view.Strip, viewer.Picture{Image: s.thumb, Label: fmt.Sprint(s.Seed)})
	}
	for i, r := range m.mixture().Ranges {
		fact := r.String()
		if i == m.at && len(m.ranges) > 1 {
			fact = "[" + fact + "]"
		}
		view.Facts = append(view.Facts, fact)
	}
	if m.g.Layers > 0 {
		view.Facts = append(view.Facts, fmt.Sprintf("truncation %.3g", m.o.Truncation))
	}
	m.mu.Lock()
	m.view = view
	m.mu.Unlock()
	m.changed.tell()
}

// say shows a line over the image.
func (m *Mixing) say(line string) {
	m.mu.Lock()
	m.view.Notice = line
	m.mu.Unlock()
	m.changed.tell()
}

// Truncation goes in steps, as far as its flag.
const (
	truncationStep = 0.1
	mostTruncation = 2
)

// carryOut does a command.
func (m *Mixing) carryOut(c viewer.Command) error {
	r := &m.ranges[m.at]
	n := len(m.sources)
	thumbs := false
	switch c.Action {
	case viewer.Walk:
		if m.walking != nil {
			m.walking, thumbs = nil, true
		} else {
			m.walking = m.sources[r.source]
		}
	case viewer.NextLayers:
		m.at = (m.at + 1) % len(m.ranges)
	case viewer.SeedBefore:
		r.source = (r.source + n - 1) % n
	case viewer.SeedAfter:
		r.source = (r.source + 1) % n
	case viewer.ShowStep:
		r.source = min(max(0, c.Step), n-1)
	case viewer.MoreLayers:
		m.reach(1)
	case viewer.FewerLayers:
		m.reach(-1)
	case viewer.OtherSeed:
		s := m.sources[r.source]
		s.Seed, s.start = m.fresh()
		s.Part, thumbs = 0, true
	case viewer.LessTruncation, viewer.MoreTruncation:
		step := truncationStep
		if c.Action == viewer.MoreTruncation {
			step = -step
		}
		m.o.Truncation, thumbs = min(mostTruncation, max(-mostTruncation, math.Round((m.o.Truncation+step)*1000)/1000)), true
	case viewer.Save:
		file, err := m.o.Save(m.image, m.mixture())
		if err != nil {
			return err
		}
		m.say("saved " + file)
		return nil
	default:
		return nil
	}
	return m.draw(thumbs)
}

// reach moves the end of the range that the keys mean, of the last its beginning, so that it has
// so many layers more; none ends up without layers.
func (m *Mixing) reach(more int) {
	i := m.at
	if i == len(m.ranges)-1 {
		i, more = i-1, -more
	}
	if i < 0 {
		return
	}
	begin := 0
	if i > 0 {
		begin = m.ranges[i-1].end
	}
	if end := m.ranges[i].end + more; end > begin && end < m.ranges[i+1].end {
		m.ranges[i].end = end
	}
}

// View implements [viewer.Session].
func (m *Mixing) View() viewer.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

// Actions implements [viewer.Session].
func (m *Mixing) Actions() []viewer.Action {
	all := []viewer.Action{viewer.Walk, viewer.SeedBefore, viewer.SeedAfter, viewer.ShowStep, viewer.OtherSeed, viewer.Save}
	if m.g.Layers > 0 {
		all = append(all, viewer.LessTruncation, viewer.MoreTruncation)
	}
	if m.g.Layers > 1 {
		all = append(all, viewer.NextLayers, viewer.MoreLayers, viewer.FewerLayers)
	}
	return all
}

// Do implements [viewer.Session].
func (m *Mixing) Do(c viewer.Command) {
	select {
	case m.commands <- c:
	case <-m.ctx.Done():
	}
}

// Point implements [viewer.Session]; an image has no cells.
func (m *Mixing) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (m *Mixing) Changed() <-chan struct{} { return m.changed }

// String is the mixture in one line, for a file's text chunk.
func (m Mixture) String() string {
	var parts []string
	for _, r := range m.Ranges {
		text := r.String()
		parts = append(parts, strings.ToUpper(text[:1])+text[1:])
	}
	if m.Truncation != 1 {
		parts = append(parts, fmt.Sprintf("Truncation: %g", m.Truncation))
	}
	return strings.Join(parts, ", ")
}
