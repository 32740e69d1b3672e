package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/learn"
	"saccade/models/nn"
)

// examples are what is learned from, or what tells how good it is: pictures of folders, or
// batches of a file.
type examples struct {
	from    string
	folders []cli.Class
	paths   []string
	classes []int // of the paths, once they are settled
	batches []learn.Batch
}

// findExamples lists the data before anything is loaded.
func (a *app) findExamples() (err error) {
	if a.data, err = a.findFolder(a.dataPath); err != nil {
		return err
	}
	if a.validation == "" || a.share > 0 {
		if a.share > 0 && a.data.batches != nil {
			return cli.Usagef("-validation %g: a share is taken of pictures; give a folder", a.share)
		}
		return nil
	}
	a.validated, err = a.findFolder(a.validation)
	if err == nil && a.validated.batches != nil {
		err = fmt.Errorf("-validation %s: expected a folder with one sub-folder of pictures a class", a.validation)
	}
	return err
}

// findFolder lists the pictures of a folder, or reads a file of batches.
func (a *app) findFolder(path string) (*examples, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", path, cli.Reason(err))
	}
	e := &examples{from: path}
	if !info.IsDir() {
		e.batches, err = readBatches(path)
		return e, err
	}
	if e.folders, err = cli.FindClasses(path, a.complain); err != nil {
		return nil, err
	}
	for _, c := range e.folders {
		if len(c.Paths) == 0 {
			return nil, fmt.Errorf("folder %s: class %s has no pictures (PNG, JPEG, GIF, BMP, WebP, TIFF); add some or remove its sub-folder", path, c.Name)
		}
	}
	if a.data == nil && len(e.folders) < 2 {
		return nil, fmt.Errorf("folder %s: there is one class, %s; two sub-folders at least can be told apart", path, e.folders[0].Name)
	}
	return e, nil
}

// readBatches reads pixel_values.0, labels.0, pixel_values.1, ….
func readBatches(path string) ([]learn.Batch, error) {
	if !strings.EqualFold(filepath.Ext(path), ".safetensors") {
		return nil, fmt.Errorf("data %s: expected a folder, or a .safetensors file of batches", path)
	}
	all, err := cli.ReadArrays(path)
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", path, err)
	}
	var batches []learn.Batch
	for i := 0; ; i++ {
		x, ok := all[fmt.Sprintf("%s.%d", nn.PixelValues, i)]
		if !ok {
			break
		}
		labels, ok := all[fmt.Sprintf("labels.%d", i)]
		switch {
		case !ok || len(labels.Shape) != 1:
			return nil, fmt.Errorf("data %s: batch %d has no labels.%d [N]", path, i, i)
		case len(x.Shape) != 4 || x.Shape[0] != len(labels.Data) || len(labels.Data) == 0:
			return nil, fmt.Errorf("data %s: %s.%d is %v and labels.%d %v; expected [N, C, H, W] and [N]", path, nn.PixelValues, i, x.Shape, i, labels.Shape)
		}
		b := learn.Batch{Inputs: map[string]nn.Array{nn.PixelValues: x}}
		for _, v := range labels.Data {
			if v != float32(math.Trunc(float64(v))) || v < 0 {
				return nil, fmt.Errorf("data %s: labels.%d has %g; expected classes, counted from 0", path, i, v)
			}
			b.Labels = append(b.Labels, int(v))
		}
		batches = append(batches, b)
	}
	if len(batches) == 0 {
		return nil, fmt.Errorf("data %s: there is no %s.0 and labels.0; its tensors begin with %s", path, nn.PixelValues, first(all))
	}
	for name := range all {
		kind, number, _ := strings.Cut(name, ".")
		if i, err := strconv.Atoi(number); err != nil || i < 0 || i >= len(batches) || kind != nn.PixelValues && kind != "labels" {
			return nil, fmt.Errorf("data %s: %s is none of %s.N and labels.N of its %d batches, and is not read", path, name, nn.PixelValues, len(batches))
		}
	}
	return batches, nil
}

// first is the first name of some arrays.
func first(all map[string]models.Array) string {
	names := ""
	for name := range all {
		if names == "" || name < names {
			names = name
		}
	}
	return names
}

// settleClasses finds the class of each example among the checkpoint's, or gives it a new
// head for the classes of the folders.
func (a *app) settleClasses() (err error) {
	if a.compares() && a.data.batches != nil {
		return cli.Usagef("-prompt-tokens of a model that compares texts takes the names of classes: give -data a folder with one sub-folder a class")
	}
	if a.tip || a.sensors != "" || a.compares() {
		a.labels = a.data.names()
		return a.match()
	}
	if a.data.batches != nil {
		return a.settleBatches()
	}
	labels, err := a.checkpoint.Labels()
	if err != nil {
		return err
	}
	_, fit := cli.MatchLabels(a.data.folders, labels)
	switch {
	case fit == nil && len(labels) > 0 && (len(a.data.folders) == len(labels) || !a.newHead()):
		a.labels = labels
	case a.newHead():
		a.labels, a.fresh = a.data.names(), true
		if err := a.checkpoint.SetHead(a.labels, a.seed); err != nil {
			return err
		}
	case labels == nil: // a checkpoint without labels: the i-th folder is class i
		_, w, _, err := a.checkpoint.HeadLayer()
		if err != nil {
			return fmt.Errorf("%w; -head trains a new one", err)
		}
		if len(a.data.folders) > w.Shape[0] {
			return fmt.Errorf("folder %s: it has %d classes and the checkpoint %d; -head trains a new head", a.data.from, len(a.data.folders), w.Shape[0])
		}
		a.labels = a.data.names()
	default:
		return fmt.Errorf("folder %s: %w; -head trains a new head for these classes", a.data.from, fit)
	}
	return a.match()
}

// newHead says that a head for other classes may be made, as it is trained.
func (o *options) newHead() bool { return o.head || o.full }

// settleBatches checks the labels of a file against the checkpoint's head, or gives a
// checkpoint without one a head.
func (a *app) settleBatches() error {
	most := 0
	for _, b := range a.data.batches {
		most = max(most, slices.Max(b.Labels))
	}
	_, w, _, err := a.checkpoint.HeadLayer()
	if err != nil {
		if !a.newHead() {
			return fmt.Errorf("%w; -head trains a new one", err)
		}
		for i := range most + 1 {
			a.labels = append(a.labels, fmt.Sprintf("LABEL_%d", i))
		}
		if most == 0 {
			return fmt.Errorf("data %s: all labels are 0; two classes at least can be told apart", a.data.from)
		}
		a.fresh = true
		return a.checkpoint.SetHead(a.labels, a.seed)
	}
	if most >= w.Shape[0] {
		return fmt.Errorf("data %s: a label is %d, and the checkpoint has %d classes", a.data.from, most, w.Shape[0])
	}
	if a.labels, err = a.checkpoint.Labels(); err == nil && a.labels == nil {
		for i := range w.Shape[0] {
			a.labels = append(a.labels, fmt.Sprintf("LABEL_%d", i))
		}
	}
	if a.validated != nil && err == nil {
		err = a.validated.settle(a.labels)
	}
	return err
}

// match gives the pictures their classes, and splits off the share of -validation.
func (a *app) match() error {
	if err := a.data.settle(a.labels); err != nil {
		return err
	}
	if a.validated != nil {
		return a.validated.settle(a.labels)
	}
	if a.share > 0 {
		a.validated = a.data.split(a.share, a.seed)
		if len(a.validated.paths) == 0 {
			return fmt.Errorf("-validation %g: no class of %s has pictures for that share; give a larger one, or a folder", a.share, a.data.from)
		}
	}
	return nil
}

// names are those of the folders.
func (e *examples) names() []string {
	var names []string
	for _, c := range e.folders {
		names = append(names, c.Name)
	}
	return names
}

// settle gives the pictures of the folders the classes of labels.
func (e *examples) settle(labels []string) error {
	index, err := cli.MatchLabels(e.folders, labels)
	if err != nil {
		return fmt.Errorf("folder %s: %w", e.from, err)
	}
	for i, c := range e.folders {
		for _, path := range c.Paths {
			e.paths, e.classes = append(e.paths, path), append(e.classes, index[i])
		}
	}
	return nil
}

// split takes a share of each class's pictures away, chosen by a seed; one at least stays.
func (e *examples) split(share float64, seed uint64) *examples {
	rest, taken := &examples{from: e.from, folders: e.folders}, &examples{from: e.from, folders: e.folders}
	rng, at := rand.New(rand.NewPCG(seed, 1<<32)), 0
	for _, folder := range e.folders { // whose pictures stand one after the other
		n := len(folder.Paths)
		chosen := rng.Perm(n)[:min(int(math.Round(share*float64(n))), n-1)]
		for i := range n {
			into := rest
			if slices.Contains(chosen, i) {
				into = taken
			}
			into.paths, into.classes = append(into.paths, e.paths[at+i]), append(into.classes, e.classes[at+i])
		}
		at += n
	}
	*e = *rest
	return taken
}

// print is a hash of the examples: of their names, sizes and times, or of their numbers.
func (e *examples) print() string {
	h := sha256.New()
	for i, path := range e.paths {
		fmt.Fprintf(h, "%s\x00%d\x00", path, e.classes[i])
		if info, err := os.Stat(path); err == nil {
			fmt.Fprint(h, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, b := range e.batches {
		fmt.Fprint(h, b.Labels, b.Inputs[nn.PixelValues].Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
