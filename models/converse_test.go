package models_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/generate"
	"saccade/picture"
)

const chatDir = "../golden/chat"

// talkCase is a conversation of golden/generate_chat.py.
type talkCase struct {
	Image   string
	Split   bool
	Tiles   int
	Prompts []string
	Turns   []struct {
		IDs, Written []uint32
		Text         string
	}
}

func talkCases(t *testing.T) []talkCase {
	data, err := os.ReadFile(filepath.Join(chatDir, "cases.json"))
	require.NoError(t, err)
	var all []talkCase
	require.NoError(t, json.Unmarshal(data, &all))
	require.NotEmpty(t, all)
	return all
}

func openPicture(t *testing.T, name string) *picture.Image {
	img, err := picture.Open(filepath.Join("../golden/picture/src", name), picture.DecodeOptions{})
	require.NoError(t, err)
	return img
}

func openChat(t *testing.T, d *gpu.Device, dir string) *models.Model {
	m, err := models.Load(t.Context(), d, "smolvlm", dir, models.Options{Precision: gpu.F32})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// Prompts, answers and what follows them are those of transformers' processor and
// generate; a later turn reads its own tokens alone.
func TestConverse(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m := openChat(t, d, chatDir)
	ended := 0
	for _, c := range talkCases(t) {
		t.Run(c.Image, func(t *testing.T) {
			cut, err := m.Tiler()
			require.NoError(t, err)
			cut.Split = c.Split
			var streamed []string
			a := models.Ask{Image: openPicture(t, c.Image), Each: func(_ uint32, words string) { streamed = append(streamed, words) }}
			p, err := m.PlanConverse(a, c.Prompts)
			require.NoError(t, err)
			last := c.Turns[len(c.Turns)-1]
			assert.GreaterOrEqual(t, p.Tokens, len(last.IDs)+len(last.Written))
			done := 0
			answers, err := m.Converse(t.Context(), a, c.Prompts, func(i int, _ models.Written) { done += i + 1 })
			require.NoError(t, err)
			require.Len(t, answers, len(c.Turns))
			assert.Equal(t, len(answers)*(len(answers)+1)/2, done)
			for i, want := range c.Turns {
				got := answers[i]
				require.Equal(t, want.IDs, got.IDs[:got.Begun], "turn %d", i)
				assert.Equal(t, want.Written, got.IDs[got.Begun:], "turn %d", i)
				assert.Equal(t, want.Text, got.Words)
				assert.Contains(t, streamed, got.Words)
				assert.Equal(t, c.Tiles, got.Tiles)
				assert.Equal(t, 4*c.Tiles, got.ImageTokens)
				if got.Stopped == generate.AtEnd {
					ended++
				}
			}
		})
	}
	assert.Positive(t, ended, "no answer that ends")
}

// An answer that is given stands where the model's own would, whatever was written before.
func TestConverseSaid(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m := openChat(t, d, chatDir)
	a := models.Ask{Image: openPicture(t, "tiny.png")}
	turns := []string{"why is it so?", "and who was it?"}
	own, err := m.Converse(t.Context(), a, turns, nil)
	require.NoError(t, err)
	first := own[0].IDs[:own[0].Begun]

	a.Said = []string{"a cat"}
	plan, err := m.PlanConverse(a, turns)
	require.NoError(t, err)
	given, err := m.Converse(t.Context(), a, turns, nil)
	require.NoError(t, err)
	require.Len(t, given, 1)
	assert.GreaterOrEqual(t, plan.Tokens, len(given[0].IDs))
	begun := given[0].IDs[:given[0].Begun]
	require.Equal(t, first, begun[:len(first)])
	said, err := m.Words(begun[len(first):])
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(said, " a cat"), said)
	assert.NotEqual(t, own[1].IDs[:own[1].Begun], begun)

	again, err := openChat(t, d, chatDir).Converse(t.Context(), a, turns, nil)
	require.NoError(t, err)
	assert.Equal(t, again, given)

	a.Said = turns
	_, err = m.Converse(t.Context(), a, turns, nil)
	assert.ErrorContains(t, err, "2 answers to 2 turns")
}

// chatFolder is a copy of the golden's folder, with a file changed.
func chatFolder(t *testing.T, name string, change func(text string) string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(chatDir)))
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	text := change(string(data))
	require.NotEqual(t, string(data), text)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	return dir
}

// What is not known of a checkpoint's way to talk is refused with its name.
func TestConverseRefuses(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	a := models.Ask{Image: openPicture(t, "tiny.png")}
	for _, c := range []struct{ file, from, to, want string }{
		{"chat_template.json", "Assistant:", "Bot:", "chat_template.json: the chat template (SHA-256 "},
		{"chat_template.json", "Assistant:", "Bot:", "known are those of SmolVLM and SmolVLM2, with videos"},
		{"chat_template.json", `"chat_template"`, `"other"`, "there is no chat template"},
		{"tokenizer_config.json", `"backend"`, `"fake_image_token": "<x>", "backend"`, `fake_image_token is "<x>"`},
		{"tokenizer_config.json", `"extra_special_tokens": [`, `"extra_special_tokens": {"image_token": "<y>"}, "z": [`, `image_token is "<y>"`},
		{"config.json", `"image_token_id": 5`, `"image_token_id": 6`, "has <image> as token 5, config.json's image_token_id is 6"},
		{"preprocessor_config.json", `"longest_edge": 24`, `"longest_edge": 30`, "multiples of 2"},
		{"preprocessor_config.json", `"SmolVLMImageProcessor"`, `"CLIPImageProcessor"`, "cuts no tiles"},
		{"processor_config.json", "", `{"image_seq_len": 9}`, "image_seq_len is 9; the network makes 4"},
	} {
		m := openChat(t, d, chatFolder(t, c.file, func(text string) string {
			if c.from == "" {
				return c.to
			}
			return strings.Replace(text, c.from, c.to, 1)
		}))
		_, err := m.Converse(t.Context(), a, []string{"why?"}, nil)
		assert.ErrorContains(t, err, c.want, c.to)
	}
	m := openChat(t, d, chatDir)
	_, err := m.Converse(t.Context(), a, []string{"what is <image>?"}, nil)
	assert.ErrorContains(t, err, "the prompt holds <image>")
	_, err = m.Converse(t.Context(), a, nil, nil)
	assert.ErrorContains(t, err, "there is no prompt")
	_, err = m.Converse(t.Context(), a, []string{strings.Repeat("why? ", 60)}, nil)
	assert.ErrorContains(t, err, "fill the context of 160; shorten the prompt")
	_, err = m.Converse(t.Context(), a, []string{"why?", strings.Repeat("why? ", 60)}, nil)
	assert.ErrorContains(t, err, "turn 2: ")
}

// Every template that is known is one of the reference's.
func TestTemplates(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	data, err := os.ReadFile(filepath.Join(chatDir, "templates.json"))
	require.NoError(t, err)
	var all map[string]string
	require.NoError(t, json.Unmarshal(data, &all))
	known := openChat(t, d, chatDir).Writer().Decoder.Conversation.Templates
	assert.Len(t, known, len(all))
	for _, k := range known {
		require.Contains(t, all, k.Name)
		dir := chatFolder(t, "chat_template.jinja", func(string) string { return all[k.Name] + "\n" })
		require.NoError(t, os.Remove(filepath.Join(dir, "chat_template.json")))
		_, err := openChat(t, d, dir).Tiler()
		assert.NoError(t, err, k.Name)
	}
}
