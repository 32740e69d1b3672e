package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/lora"
	"saccade/models/nn"
	"saccade/weights"
)

// Checkpoint is a network's checkpoint that is open: what [Load] makes a model of, with a
// last layer that can be set, and that can be written as a folder.
type Checkpoint struct {
	Name string // of the family or architecture, as it was asked for
	Head string // the last layer that SetHead gave it, by its name in the file; "": none

	family nn.Family
	files  *files
}

// Open opens a checkpoint by the name of its family or architecture; src is that of [Load].
// Pipelines are no networks: they can't be opened so.
func Open(ctx context.Context, name, src string, o Options) (c *Checkpoint, err error) {
	f, err := findSource(name, src, o)
	if err != nil {
		return nil, err
	}
	if f.Open != nil {
		return nil, fmt.Errorf("model %s is a pipeline of several networks", name)
	}
	err = weights.Guard(func() (err error) {
		c, err = open(ctx, f, name, src, o)
		return err
	})
	return c, err
}

func open(ctx context.Context, f nn.Family, name, src string, o Options) (*Checkpoint, error) {
	if o.Hub == nil {
		o.Hub = weights.HubFromEnv()
	}
	in, err := find(ctx, f, src, o)
	if err != nil {
		return nil, err
	}
	if err := in.openAdapters(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("loading %s from %s: %w", name, in.name, err), in.tensors.Close())
	}
	return &Checkpoint{Name: name, family: f, files: in}, nil
}

// findSource is the family of a name, whose weights src says, or those inside the program.
func findSource(name, src string, o Options) (nn.Family, error) {
	f, err := FindFamily(name)
	if err != nil {
		return f, err
	}
	if o.Answers && f.Answers != "" {
		f.Embedded = f.Answers
	}
	if src == "" && (f.Embedded == "" || name != f.Name || o.Embedded == nil) {
		return f, fmt.Errorf("model %s: %w; give -weights, %s", name, nn.ErrNoEmbedded, f.Weights)
	}
	return f, nil
}

// Source is the file, folder or hub id that it was opened from.
func (c *Checkpoint) Source() string { return c.files.name }

// Labels are those of its classes, nil where it states none.
func (c *Checkpoint) Labels() (labels []string, err error) {
	err = weights.Guard(func() error {
		d, err := describe(c.family, c.Name, c.files)
		if err == nil {
			labels = d.Labels
		}
		return err
	})
	return labels, err
}

// SavedNames are arrays under the names of the checkpoint's tensors, where they have those that
// transformers 5 has in memory.
func (c *Checkpoint) SavedNames(arrays map[string]Array) map[string]Array {
	var head struct {
		ModelType string `json:"model_type"`
	}
	_ = json.Unmarshal(c.files.config, &head) // what is wrong with it was said when it was opened
	all := map[string]Array{}
	for name, a := range arrays {
		all[weights.SavedName(name, head.ModelType)] = a
	}
	return all
}

// Load makes the checkpoint a model, which closes it.
func (c *Checkpoint) Load(dev *gpu.Device, o Options) (m *Model, err error) {
	err = weights.Guard(func() (err error) { // the file may shrink while it is read
		m, err = newModel(dev, c.family, c.Name, c.files, o)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("loading %s from %s: %w", c.Name, c.files.name, err), c.files.tensors.Close())
	}
	return m, nil
}

// Close closes a checkpoint that no model was made of.
func (c *Checkpoint) Close() error { return c.files.tensors.Close() }

// LabelsFile is the name of the file of labels, one a line, beside a checkpoint that has no
// config.json.
const LabelsFile = "id2label.txt"

// Write writes the checkpoint into a folder, as its library saves it, with values in place
// of its tensors, by their names: model.safetensors, config.json with the labels, and the
// preprocessing. A state_dict keeps its name, by which its preprocessing is known, and has
// its labels in a file of their own. Adapters of the options are merged.
func (c *Checkpoint) Write(folder string, values map[string]Array) error {
	return weights.Guard(func() error { return c.write(folder, values) })
}

func (c *Checkpoint) write(folder string, values map[string]Array) error {
	src, _, config, err := c.files.named(c.family, c.Name)
	if err != nil {
		return fmt.Errorf("save %s: %w", folder, err)
	}
	var tensors []*weights.Tensor
	for _, name := range src.Names() {
		t, ok := src.Tensor(name)
		if !ok {
			return fmt.Errorf("save %s: tensor %s can't be read", folder, name)
		}
		if v, ok := values[name]; ok {
			if !slices.Equal(v.Shape, t.Shape) {
				return fmt.Errorf("save %s: %s is %v, expected %v", folder, name, v.Shape, t.Shape)
			}
			if t, err = weights.FromFloat32s(name, v.Data, v.Shape...); err != nil {
				return fmt.Errorf("save %s: %w", folder, err)
			}
		}
		tensors = append(tensors, t)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := src.Tensor(name); !ok {
			return fmt.Errorf("save %s: the checkpoint has no tensor %s", folder, name)
		}
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	file := "model.safetensors"
	if config == nil && c.files.file != "" {
		base := strings.TrimSuffix(c.files.file, filepath.Ext(c.files.file))
		file = base + ".safetensors"
	}
	if err := weights.Write(filepath.Join(folder, file), tensors, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	beside := map[string][]byte{"config.json": indented(config), "preprocessor_config.json": c.files.preprocessor, LabelsFile: lines(c.files.labels)}
	if c.files.fsys != nil {
		if beside["processor_config.json"], err = optional(c.files.fsys, "processor_config.json"); err != nil {
			return err
		}
	}
	for name, data := range beside {
		if data == nil {
			continue
		}
		if err := weights.WriteFile(filepath.Join(folder, name), data); err != nil {
			return err
		}
	}
	return nil
}

// indented is a configuration as libraries write it.
func indented(config []byte) []byte {
	if config == nil {
		return nil
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(config, &keys) != nil {
		return config
	}
	text, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return config
	}
	return append(text, '\n')
}

// lines are texts, one a line; nil of none.
func lines(texts []string) []byte {
	if texts == nil {
		return nil
	}
	return []byte(strings.Join(texts, "\n") + "\n")
}

// WriteMerged is Write with an adapter of PEFT's merged into the weights.
func (c *Checkpoint) WriteMerged(folder, adapters string) error {
	file, err := lora.Open(adapters, nil)
	if err != nil {
		return fmt.Errorf("LoRA %s: %w", adapters, err)
	}
	merged := *c.files
	merged.adapters = append(slices.Clone(merged.adapters), adapter{adapters, 1, file})
	of := *c
	of.files = &merged
	return errors.Join(of.Write(folder, nil), file.Close())
}
