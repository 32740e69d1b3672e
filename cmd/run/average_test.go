package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/coco"
)

// The figures are those of the boxes that the same pictures are told with one by one.
func TestAveragePrecision(t *testing.T) {
	for _, name := range []string{"yolos", "owlv2"} {
		dir, model := t.TempDir(), ""
		truth := coco.Annotations{}
		args := []string{"-model", "detect", "-json", "-threshold", "0", "-precision", "f32"}
		if name == "owlv2" {
			model = named(t)
			args[1] = "find"
			truth.Categories = []coco.Category{{ID: 5, Name: "a cat"}, {ID: 2, Name: "a dog"}}
			args = append(args, "-text", "a cat", "-text", "a dog")
		} else {
			model = smallPictures(t, checkpoint(t, name))
		}
		args = append(args, "-weights", model)
		for i, size := range [][2]int{{64, 40}, {50, 71}} {
			file := string(rune('a'+i)) + ".png"
			args = append(args, "-image", picturePath(t, dir, file, size[0], size[1], i))
			truth.Images = append(truth.Images, coco.Image{ID: 7 - i, File: file, Width: size[0], Height: size[1]})
		}
		r := call(t, args...)
		requireFine(t, r)
		var doc foundJSON
		requireJSON(t, r, &doc)
		ids, found := map[string]int{}, []coco.Found{}
		for _, c := range truth.Categories {
			ids[c.Name] = c.ID
		}
		for i, m := range doc.Images {
			for k, o := range m.Objects {
				id, ok := ids[o.Label]
				if !ok {
					id = len(ids) + 1
					ids[o.Label] = id
					truth.Categories = append(truth.Categories, coco.Category{ID: id, Name: o.Label})
				}
				b := [4]float64{o.Box[0], o.Box[1], o.Box[2] - o.Box[0], o.Box[3] - o.Box[1]}
				found = append(found, coco.Found{Image: 7 - i, Category: id, Box: b, Score: o.Score})
				if k%3 == 0 {
					b[0] += b[2] / 9 // an IoU of four fifths
					truth.Annotations = append(truth.Annotations, coco.Annotation{Image: 7 - i, Category: id, Box: b})
				}
			}
		}
		write := func() {
			text, err := json.Marshal(truth)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "annotations.json"), text, 0o644))
		}
		write()
		want := truth.Score(found)
		require.Greater(t, want.AP50, want.AP)
		r = call(t, "-model", args[1], "-weights", model, "-eval", dir, "-json", "-precision", "f32")
		requireFine(t, r)
		var got averageJSON
		requireJSON(t, r, &got)
		assert.InDelta(t, want.AP, got.AP, 1e-9)
		assert.InDelta(t, want.AP50, got.AP50, 1e-9)
		assert.InDelta(t, want.AP75, got.AP75, 1e-9)
		assert.Equal(t, 2, got.Images)

		eval := func() result { return call(t, "-model", args[1], "-weights", model, "-eval", dir) }
		truth.Images[1].Width++
		write()
		r = eval()
		require.Equal(t, cli.ExitFailure, r.code)
		assert.Contains(t, r.stderr, "b.png: it has 50×71 pixels and annotations.json says 51×71")
		assert.Contains(t, r.stdout, "average precision")
		if name == "yolos" {
			for i := range truth.Categories {
				truth.Categories[i].Name = "nothing known"
			}
			write()
			requireError(t, eval(), cli.ExitFailure, "annotations.json", "label of the model")
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "annotations.json"), []byte("[1]"), 0o644))
		requireError(t, eval(), cli.ExitFailure, "as COCO has them")
		require.NoError(t, os.Remove(filepath.Join(dir, "annotations.json")))
		requireError(t, eval(), cli.ExitFailure, "annotations.json, which is not there")
	}
}
