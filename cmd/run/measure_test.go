package main

import (
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/ops"
	"saccade/weights"
)

// foundJSON is the document of objects as a reader sees it.
type foundJSON struct {
	head
	Images []objectsJSON `json:"images"`
	Errors []pathError   `json:"errors"`
	MS     timesJSON     `json:"ms"`
}

// Boxes are in pixels of the picture, wide, tall and odd, whatever size the network saw,
// and not with axes exchanged: what the raw outputs say of it.
func TestDetect(t *testing.T) {
	for _, name := range []string{"yolos", "yolos_wide", "detr"} {
		for _, size := range [][2]int{{211, 93}, {77, 190}} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				pic, raw, out := picturePath(t, dir, "a.png", size[0], size[1], 1), filepath.Join(dir, "raw.safetensors"), filepath.Join(dir, "out.png")
				model := smallPictures(t, checkpoint(t, name))
				r := call(t, "-model", "detect", "-weights", model, "-image", pic, "-json", "-threshold", "0.2", "-save", raw, "-o", out, "-precision", "f32")
				requireFine(t, r)
				var doc foundJSON
				requireJSON(t, r, &doc)
				require.Len(t, doc.Images, 1)
				require.NotEmpty(t, doc.Images[0].Objects)
				want := expected(read(t, raw), 0.2, float64(size[0]), float64(size[1]))
				require.Len(t, doc.Images[0].Objects, len(want))
				last := 1.0
				for _, o := range doc.Images[0].Objects {
					assert.LessOrEqual(t, o.Score, last)
					last = o.Score
					box, ok := want[math.Round(o.Score*1e6)]
					require.True(t, ok, o.Score)
					assert.InDeltaSlice(t, box[:], o.Box[:], 1e-3)
				}
				m := requireDrawn(t, doc.Images[0].Written, out)
				assert.Equal(t, size, [2]int{m.W, m.H})
			})
		}
	}
}

// Of detectors whose classes are probabilities of their own a query may be several objects:
// those pairs of a query and a class that score best.
func TestDetectPairs(t *testing.T) {
	dir := t.TempDir()
	pic, raw := picturePath(t, dir, "a.png", 211, 93, 1), filepath.Join(dir, "raw.safetensors")
	model := checkpoint(t, "rtdetr")
	config := `{"image_processor_type": "RTDetrImageProcessor", "size": {"height": 64, "width": 96}}`
	require.NoError(t, os.WriteFile(filepath.Join(model, "preprocessor_config.json"), []byte(config), 0o644))
	r := call(t, "-model", "detect", "-weights", model, "-image", pic, "-json", "-threshold", "0.3", "-save", raw, "-precision", "f32")
	requireFine(t, r)
	var doc foundJSON
	requireJSON(t, r, &doc)
	out := read(t, raw)
	logits, boxes, want := out["logits"], out["pred_boxes"], map[float64][4]float64{}
	var scores []float64
	for i, v := range logits.Data {
		score, b := 1/(1+math.Exp(-float64(v))), boxes.Data[i/logits.Shape[2]*4:]
		scores = append(scores, score)
		x, y, w, h := float64(b[0])*211, float64(b[1])*93, float64(b[2])*211/2, float64(b[3])*93/2
		want[math.Round(score*1e6)] = [4]float64{x - w, y - h, x + w, y + h}
	}
	slices.Sort(scores)
	slices.Reverse(scores)
	scores = slices.DeleteFunc(scores[:logits.Shape[1]], func(s float64) bool { return s <= 0.3 })
	require.Len(t, doc.Images[0].Objects, len(scores))
	require.NotEmpty(t, scores)
	for i, o := range doc.Images[0].Objects {
		assert.InDelta(t, scores[i], o.Score, 1e-6)
		box, ok := want[math.Round(o.Score*1e6)]
		require.True(t, ok, o.Score)
		assert.InDeltaSlice(t, box[:], o.Box[:], 1e-3)
	}
	requireError(t, call(t, "-model", "detect", "-weights", model, "-image", pic, "-size", "70"), cli.ExitFailure, "do not double")
}

// smallPictures has a checkpoint's pictures be small.
func smallPictures(t *testing.T, dir string) string {
	t.Helper()
	config := `{"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 40, "longest_edge": 70}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o644))
	return dir
}

// expected are the boxes of raw outputs by their scores in millionths, as transformers'
// post_process_object_detection makes them.
func expected(out map[string]models.Array, threshold, w, h float64) map[float64][4]float64 {
	logits, boxes := out["logits"], out["pred_boxes"]
	classes, found := logits.Shape[2], map[float64][4]float64{}
	for q := range logits.Shape[1] {
		sum, best := 0.0, 0.0
		for c, v := range logits.Data[q*classes:][:classes] {
			e := math.Exp(float64(v))
			if sum += e; c < classes-1 {
				best = max(best, e)
			}
		}
		if best/sum > threshold {
			b := boxes.Data[4*q:]
			x, y, bw, bh := float64(b[0]), float64(b[1]), float64(b[2]), float64(b[3])
			found[math.Round(best/sum*1e6)] = [4]float64{(x - bw/2) * w, (y - bh/2) * h, (x + bw/2) * w, (y + bh/2) * h}
		}
	}
	return found
}

// Several pictures are drawn into a folder; a bad one is named and the others are done.
func TestDetectSeveral(t *testing.T) {
	dir, folder := t.TempDir(), t.TempDir()
	a, b := picturePath(t, dir, "a.png", 50, 60, 1), picturePath(t, dir, "b.png", 90, 40, 2)
	bad := filepath.Join(dir, "bad.png")
	require.NoError(t, os.WriteFile(bad, []byte("no picture"), 0o644))
	model := smallPictures(t, checkpoint(t, "yolos_wide"))
	r := call(t, "-model", "detect", "-weights", model, "-image", a, "-image", bad, "-image", b, "-json", "-o", folder)
	assert.Equal(t, cli.ExitFailure, r.code)
	var doc foundJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	require.Len(t, doc.Images, 2)
	assert.Equal(t, []string{a, b}, []string{doc.Images[0].Path, doc.Images[1].Path})
	assert.NotNil(t, doc.Images[0].Objects, "an empty list, not null")
	require.Len(t, doc.Errors, 1)
	assert.Equal(t, bad, doc.Errors[0].Path)
	for _, name := range []string{"a.png", "b.png"} {
		assert.FileExists(t, filepath.Join(folder, name))
	}
	assert.NoFileExists(t, filepath.Join(folder, "bad.png"))
}

func TestDetectRefuses(t *testing.T) {
	dir := t.TempDir()
	pic := picturePath(t, dir, "a.png", 50, 60, 1)
	model := checkpoint(t, "yolos_wide")
	requireError(t, call(t, "-model", "yolos_tiny", "-image", pic), cli.ExitFailure, "no embedded weights", "give -weights")
	call := func(args ...string) result { return call(t, append([]string{"-model", "detect"}, args...)...) }
	requireError(t, call("-weights", model, "-image", pic, "-threshold", "1.5"), cli.ExitUsage, "from 0 to 1")
	requireError(t, call("-weights", model, "-image", pic, "-text", "cat"), cli.ExitUsage, "-text does not go with it")
	requireError(t, call("-weights", model, "-image", pic, "-o", filepath.Join(dir, "a.jpg")), cli.ExitUsage, "should end in .png")
	requireError(t, call("-weights", model, "-image", pic, "-image", pic, "-o", filepath.Join(dir, "x.png")), cli.ExitUsage, "into a folder")
	requireError(t, call("-weights", model, "-image", pic, "-o", dir), cli.ExitUsage, "drawn over it")
	requireError(t, call("-weights", checkpoint(t, "vit_classify"), "-image", pic), cli.ExitFailure, `type "vit"`, "yolos")
	labels := filepath.Join(dir, "labels.txt")
	require.NoError(t, os.WriteFile(labels, []byte("a\nb\n"), 0o644))
	requireError(t, call("-weights", model, "-image", pic, "-labels", labels), cli.ExitFailure, "2 labels and the network has 3 classes")
	requireError(t, call("-weights", checkpoint(t, "rtdetr"), "-image", pic, "-labels", labels), cli.ExitFailure, "2 labels and the network has 5 classes")
	bare := checkpoint(t, "yolos_wide")
	require.NoError(t, os.Remove(filepath.Join(bare, "config.json")))
	requireError(t, call("-weights", bare, "-image", pic), cli.ExitFailure, "config.json")
	broken := checkpoint(t, "yolos_wide")
	rewrite(t, broken, func(all map[string]*weights.Tensor) { delete(all, "vit.embeddings.detection_tokens") })
	requireError(t, call("-weights", broken, "-image", pic), cli.ExitFailure, "vit.embeddings.detection_tokens")
}

// named is the checkpoint of an OWLv2 with a tokenizer.
func named(t *testing.T) string {
	t.Helper()
	dir := checkpoint(t, "owlv2")
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../golden/tokenizer/small")))
	return dir
}

// What texts name is found in pictures of several sizes and told by the texts; boxes are of
// the picture filled up to a square, and one by one as in a batch.
func TestFind(t *testing.T) {
	dir, model := t.TempDir(), named(t)
	raw := filepath.Join(dir, "raw.safetensors")
	args := []string{"-model", "find", "-weights", model, "-text", "a red valve", "-text", "cat", "-threshold", "0.3", "-json", "-precision", "f32"}
	size := [][2]int{{211, 93}, {50, 120}}
	var pictures []string
	for i, s := range size {
		pictures = append(pictures, picturePath(t, dir, string(rune('a'+i))+".png", s[0], s[1], i))
	}
	r := call(t, append(args, "-image", pictures[0], "-image", pictures[1], "-save", raw)...)
	requireFine(t, r)
	var doc foundJSON
	requireJSON(t, r, &doc)
	out := read(t, raw)
	require.Equal(t, []int{2, 25, 2}, out["logits"].Shape)
	require.Equal(t, []int{2, 25}, out["objectness_logits"].Shape)
	for i, image := range doc.Images {
		require.NotEmpty(t, image.Objects)
		side := float64(max(size[i][0], size[i][1]))
		want := map[float64][4]float64{}
		for q := range 25 {
			a := out["logits"].Data[(i*25+q)*2:]
			score := 1 / (1 + math.Exp(-float64(max(a[0], a[1]))))
			b := out["pred_boxes"].Data[(i*25+q)*4:]
			x, y, w, h := float64(b[0]), float64(b[1]), float64(b[2]), float64(b[3])
			if score > 0.3 {
				want[math.Round(score*1e6)] = [4]float64{(x - w/2) * side, (y - h/2) * side, (x + w/2) * side, (y + h/2) * side}
			}
		}
		require.Len(t, image.Objects, len(want))
		for _, o := range image.Objects {
			assert.Contains(t, []string{"a red valve", "cat"}, o.Label)
			box := want[math.Round(o.Score*1e6)]
			assert.InDeltaSlice(t, box[:], o.Box[:], 1e-3)
		}
	}
	alone := call(t, append(args, "-image", pictures[1])...)
	requireFine(t, alone)
	var one foundJSON
	requireJSON(t, alone, &one)
	require.Len(t, one.Images[0].Objects, len(doc.Images[1].Objects))
	for i, o := range one.Images[0].Objects {
		assert.InDeltaSlice(t, doc.Images[1].Objects[i].Box[:], o.Box[:], 1e-3)
	}
}

func TestFindRefuses(t *testing.T) {
	dir := t.TempDir()
	pic := picturePath(t, dir, "a.png", 50, 60, 1)
	call := func(args ...string) result {
		return call(t, append([]string{"-model", "find", "-image", pic}, args...)...)
	}
	requireError(t, call("-weights", named(t)), cli.ExitUsage, "give -text TEXT")
	requireError(t, call("-weights", checkpoint(t, "owlvit"), "-text", "cat"), cli.ExitFailure, "tokenizer.json")
	requireError(t, call("-weights", named(t), "-text", "one two three four five six seven"), cli.ExitFailure, "more than the context of 9 tokens")
	requireError(t, call("-weights", checkpoint(t, "yolos"), "-text", "cat"), cli.ExitFailure, `type "yolos"`, "owlvit or owlv2")
}

// Depth is of the picture's own size, wide or tall, in colours and in 16 bits, with the range
// that the document says.
func TestDepth(t *testing.T) {
	model := checkpoint(t, "depth_anything")
	config := `{"image_processor_type": "DPTImageProcessor", "size": {"height": 42, "width": 42}, "keep_aspect_ratio": true, "ensure_multiple_of": 7}`
	require.NoError(t, os.WriteFile(filepath.Join(model, "preprocessor_config.json"), []byte(config), 0o644))
	for _, size := range [][2]int{{101, 53}, {37, 90}} {
		dir := t.TempDir()
		pic, raw := picturePath(t, dir, "a.png", size[0], size[1], 1), filepath.Join(dir, "raw.safetensors")
		for _, name := range []string{"out.png", "out.depth.png"} {
			out := filepath.Join(dir, name)
			r := call(t, "-model", "depth", "-weights", model, "-image", pic, "-json", "-save", raw, "-o", out, "-precision", "f32")
			requireFine(t, r)
			var doc struct {
				head
				Images []depthJSON `json:"images"`
				MS     timesJSON   `json:"ms"`
			}
			requireJSON(t, r, &doc)
			d := read(t, raw)["predicted_depth"]
			require.Len(t, d.Shape, 3)
			want := ops.InterpolatePositions(d.Data, 1, [2]int{d.Shape[1], d.Shape[2]}, [2]int{size[1], size[0]}, false)
			assert.InDelta(t, slices.Min(want), doc.Images[0].Min, 1e-6)
			assert.InDelta(t, slices.Max(want), doc.Images[0].Max, 1e-6)
			file, err := os.Open(out)
			require.NoError(t, err)
			m, err := png.Decode(file)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			require.Equal(t, size, [2]int{m.Bounds().Dx(), m.Bounds().Dy()})
			if grey, ok := m.(*image.Gray16); ok {
				require.Equal(t, "out.depth.png", name)
				for i, v := range want {
					part := (float64(v) - doc.Images[0].Min) / (doc.Images[0].Max - doc.Images[0].Min)
					require.InDelta(t, part*65535, grey.Gray16At(i%size[0], i/size[0]).Y, 1)
				}
			}
		}
	}
	requireError(t, call(t, "-model", "depth", "-weights", checkpoint(t, "yolos"), "-image", picturePath(t, t.TempDir(), "a.png", 50, 60, 1)), cli.ExitFailure, `type "yolos"`, "depth_anything or dpt")
}
