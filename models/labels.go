package models

import (
	"bytes"
	"errors"
	"strings"

	"saccade/models/internal/checkpoint"
)

// ParseLabels reads a file of labels: one a line, in the order of the classes,
// or a config.json with id2label.
func ParseLabels(data []byte) ([]string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' {
		return configLabels(data)
	}
	var labels []string
	for line := range strings.Lines(string(data)) {
		labels = append(labels, strings.TrimSpace(line))
	}
	for len(labels) > 0 && labels[len(labels)-1] == "" {
		labels = labels[:len(labels)-1]
	}
	if len(labels) == 0 {
		return nil, errors.New("the file is empty; expected one label a line, or a config.json with id2label")
	}
	return labels, nil
}

func configLabels(data []byte) ([]string, error) {
	var config struct {
		ID2Label map[string]string `json:"id2label"`
	}
	if err := checkpoint.Decode("the file of labels", data, &config); err != nil {
		return nil, err
	}
	if len(config.ID2Label) == 0 {
		return nil, errors.New("the JSON has no id2label")
	}
	return checkpoint.Labels(config.ID2Label, 0)
}
