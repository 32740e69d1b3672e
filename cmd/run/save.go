package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"saccade/models"
	"saccade/weights"
)

// saver gathers the raw outputs of all pictures by name.
type saver struct {
	outputs map[string]*models.Array
	paths   []string
}

func newSaver() *saver { return &saver{outputs: map[string]*models.Array{}} }

// add appends the outputs of one picture.
func (s *saver) add(path string, outputs map[string]models.Array) error {
	for name, a := range outputs {
		all, ok := s.outputs[name]
		if !ok {
			all = &models.Array{Shape: append([]int{0}, a.Shape[1:]...)}
			s.outputs[name] = all
		}
		if !slices.Equal(all.Shape[1:], a.Shape[1:]) {
			return fmt.Errorf("picture %s: its %s has shape %v and that of those before %v; pictures that differ in size are saved one by one",
				path, name, a.Shape[1:], all.Shape[1:])
		}
		all.Shape[0] += a.Shape[0]
		all.Data = append(all.Data, a.Data...)
	}
	s.paths = append(s.paths, path)
	return nil
}

// set takes the outputs of all rows of one input.
func (s *saver) set(path string, outputs map[string]models.Array) {
	for name, a := range outputs {
		s.outputs[name] = &a
	}
	s.paths = []string{path}
}

// write saves the outputs, with the inputs' names in order as metadata "paths".
func (s *saver) write(path string) error {
	var tensors []*weights.Tensor
	for name, a := range s.outputs {
		t, err := weights.FromFloat32s(name, a.Data, a.Shape...)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		tensors = append(tensors, t)
	}
	paths, err := json.Marshal(s.paths)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return weights.Write(path, tensors, map[string]string{"format": "pt", "paths": string(paths)})
}
