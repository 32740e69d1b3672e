package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/lora"
	"saccade/weights"
)

// adapter is a LoRA that is merged into a network when its tensors are read.
type adapter struct {
	source string
	scale  float64
	*lora.File
}

// openAdapters opens those that the options name; they are closed with the tensors.
func (f *files) openAdapters(ctx context.Context, o Options) error {
	for _, l := range o.LoRA {
		file, err := lora.Open(l.File, func(src string, wanted ...string) (string, error) {
			return weights.Resolve(ctx, src, o.Hub, wanted...)
		})
		if err == nil && (math.IsNaN(l.Scale) || math.IsInf(l.Scale, 0)) {
			err = errors.Join(fmt.Errorf("a scale of %v is no number to multiply with", l.Scale), file.Close())
		}
		if err != nil {
			return fmt.Errorf("LoRA %s: %w", l.File, err)
		}
		f.adapters = append(f.adapters, adapter{l.File, l.Scale, file})
		f.tensors = both{f.tensors, file}
	}
	return nil
}

// both are tensors that are closed with something else.
type both struct {
	tensors
	other io.Closer
}

// Close implements io.Closer.
func (b both) Close() error { return errors.Join(b.tensors.Close(), b.other.Close()) }

// adapted shows a checkpoint with its adapters merged, and the configuration with the
// labels that they bring.
func (f *files) adapted(src weights.Source, modelType string) (weights.Source, []byte, error) {
	config := f.config
	for _, a := range f.adapters {
		base := src
		var err error
		if src, err = a.merge(base, modelType); err == nil && len(a.Saved) > 0 {
			config, err = a.labelled(config, base, src)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("LoRA %s: %w", a.source, err)
		}
	}
	return src, config, nil
}

// merge shows a checkpoint with the adapter's products added to its weights and the
// layers that were trained whole in the place of its own.
func (a adapter) merge(src weights.Source, modelType string) (weights.Source, error) {
	names := src.Names()
	deltas := map[string]*lora.Delta{}
	for _, l := range a.Layers {
		d, err := l.Delta(a.scale)
		if err != nil {
			return nil, err
		}
		name := savedName(l.Module+".weight", modelType, names)
		w, ok := src.Tensor(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("its layer %s is none of the network's; the nearest is %s", l.Key, Nearest(l.Module, modules(names)))
		case !d.Fits(w.Shape):
			return nil, fmt.Errorf("its layer %s is for a weight %v, but %s is %v: it is for another base than this one", l.Key, d.Shape(), name, w.Shape)
		case deltas[name] != nil:
			return nil, fmt.Errorf("its layers %s and %s are both for %s", deltas[name].Key, l.Key, name)
		}
		deltas[name] = d
	}
	if len(deltas) == 0 && len(a.Saved) == 0 {
		return nil, errors.New("it has no layer with both factors")
	}
	var whole []*weights.Tensor
	for _, name := range slices.Sorted(maps.Keys(a.Saved)) {
		t := *a.Saved[name]
		t.Name = savedName(name, modelType, names)
		whole = append(whole, &t)
	}
	return weights.With(lora.Merged(src, deltas), whole...), nil
}

// savedName is a checkpoint's name for a tensor that Python has by name in memory, of
// the network alone or within one with a head: the prefix of one may lack in the other.
func savedName(name, modelType string, names []string) string {
	name = weights.SavedName(name, modelType)
	if slices.Contains(names, name) {
		return name
	}
	if _, bare, ok := strings.Cut(name, "."); ok && slices.Contains(names, bare) {
		return bare
	}
	var found []string
	for _, n := range names {
		if prefix, ok := strings.CutSuffix(n, "."+name); ok && !strings.Contains(prefix, ".") {
			found = append(found, n)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return name
}

// modules are the names of the layers with weights.
func modules(tensors []string) []string {
	var all []string
	for _, n := range tensors {
		if module, ok := strings.CutSuffix(n, ".weight"); ok {
			all = append(all, module)
		}
	}
	return all
}

// LabelsKey is the key of an adapter file's metadata with its classes by index, as a
// configuration has them: PEFT's own has no place for those of a head that was trained
// with it.
const LabelsKey = "id2label"

// labelled is a configuration with the labels of the adapter's classifier, or without
// labels where the file tells none and it has another number of classes than the base.
func (a adapter) labelled(config []byte, base, src weights.Source) ([]byte, error) {
	if config == nil {
		return nil, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(config, &keys); err != nil {
		return config, nil // what is wrong with it the family says
	}
	if text, ok := a.Metadata()[LabelsKey]; ok {
		var labels map[string]string
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, fmt.Errorf("its metadata %s are no labels by index: %w", LabelsKey, err)
		}
		keys["id2label"] = json.RawMessage(text)
		return checkpoint.Object(keys)
	}
	var labels map[string]string
	_ = json.Unmarshal(keys["id2label"], &labels)
	for _, name := range src.Names() {
		if was, is := checkpoint.Rows(base, name), checkpoint.Rows(src, name); was != is && is != len(labels) {
			delete(keys, "id2label")
		}
	}
	return checkpoint.Object(keys)
}

// id2label is a configuration's labels by index.
func id2label(labels []string) map[string]string {
	all := map[string]string{}
	for i, l := range labels {
		all[strconv.Itoa(i)] = l
	}
	return all
}
