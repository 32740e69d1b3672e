package anomaly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/picture"
	"saccade/weights"
)

// Method is a way to tell what is not normal.
type Method string

// The methods.
const (
	PatchCore Method = "patchcore"
	DINO      Method = "anomalydino"
	PaDiM     Method = "padim"
)

// Methods are all of them.
var Methods = []Method{PatchCore, DINO, PaDiM}

// Options say how a bank is made. The default of what is zero or nil stands behind it.
type Options struct {
	// Coreset is the part of the patches that PatchCore keeps, above 0 to 1: 0.1.
	Coreset float64
	// Quantile of the scores of normal pictures that were held out is the threshold: 0.99.
	Quantile *float64
}

// Origin is what made the features of a bank; those of another can't be compared with it.
type Origin struct {
	Model         string   `json:"model"`       // the network, as it was asked for
	Source        string   `json:"source"`      // of its weights
	Fingerprint   string   `json:"fingerprint"` // of those
	Precision     string   `json:"precision"`
	Preprocessing string   `json:"preprocessing"`
	Layers        []string `json:"layers,omitempty"`
	// Override of the preprocessing that was asked for, which Preprocessing has in it.
	Override picture.Override `json:"override"`
}

// Check refuses what makes other features than those of a bank. The source may be another
// place of the same weights.
func (o Origin) Check(bank string, now Origin) error {
	for _, x := range []struct{ what, found, want string }{
		{"model", o.Model, now.Model}, {"weights", o.Source + " " + o.Fingerprint, now.Source + " " + now.Fingerprint}, {"precision", o.Precision, now.Precision},
		{"layers", strings.Join(o.Layers, ","), strings.Join(now.Layers, ",")}, {"preprocessing", o.Preprocessing, now.Preprocessing},
	} {
		if x.found != x.want && !(x.what == "weights" && o.Fingerprint == now.Fingerprint) {
			return fmt.Errorf("bank %s: it was made with %s %s, not %s; give the same, or make another by -normal", bank, x.what, weights.Printable(x.found), weights.Printable(x.want))
		}
	}
	return nil
}

// Bank is what is normal.
type Bank struct {
	Method    Method  `json:"method"`
	Origin    Origin  `json:"origin"`
	Images    int     `json:"images"`    // it was made of
	Threshold float64 `json:"threshold"` // above which a score is anomalous
	Quantile  float64 `json:"quantile"`
	// HeldOut are the scores of the normal pictures, each by a bank of others.
	HeldOut []float64 `json:"held_out"`
	// Rows and Columns are the grid of PaDiM's patches, Channels those of their values that
	// it takes.
	Rows     int   `json:"rows,omitempty"`
	Columns  int   `json:"columns,omitempty"`
	Channels []int `json:"channels,omitempty"`
	// Readings are those beside the pictures, or nil.
	Readings *Readings `json:"readings,omitempty"`

	width  int
	memory []float32 // [R, width], of the methods that compare patches
	gaussians
}

// folds is how many parts the normal pictures are cut into, of which each is held out once.
const folds = 5

// ErrFew is wrapped where there are too few normal pictures.
var ErrFew = errors.New("a threshold needs scores of pictures that were held out: give two normal pictures or more")

// Fit makes a bank of normal pictures' patches, with a threshold.
func Fit(ctx context.Context, dev *gpu.Device, method Method, all []Patches, o Options) (*Bank, error) {
	if len(all) < 2 {
		return nil, fmt.Errorf("found %d normal pictures: %w", len(all), ErrFew)
	}
	quantile := 0.99
	if o.Quantile != nil {
		quantile = *o.Quantile
	}
	if o.Coreset == 0 {
		o.Coreset = 0.1
	}
	b, err := fit(method, all, o)
	if err != nil {
		return nil, err
	}
	b.Quantile, b.HeldOut = quantile, make([]float64, len(all))
	parts := min(folds, len(all))
	for part := range parts {
		if err := b.holdOut(ctx, dev, all, part, parts, o); err != nil {
			return nil, err
		}
	}
	b.Threshold = Quantile(b.HeldOut, quantile)
	return b, nil
}

// holdOut scores every parts-th picture by a bank of the others.
func (b *Bank) holdOut(ctx context.Context, dev *gpu.Device, all []Patches, part, parts int, o Options) error {
	var others []Patches
	for i, p := range all {
		if i%parts != part {
			others = append(others, p)
		}
	}
	without, err := fit(b.Method, others, o)
	if err != nil {
		return err
	}
	d, err := without.Detector(dev)
	if err != nil {
		return err
	}
	defer d.Close()
	for i := part; i < len(all); i += parts {
		found, err := d.Score(ctx, all[i])
		if err != nil {
			return err
		}
		b.HeldOut[i] = found.Score
	}
	return nil
}

// fit makes a bank without a threshold.
func fit(method Method, all []Patches, o Options) (*Bank, error) {
	b := &Bank{Method: method, Images: len(all), width: all[0].Width}
	for _, p := range all {
		if p.Width != b.width {
			return nil, fmt.Errorf("patches have %d and %d values", b.width, p.Width)
		}
		if !gpu.Finite(p.Data) {
			return nil, errors.New("the features of a picture hold NaN or Inf")
		}
	}
	if method == PaDiM {
		return b, b.fitPlaces(all)
	}
	for _, p := range all {
		b.memory = append(b.memory, p.Data...)
	}
	if count := len(b.memory) / b.width; method == PatchCore && o.Coreset < 1 {
		b.memory = b.chosen(max(1, int(float64(count)*o.Coreset)))
	}
	return b, nil
}

// chosen are the rows of a coreset, which is taken by their projections.
func (b *Bank) chosen(n int) []float32 {
	short, width := b.memory, b.width
	if by := Projection(len(b.memory)/b.width, b.width, 1); by != nil {
		short, width = Project(b.memory, b.width, by), len(by)
	}
	var out []float32
	for _, i := range Coreset(short, width, n) {
		out = append(out, b.memory[i*b.width:][:b.width]...)
	}
	return out
}

// fitPlaces is PaDiM's fit.
func (b *Bank) fitPlaces(all []Patches) error {
	b.Rows, b.Columns = all[0].Rows, all[0].Columns
	b.Channels = channelsOf(b.width, padimChannels, 1)
	b.width = len(b.Channels)
	few := make([]Patches, len(all))
	for i, p := range all {
		if p.Rows != b.Rows || p.Columns != b.Columns {
			return fmt.Errorf("padim compares places: found pictures of %d×%d and of %d×%d patches; give -size HxW", b.Rows, b.Columns, p.Rows, p.Columns)
		}
		few[i] = p.pick(b.Channels)
	}
	var err error
	b.gaussians, err = fitGaussians(few)
	return err
}

// Patches is the number of rows that it holds, or of places.
func (b *Bank) Patches() int { return max(len(b.memory), len(b.mean)) / b.width }

// Width is the number of values of a row.
func (b *Bank) Width() int { return b.width }

// format is the version of the file.
const format = "saccade anomaly bank 1"

// Save writes the bank as a safetensors file: memory [R, W], or mean [P, W] and factor, the
// lower triangles of P covariances' Cholesky factors, row by row; and readings [N, C], if there
// are some.
func (b *Bank) Save(path string) error {
	head, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	var tensors []*weights.Tensor
	type part struct {
		name string
		data []float32
		cols int
	}
	parts := []part{{"memory", b.memory, b.width}, {"mean", b.mean, b.width}, {"factor", b.factor, b.width * (b.width + 1) / 2}}
	if b.Readings != nil {
		parts = append(parts, part{"readings", b.Readings.rows, len(b.Readings.Columns)})
	}
	for _, x := range parts {
		if x.data == nil {
			continue
		}
		t, err := weights.FromFloat32s(x.name, x.data, len(x.data)/x.cols, x.cols)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		tensors = append(tensors, t)
	}
	return weights.Write(path, tensors, map[string]string{"format": "pt", "saccade": format, "bank": string(head)})
}

// Open reads a bank.
func Open(path string) (b *Bank, err error) {
	err = weights.Guard(func() error {
		c, err := weights.Open(path)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was read
		b, err = read(c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bank %s: %w", path, err)
	}
	return b, nil
}

func read(c *weights.Checkpoint) (*Bank, error) {
	meta := c.Metadata()
	if meta["saccade"] != format {
		return nil, errors.New("it is none: found no file that -model anomaly -normal wrote")
	}
	b := &Bank{}
	if err := json.Unmarshal([]byte(meta["bank"]), b); err != nil {
		return nil, fmt.Errorf("its description: %w", err)
	}
	var readings []float32
	for _, x := range []struct {
		name string
		into *[]float32
	}{{"memory", &b.memory}, {"mean", &b.mean}, {"factor", &b.factor}, {"readings", &readings}} {
		t, ok := c.Tensor(x.name)
		if !ok {
			continue
		}
		if len(t.Shape) != 2 {
			return nil, fmt.Errorf("%s has shape %v, expected two sizes", x.name, t.Shape)
		}
		*x.into = make([]float32, t.Len())
		if err := t.Float32s(*x.into); err != nil {
			return nil, err
		}
		if !gpu.Finite(*x.into) {
			return nil, fmt.Errorf("%s holds NaN or Inf", x.name)
		}
		if x.name == "memory" || x.name == "mean" {
			b.width = t.Shape[1]
		}
	}
	if b.Readings != nil {
		b.Readings.rows = readings
		if err := b.Readings.check(); err != nil {
			return nil, err
		}
	}
	return b, b.check()
}

// check refuses what Save does not write.
func (b *Bank) check() error {
	if !slices.Contains(Methods, b.Method) {
		return fmt.Errorf("the method %q is unknown", string(b.Method))
	}
	places := b.Rows * b.Columns
	switch {
	case math.IsNaN(b.Threshold) || b.width < 1 || b.Rows < 0 || b.Columns < 0 || b.Rows > 1<<15 || b.Columns > 1<<15:
	case b.Method != PaDiM && len(b.memory) > 0 && b.mean == nil && b.factor == nil:
		return nil
	case b.Method == PaDiM && b.memory == nil && places > 0 && len(b.Channels) == b.width && len(b.mean) == places*b.width && len(b.factor) == places*b.width*(b.width+1)/2:
		for i, c := range b.Channels {
			if c < 0 || i > 0 && c <= b.Channels[i-1] {
				return fmt.Errorf("channel %d is %d, expected them in order", i, c)
			}
		}
		return nil
	}
	return fmt.Errorf("its tensors do not fit what it says of itself: %s of %d×%d patches of %d values", b.Method, b.Rows, b.Columns, b.width)
}
