package live

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
)

// captioner is a golden's captioner with words of its own.
func captioner(t *testing.T) *models.Model {
	t.Helper()
	c, err := golden.Find("blip_caption")
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, folder))
	words := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for i := len(words); i < 61; i++ {
		words = append(words, fmt.Sprintf("w%d", i))
	}
	for name, text := range map[string]string{
		"vocab.txt": strings.Join(words, "\n") + "\n", "tokenizer_config.json": `{"tokenizer_class": "BertTokenizer"}`,
		"preprocessor_config.json": `{"image_processor_type": "BlipImageProcessor", "size": {"height": 20, "width": 20}}`,
		"generation_config.json":   `{"max_new_tokens": 6, "min_new_tokens": 6}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	m, err := models.Load(context.Background(), gputest.Open(t, gpu.Options{}), "blip", filepath.Join(dir, "model.safetensors"), models.Options{Precision: gpu.F16})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// until waits for a view that is as wanted.
func until(t *testing.T, s viewer.Session, ok func(v viewer.View) bool) viewer.View {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		if v := s.View(); ok(v) {
			return v
		}
		select {
		case <-s.Changed():
		case <-deadline:
			require.Fail(t, "the view is not as wanted", "%+v", s.View())
		}
	}
}

// Words appear; each has the patches that it came from, and a patch its word.
func TestCaption(t *testing.T) {
	images := map[string]*picture.Image{"of/a.png": noise(20, 20), "of/b.png": noise(30, 20)}
	s, err := NewCaption(context.Background(), captioner(t), []string{"of/a.png", "of/b.png", "gone.png"}, func(path string) (*picture.Image, error) {
		if img := images[path]; img != nil {
			return img, nil
		}
		return nil, errors.New("gone.png is gone")
	}, models.Ask{})
	require.NoError(t, err)
	defer s.Close()
	written := func(v viewer.View) bool { return len(v.Strip) > 0 }
	v := until(t, s, written)
	assert.Equal(t, image.Pt(5, 5), v.Grid)
	assert.Nil(t, v.Shown[0].Heat, "no word is chosen")
	var words []string
	for _, w := range v.Strip {
		words = append(words, w.Label)
		assert.Len(t, w.Heat.Values, 25)
	}
	assert.Len(t, words, 6)
	assert.Contains(t, v.Facts, strings.Join(words, " "))

	s.Do(viewer.Command{Action: viewer.ShowStep, Step: 2})
	v = s.View()
	assert.Equal(t, v.Strip[2].Heat.Values, v.Shown[0].Heat.Values)
	s.Point(image.Pt(3, 1), true)
	v = s.View()
	most := v.Shown[0].Heat.Values[1*5+3]
	for _, w := range v.Strip {
		assert.LessOrEqual(t, w.Heat.Values[1*5+3], most)
	}
	s.Point(image.Point{}, false)
	s.Do(viewer.Command{Action: viewer.NextHeat})
	assert.Equal(t, 3, s.View().At)
	s.Do(viewer.Command{Action: viewer.ToggleHeat})
	assert.Nil(t, s.View().Shown[0].Heat)

	s.Do(viewer.Command{Action: viewer.Forward})
	v = until(t, s, written)
	assert.Equal(t, "b.png", v.Name)
	s.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "gone.png is gone", s.View().Notice)
	assert.Equal(t, "b.png", s.View().Name)
}
