package main

import (
	"cmp"
	"context"
	"fmt"
	"image/color"
	"math"
	"strings"
	"sync"
	"time"

	"saccade/figure"
	"saccade/models"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/track"
)

// measuredJSON is the document of what was found in pictures.
type measuredJSON struct {
	head
	Images []any       `json:"images"` // one entry of the task's a picture
	Errors []pathError `json:"errors,omitempty"`
	MS     timesJSON   `json:"ms"`
}

// objectsJSON is a picture with the objects in it.
type objectsJSON struct {
	Path    string          `json:"path"`
	Objects []models.Object `json:"objects"`
	Written *writtenJSON    `json:"written,omitempty"`
}

// measurement is one call that measures pictures or raw inputs.
type measurement struct {
	pass
	doc     measuredJSON
	outputs *saver // nil without -save
	names   []string
	files   []string // that are drawn, or none
	done    int
	over    *picture.Image // -background, or nil
	tracker *track.Tracker // -track, or nil

	mu   sync.Mutex
	open map[int]*picture.Image // pictures on their way
}

// measure runs the model over pictures or raw inputs, and tells what it found.
func (a *app) measure(ctx context.Context, m *models.Model) error {
	c := &measurement{pass: pass{app: a, m: m, bar: a.progress()}, names: a.pictures, open: map[int]*picture.Image{}}
	c.doc.head, c.doc.Images = a.head(m), []any{}
	if a.save != "" {
		c.outputs = newSaver()
	}
	var err error
	if a.raw != nil {
		err = a.ofInput(c.measureRaw(ctx))
	} else if c.files, err = a.measuredFiles(); err == nil && a.behind != "" {
		c.over, err = picture.Open(a.behind, picture.DecodeOptions{})
	}
	if err == nil && a.raw == nil {
		err = m.EachNamed(ctx, len(a.pictures), a.batch, a.texts, c.openPicture, c.add)
	}
	c.bar.clear()
	if err != nil {
		return err
	}
	if c.outputs != nil && len(c.errors) < len(c.names) {
		if err := c.outputs.write(c.save); err != nil {
			return err
		}
	}
	c.doc.Errors, c.doc.MS = c.errors, times(c.m, c.forward)
	return c.conclude(&c.doc, func() {}, len(c.names))
}

// openPicture reads a picture, which is kept until its results are there.
func (c *measurement) openPicture(i int) (*picture.Image, error) {
	img, err := c.decode(c.pictures[i])
	if err == nil {
		c.mu.Lock()
		c.open[i] = img
		c.mu.Unlock()
	}
	return img, err
}

// add takes the result of one picture.
func (c *measurement) add(r models.Result) error {
	path := c.names[r.Index]
	c.forward += r.Took
	c.done++
	c.bar.pictures(c.done, len(c.names))
	c.mu.Lock()
	img := c.open[r.Index]
	delete(c.open, r.Index)
	c.mu.Unlock()
	if r.Err != nil {
		return c.bad(path, r.Err, len(c.names) == 1)
	}
	file := ""
	if c.files != nil {
		file = c.files[r.Index]
	}
	return c.tell(path, r.Outputs, img, [2]int{img.W, img.H}, file)
}

// measureRaw runs raw inputs, all at once.
func (c *measurement) measureRaw(ctx context.Context) error {
	began := time.Now()
	out, err := c.m.Forward(ctx, c.raw)
	if err != nil {
		return err
	}
	c.forward = time.Since(began)
	shape := c.raw[nn.PixelValues].Shape
	c.names = c.rawNames(shape[0])
	for i, name := range c.names {
		one := map[string]models.Array{}
		for key, a := range out {
			size := len(a.Data) / a.Shape[0]
			one[key] = models.Array{Shape: append([]int{1}, a.Shape[1:]...), Data: a.Data[i*size:][:size]}
		}
		if err := c.tell(name, one, nil, [2]int{shape[3], shape[2]}, ""); err != nil {
			return err
		}
	}
	return nil
}

// tell saves, prints and draws what was found in a picture of a width and height, of
// which img is the picture itself, or nil of raw inputs.
func (c *measurement) tell(path string, outputs map[string]models.Array, img *picture.Image, size [2]int, file string) error {
	if c.outputs != nil {
		if err := c.outputs.add(path, outputs); err != nil {
			return err
		}
	}
	f, err := c.found(path, outputs, img, size)
	if err != nil {
		return err
	}
	var written *writtenJSON
	if file != "" {
		if err := f.draw(file); err != nil {
			return err
		}
		written = &writtenJSON{file, img.W, img.H}
		if f.size != [2]int{} {
			written.Width, written.Height = f.size[0], f.size[1]
		}
	}
	c.doc.Images = append(c.doc.Images, f.entry(written))
	if c.json {
		return nil
	}
	c.bar.clear()
	c.stdout.printf("%s\n", path)
	f.list()
	if written != nil {
		written.print(c.stdout)
	}
	return c.stdout.flush()
}

// finding is what was found in a picture.
type finding struct {
	entry func(written *writtenJSON) any // of the document
	list  func()                         // on the terminal
	draw  func(file string) error
	size  [2]int // width and height of what is drawn; zero: the picture's
}

// found is what the model's task makes of the outputs.
func (c *measurement) found(path string, outputs map[string]models.Array, img *picture.Image, size [2]int) (finding, error) {
	switch c.purpose() {
	case nn.FindDepth:
		return c.depth(path, outputs, img, size)
	case nn.FindClasses:
		return c.classes(path, outputs, img, size)
	case nn.CutOut:
		return c.cutout(path, outputs, img, size)
	case nn.Enlarge:
		return c.enlarged(path, outputs)
	}
	return c.objects(path, outputs, img, size)
}

// least is the threshold of scores.
func (c *measurement) least() float64 {
	if c.given["threshold"] {
		return c.threshold
	}
	return c.m.Finds().Threshold
}

// objects are those in a picture.
func (c *measurement) objects(path string, outputs map[string]models.Array, img *picture.Image, size [2]int) (finding, error) {
	found, err := c.m.Objects(outputs, size[0], size[1], c.least(), c.texts...)
	return finding{
		entry: func(w *writtenJSON) any { return objectsJSON{path, found, w} },
		list: func() {
			for _, o := range found {
				c.stdout.printf("  %8.2f %%  %-20s %7.1f %7.1f %7.1f %7.1f\n", 100*o.Score, o.Label, o.Box[0], o.Box[1], o.Box[2], o.Box[3])
			}
			if len(found) == 0 {
				c.stdout.printf("  nothing above the threshold of %g\n", c.least())
			}
		},
		draw: func(file string) error {
			return picture.WritePNG(file, figure.DrawBoxes(img, boxesOf(found)))
		},
	}, err
}

// boxesOf are objects as they are drawn: those that are followed with their numbers.
func boxesOf(found []models.Object) []figure.Box {
	boxes := make([]figure.Box, len(found))
	for i, o := range found {
		boxes[i] = figure.Box{Corners: o.Box, Kind: o.Class, Label: fmt.Sprintf("%s %.0f %%", o.Label, 100*o.Score)}
		if o.Track > 0 {
			boxes[i].Kind, boxes[i].Label = o.Track, fmt.Sprintf("%d %s", o.Track, boxes[i].Label)
		}
	}
	return boxes
}

// depthJSON is a picture with the range of its depth.
type depthJSON struct {
	Path    string       `json:"path"`
	Min     float64      `json:"min"`
	Max     float64      `json:"max"`
	Written *writtenJSON `json:"written,omitempty"`
}

// rawDepth ends the names of pictures of 16 bits in place of colours.
const rawDepth = ".depth.png"

// depth is how far away a picture's pixels are.
func (c *measurement) depth(path string, outputs map[string]models.Array, _ *picture.Image, size [2]int) (finding, error) {
	d, err := c.m.Depth(outputs, size[0], size[1])
	return finding{
		entry: func(w *writtenJSON) any { return depthJSON{path, d.Min, d.Max, w} },
		list:  func() { c.stdout.printf("  from %.6g to %.6g\n", d.Min, d.Max) },
		draw: func(file string) error {
			if !strings.HasSuffix(strings.ToLower(file), rawDepth) {
				return picture.WritePNG(file, figure.Colours(d.W, d.H, d.Parts()))
			}
			values := make([]uint16, len(d.Values))
			for i, v := range d.Parts() {
				values[i] = uint16(v*65535 + 0.5)
			}
			return picture.WriteGrey16(file, d.W, d.H, values)
		},
	}, err
}

// classesJSON is a picture with the classes of its pixels.
type classesJSON struct {
	Path    string         `json:"path"`
	Classes []models.Share `json:"classes"`
	Written *writtenJSON   `json:"written,omitempty"`
}

// shares makes a finding of classes and their parts.
func (c *measurement) shares(path string, shares []models.Share, draw func(file string) error) finding {
	return finding{
		entry: func(w *writtenJSON) any { return classesJSON{path, shares, w} },
		list: func() {
			for _, s := range shares {
				c.stdout.printf("  %8.2f %%  %s\n", 100*s.Share, s.Label)
			}
		},
		draw: draw,
	}
}

// classes are what a picture's pixels belong to.
func (c *measurement) classes(path string, outputs map[string]models.Array, _ *picture.Image, size [2]int) (finding, error) {
	s, err := c.m.PixelClasses(outputs, size[0], size[1])
	return c.shares(path, s.Shares, func(file string) error { return picture.WritePNG(file, coloured(s)) }), err
}

// coloured is a picture of classes.
func coloured(s models.Segments) *picture.Image {
	out := picture.New(s.W, s.H)
	for i, class := range s.Classes {
		k := figure.KindColor(int(class))
		out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = k.R, k.G, k.B
	}
	return out
}

// cutout is what of a picture is no background.
func (c *measurement) cutout(path string, outputs map[string]models.Array, img *picture.Image, size [2]int) (finding, error) {
	alpha, err := c.m.Cutout(outputs, size[0], size[1])
	return c.shares(path, sharesOf(alpha), func(file string) error {
		if c.given["background"] {
			m, err := c.composed(img, alpha)
			if err != nil {
				return err
			}
			return picture.WritePNG(file, m)
		}
		opacity := make([]uint8, len(alpha))
		for i, a := range alpha {
			opacity[i] = uint8(255*a + 0.5)
		}
		return picture.WriteCutout(file, img, opacity)
	}), err
}

// enlargedJSON is a picture with the size that it was brought to.
type enlargedJSON struct {
	Path    string       `json:"path"`
	Width   int          `json:"width"`
	Height  int          `json:"height"`
	Written *writtenJSON `json:"written,omitempty"`
}

// enlarged is a picture that was made larger.
func (c *measurement) enlarged(path string, outputs map[string]models.Array) (finding, error) {
	img, err := c.m.Enlarged(outputs)
	if err != nil {
		return finding{}, err
	}
	return finding{
		entry: func(w *writtenJSON) any { return enlargedJSON{path, img.W, img.H, w} },
		list:  func() { c.stdout.printf("  %d×%d pixels\n", img.W, img.H) },
		draw:  func(file string) error { return picture.WritePNG(file, img) },
		size:  [2]int{img.W, img.H},
	}, nil
}

// sharesOf are the parts of a picture that are foreground and background.
func sharesOf(alpha []float32) []models.Share {
	sum := 0.0
	for _, a := range alpha {
		sum += float64(a)
	}
	part := sum / float64(max(len(alpha), 1))
	return []models.Share{{Label: "foreground", Share: part}, {Label: "background", Share: 1 - part}}
}

// composed is a picture over the background that was given: a colour, or a picture that is
// scaled to cover it, of which the centre is taken.
func (c *measurement) composed(img *picture.Image, alpha []float32) (*picture.Image, error) {
	out := picture.New(img.W, img.H)
	if c.over != nil {
		scale := max(float64(img.W)/float64(c.over.W), float64(img.H)/float64(c.over.H))
		side := func(of, least int) int { return max(int(math.Round(float64(of)*scale)), least) }
		m, err := c.over.Resize(side(c.over.W, img.W), side(c.over.H, img.H), picture.Bicubic)
		if err != nil {
			return nil, err
		}
		left, top := (m.W-img.W)/2, (m.H-img.H)/2
		for y := range img.H {
			copy(out.Pix[3*y*img.W:][:3*img.W], m.Pix[3*((top+y)*m.W+left):])
		}
	} else {
		behind := cmp.Or[color.Color](c.background, color.White)
		r, g, b, _ := behind.RGBA()
		for i := range img.W * img.H {
			out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
		}
	}
	for i, v := range out.Pix {
		a := alpha[i/3]
		out.Pix[i] = uint8(float32(img.Pix[i])*a + float32(v)*(1-a) + 0.5)
	}
	return out, nil
}
