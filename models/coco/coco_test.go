package coco

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Figures are pycocotools' of the same boxes, which golden/generate_coco.py makes up.
func TestScore(t *testing.T) {
	for _, name := range []string{"plain", "ties", "crowds", "many", "few"} {
		truth, err := Read("testdata/" + name + ".truth.json")
		require.NoError(t, err)
		var found []struct {
			Image    int        `json:"image_id"`
			Category int        `json:"category_id"`
			Box      [4]float64 `json:"bbox"`
			Score    float64    `json:"score"`
		}
		var want [3]float64
		for file, into := range map[string]any{"found": &found, "want": &want} {
			data, err := os.ReadFile("testdata/" + name + "." + file + ".json")
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, into))
		}
		boxes := make([]Found, len(found))
		for i, f := range found {
			boxes[i] = Found{f.Image, f.Category, f.Box, f.Score}
		}
		p := truth.Score(boxes)
		assert.InDelta(t, want[0], p.AP, 1e-12, name)
		assert.InDelta(t, want[1], p.AP50, 1e-12, name)
		assert.InDelta(t, want[2], p.AP75, 1e-12, name)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`[`:  "as COCO has them",
		`{}`: "no images",
		`{"images": [{"id": 4, "file_name": "a"}], "categories": [{"id": 0}], "annotations": [{"image_id": 4}]}`: "has bbox [0 0 0 0]",
		`[]`:                                  "the document is a JSON array",
		`{"images": [{"id": "one"}]}`:         "images.id is a JSON string",
		`{"annotations": [{"bbox": [1, 2]}]}`: "bbox is [1, 2]; expected x, y, width and height",
		`{"annotations": [{"bbox": [1, 2, 3, 4, 5]}]}`:                                "bbox is [1, 2, 3, 4, 5]",
		`{"annotations": [{"bbox": [1, 2, 3, "4"]}]}`:                                 "bbox is",
		`{"images": [{"id": 1, "file_name": "../a.png"}]}`:                            "none within the folder",
		`{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}`:      "twice",
		`{"categories": [{"id": 1}, {"id": 1}]}`:                                      "twice",
		`{"annotations": [{"image_id": 4}]}`:                                          "image_id 4",
		`{"images": [{"id": 4, "file_name": "a"}], "annotations": [{"image_id": 4}]}`: "category_id 0",
		`{"images": [{"id": 4, "file_name": "a"}], "categories": [{"id": 0}], "annotations": [{"image_id": 4, "bbox": [1, 2, -3, 4]}]}`: "bbox",
	} {
		path := filepath.Join(t.TempDir(), "annotations.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := Read(path)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, path)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
