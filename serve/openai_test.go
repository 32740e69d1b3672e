package serve

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
)

type embeddings struct {
	Data []struct {
		Embedding []float32
		Index     int
	}
	Usage map[string]int
}

// Vectors are those of the library to the bit, as numbers and as bytes.
func TestEmbeddings(t *testing.T) {
	x := open(t, []string{"clip", "vit"}, nil)
	clip := alone(t, "clip", models.Options{})
	texts := []string{"a cat", "a red apple on a table, beside a dog and a green pear and a blue bird and a car and a house and a tree"}
	var want [][]float32
	for _, text := range texts {
		v, _, err := clip.EmbedTexts(t.Context(), []string{text}, nil)
		require.NoError(t, err)
		want = append(want, models.MeanVector(v))
	}
	got := get[embeddings](x, "/v1/embeddings", m{"model": "clip", "input": texts})
	require.Len(t, got.Data, 2)
	assert.Equal(t, want[0], got.Data[0].Embedding)
	assert.Equal(t, want[1], got.Data[1].Embedding)
	assert.Equal(t, 1, got.Data[1].Index)
	assert.Greater(t, got.Usage["prompt_tokens"], 20)

	bytes := get[struct{ Data []struct{ Embedding string } }](x, "/v1/embeddings", m{"input": texts[0], "encoding_format": "base64", "dimensions": 128})
	raw, err := base64.StdEncoding.DecodeString(bytes.Data[0].Embedding)
	require.NoError(t, err)
	require.Len(t, raw, 4*128)
	assert.Equal(t, want[0][7], math.Float32frombits(binary.LittleEndian.Uint32(raw[28:])))

	data, img := cat(t)
	var picture7 []float32
	require.NoError(t, clip.EmbedPictures(t.Context(), 1, 0, false, func(int) (*picture.Image, error) { return img, nil }, func(_ int, v []float32, err error) error {
		picture7 = v
		return err
	}))
	pictures := get[embeddings](x, "/v1/embeddings", m{"input": []string{jpegURL(data), base64.StdEncoding.EncodeToString(data)}, "modality": "image"})
	assert.Equal(t, picture7, pictures.Data[0].Embedding)
	assert.Equal(t, picture7, pictures.Data[1].Embedding)

	for _, c := range []struct {
		with m
		say  string
	}{
		{m{"input": []int{1, 2}}, "expected a text or a list of texts"},
		{m{"input": []string{}}, "there is none"},
		{m{}, "there is none"},
		{m{"input": "a", "dimensions": 5}, "have 128 values"},
		{m{"input": "a", "encoding_format": "hex"}, "expected float or base64"},
		{m{"input": "a", "modality": "audio"}, "expected text or image"},
		{m{"input": "a", "input_type": "passage"}, "expected query or document"},
		{m{"input": "a", "colour": 1}, "the key \\\"colour\\\" is not known"},
		{m{"input": "a", "user": 5}, "user"},
		{m{"input": strings.Repeat("a cat ", 100)}, "is longer than the"},
		{m{"input": "https://x.example/y.png", "modality": "image"}, "addresses are not fetched"},
		{m{"input": "data:image/png,abc", "modality": "image"}, "expected a data URL in base64"},
		{m{"input": "!!", "modality": "image"}, "it is no base64"},
		{m{"input": "aaaa", "modality": "image"}, "the image:"},
		{m{"input": "aaaa", "modality": "image", "model": "vit"}, "not one that makes vectors of images"},
	} {
		x.refused("/v1/embeddings", c.with, http.StatusBadRequest, c.say, "invalid_request_error")
	}
	status, answer := x.send(http.MethodPost, "/v1/embeddings", "application/json", []byte(`{"input":`))
	assert.Equal(t, http.StatusBadRequest, status, string(answer))
}

// drawn is the PNG that run writes of a prompt and a seed.
func drawn(t *testing.T, p *diffusion.Pipeline, q diffusion.Request) []byte {
	t.Helper()
	run, err := p.Start(t.Context(), q)
	require.NoError(t, err)
	defer run.Close()
	for run.Next() {
		require.NoError(t, run.Step(t.Context()))
	}
	result, err := run.Result(t.Context())
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, picture.EncodePNG(&b, result.Pictures()[0], p.Parameters(q, diffusion.Provenance{Prompt: q.Prompts[0], Seeds: q.Seeds})))
	return b.Bytes()
}

type images struct {
	Data []struct {
		Data []byte `json:"b64_json"`
		Seed uint64
	}
}

// sse are the events of a stream: their names, and their documents.
func sse(t *testing.T, answer []byte) (names []string, documents []m) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(answer))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			names = append(names, name)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && data != "[DONE]" {
			var d m
			require.NoError(t, json.Unmarshal([]byte(data), &d))
			documents = append(documents, d)
		}
	}
	return names, documents
}

// A PNG is run's of that seed; of several, the seeds follow each other.
func TestImages(t *testing.T) {
	x := open(t, []string{"sd"}, nil)
	p := alone(t, "sd", models.Options{}).Pipeline.(*diffusion.Pipeline)
	q := p.Defaults()
	q.Prompts, q.Steps, q.Seeds = []string{"red apple"}, 3, []uint64{7}
	want := drawn(t, p, q)

	got := get[images](x, "/v1/images/generations", m{"prompt": "red apple", "seed": 6, "steps": 3, "n": 2, "model": "sd", "size": "64x64", "response_format": "b64_json"})
	require.Len(t, got.Data, 2)
	assert.Equal(t, []uint64{6, 7}, []uint64{got.Data[0].Seed, got.Data[1].Seed})
	assert.Equal(t, want, got.Data[1].Data)

	status, answer := x.ask("/v1/images/generations", m{"prompt": "red apple", "seed": 7, "steps": 3, "stream": true, "partial_images": 2})
	require.Equal(t, http.StatusOK, status)
	names, events := sse(t, answer)
	assert.Equal(t, []string{"image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"}, names)
	for i, e := range events {
		assert.Equal(t, names[i], e["type"])
	}
	assert.Equal(t, 1.0, events[1]["partial_image_index"])
	assert.Equal(t, base64.StdEncoding.EncodeToString(want), events[2]["b64_json"])
	assert.NotEqual(t, events[0]["b64_json"], events[1]["b64_json"])

	negative, guidance := "blue", 2.5
	q.Negative, q.Guidance, q.Scheduler = &negative, guidance, "euler"
	other := get[images](x, "/v1/images/generations", m{"prompt": "red apple", "seed": 7, "steps": 3, "negative_prompt": negative, "guidance": guidance, "scheduler": "Euler"})
	q.Scheduler = "Euler"
	assert.Equal(t, drawn(t, p, q), other.Data[0].Data)

	for _, c := range []struct {
		with m
		say  string
	}{
		{m{}, "prompt: there is none"},
		{m{"prompt": "x", "n": 0}, "expected at least 1"},
		{m{"prompt": "x", "n": 99}, "at most 16 are made"},
		{m{"prompt": "x", "size": "big"}, "expected WIDTHxHEIGHT"},
		{m{"prompt": "x", "size": "65x64"}, "must be multiples of 4"},
		{m{"prompt": "x", "size": "99999x99999"}, "pixels are painted"},
		{m{"prompt": "x", "steps": 100000}, "at most 150"},
		{m{"prompt": "x", "quality": "hd"}, "quality"},
		{m{"prompt": "x", "response_format": "url"}, "response_format"},
		{m{"prompt": "x", "output_format": "webp"}, "output_format"},
		{m{"prompt": "x", "background": "transparent"}, "background"},
		{m{"prompt": "x", "partial_images": 1}, "stream with it"},
		{m{"prompt": "x", "scheduler": "eulerr"}, `the nearest is \"euler\"`},
		{m{"prompt": "x", "strength": 0.5}, "/v1/images/edits"},
		{m{"prompt": strings.Repeat("a cat ", 100)}, "the prompt is too long"},
	} {
		x.refused("/v1/images/generations", c.with, http.StatusBadRequest, c.say, "invalid_request_error")
	}
}

// form is a form of fields and files.
func form(t *testing.T, fields map[string]string, files map[string][]byte) (kind string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, v := range fields {
		require.NoError(t, w.WriteField(name, v))
	}
	for name, data := range files {
		part, err := w.CreateFormFile(name, name+".png")
		require.NoError(t, err)
		_, err = part.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.Bytes()
}

// encoded is a PNG of an image of Go's.
func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// An edit begins with the image, and with a mask paints what is transparent there.
func TestEdits(t *testing.T) {
	x := open(t, []string{"sd"}, nil)
	p := alone(t, "sd", models.Options{}).Pipeline.(*diffusion.Pipeline)
	from, mask := image.NewNRGBA(image.Rect(0, 0, 64, 64)), image.NewNRGBA(image.Rect(0, 0, 64, 64))
	white := picture.New(64, 64)
	for i := range 64 * 64 {
		c := color.NRGBA{uint8(3 * (i % 64)), uint8(i / 64 * 2), 90, 255}
		from.SetNRGBA(i%64, i/64, c)
		mask.SetNRGBA(i%64, i/64, color.NRGBA{255, 255, 255, 255})
		if i%64 < 20 {
			mask.SetNRGBA(i%64, i/64, color.NRGBA{})
			copy(white.Pix[3*i:], []uint8{255, 255, 255})
		}
	}
	img := picture.FromImage(from, nil)
	for _, masked := range []bool{false, true} {
		q := p.Defaults()
		q.Prompts, q.Steps, q.Seeds = []string{"red apple"}, 4, []uint64{3}
		files := map[string][]byte{"image": encoded(t, from)}
		if q.Strength = diffusion.DefaultStrength(masked); masked {
			files["mask"] = encoded(t, mask)
			require.NoError(t, p.SetPicture(&q, img, white, false))
		} else {
			require.NoError(t, p.SetPicture(&q, img, nil, false))
		}
		want := drawn(t, p, q)
		kind, body := form(t, map[string]string{"prompt": "red apple", "seed": "3", "steps": "4", "n": "1"}, files)
		status, answer := x.send(http.MethodPost, "/v1/images/edits", kind, body)
		require.Equal(t, http.StatusOK, status, string(answer))
		var got images
		require.NoError(t, json.Unmarshal(answer, &got))
		assert.Equal(t, want, got.Data[0].Data, "mask %v", masked)
	}
	for _, c := range []struct {
		fields map[string]string
		files  map[string][]byte
		say    string
	}{
		{map[string]string{"prompt": "x"}, nil, "image: there is none"},
		{map[string]string{"prompt": "x", "steps": "many"}, nil, "expected a number"},
		{map[string]string{"prompt": "x", "colour": "red"}, nil, "not known here"},
		{map[string]string{"prompt": "x"}, map[string][]byte{"image": encoded(t, from), "mask": encoded(t, from)}, "no pixel of it is transparent"},
		{map[string]string{"prompt": "x"}, map[string][]byte{"image": encoded(t, from), "mask": encoded(t, image.NewNRGBA(image.Rect(0, 0, 8, 8)))}, "give one of the picture's size"},
		{map[string]string{"prompt": "x"}, map[string][]byte{"image": []byte("no image")}, "the image:"},
		{map[string]string{"prompt": "x", "strength": "2"}, map[string][]byte{"image": encoded(t, from)}, "strength 2 is out of range"},
	} {
		kind, body := form(t, c.fields, c.files)
		status, answer := x.send(http.MethodPost, "/v1/images/edits", kind, body)
		assert.Equal(t, http.StatusBadRequest, status, string(answer))
		assert.Contains(t, string(answer), c.say)
	}
	status, _ := x.send(http.MethodPost, "/v1/images/edits", "application/json", []byte("{}"))
	assert.Equal(t, http.StatusBadRequest, status)
}

type completion struct {
	Choices []struct {
		Message struct{ Content string }
		Delta   struct{ Content string }
		Reason  *string `json:"finish_reason"`
	}
	Usage map[string]int
}

// A caption and an answer are the library's, whole and word by word.
func TestChat(t *testing.T) {
	x := open(t, []string{"blip", "blip_vqa"}, nil)
	data, img := cat(t)
	caption, err := alone(t, "blip", models.Options{}).Write(t.Context(), models.Ask{Image: img})
	require.NoError(t, err)
	answer, err := alone(t, "blip", models.Options{Answers: true}).Write(t.Context(), models.Ask{Image: img, Words: "what is it?", Question: true})
	require.NoError(t, err)
	ask := func(model, text string, more ...any) m {
		messages := append([]any{m{"role": "user", "content": []any{m{"type": "text", "text": text}, m{"type": "image_url", "image_url": m{"url": jpegURL(data)}}}}}, more...)
		return m{"model": model, "messages": messages}
	}
	got := get[completion](x, "/v1/chat/completions", ask("blip", "describe the image"))
	assert.Equal(t, caption.Words, got.Choices[0].Message.Content)
	assert.Equal(t, "stop", *got.Choices[0].Reason)
	assert.Equal(t, len(caption.IDs), got.Usage["total_tokens"])
	got = get[completion](x, "/v1/chat/completions", ask("blip_vqa", "what is it?"))
	assert.Equal(t, answer.Words, got.Choices[0].Message.Content)
	begun := get[completion](x, "/v1/chat/completions", ask("blip", "", m{"role": "assistant", "content": "a drawing of"}))
	assert.True(t, strings.HasPrefix(begun.Choices[0].Message.Content, "a drawing of"), begun.Choices[0].Message.Content)

	with := ask("blip", "")
	with["stream"], with["stream_options"] = true, m{"include_usage": true}
	status, stream := x.ask("/v1/chat/completions", with)
	require.Equal(t, http.StatusOK, status)
	_, events := sse(t, stream)
	words, parts := "", 0
	for _, e := range events {
		if choices := e["choices"].([]any); len(choices) > 0 {
			if part, ok := choices[0].(m)["delta"].(m)["content"].(string); ok {
				words += part
				parts++
			}
		}
	}
	assert.Equal(t, caption.Words, words)
	assert.Greater(t, parts, 2)
	assert.Contains(t, string(stream), "data: [DONE]")
	assert.EqualValues(t, len(caption.IDs), events[len(events)-1]["usage"].(m)["total_tokens"])

	// what one request asks for is not there for the next
	with = ask("blip", "")
	with["max_tokens"], with["temperature"], with["seed"] = 2, 3.0, 5
	short := get[completion](x, "/v1/chat/completions", with)
	assert.Equal(t, "length", *short.Choices[0].Reason)
	assert.Equal(t, 2, short.Usage["completion_tokens"])
	assert.Equal(t, short.Choices, get[completion](x, "/v1/chat/completions", with).Choices)
	assert.Equal(t, caption.Words, get[completion](x, "/v1/chat/completions", ask("blip", "")).Choices[0].Message.Content)

	change := func(key string, v any) m {
		d := ask("blip", "")
		d[key] = v
		return d
	}
	for _, c := range []struct {
		with m
		say  string
	}{
		{m{"messages": []any{}}, "there is none of a user"},
		{m{"messages": []any{m{"role": "user", "content": "hi"}}}, "there is no image"},
		{m{"messages": []any{m{"role": "user", "content": 5}}}, "neither a text nor a list"},
		{ask("blip", "", m{"role": "user", "content": "x"}, m{"role": "system", "content": "y"}), "stands first"},
		{ask("blip", "", m{"role": "tool", "content": "x"}), `role \"tool\"`},
		{ask("blip_vqa", ""), "answers questions; ask one"},
		{change("n", 2), "one answer is written"},
		{change("stop", "x"), "stop is not done"},
		{change("tools", []any{m{}}), "tools are not called"},
		{change("logprobs", true), "logprobs"},
		{change("presence_penalty", 1), "presence_penalty"},
		{change("response_format", m{"type": "json_object"}), "response_format"},
		{change("logit_bias", m{"1": 1}), "logit_bias"},
		{change("max_tokens", 100000), "at most 1024"},
		{change("max_tokens", 0), "expected at least 1"},
		{change("temperature", -1), "temperature"},
		{change("top_p", 2), "top_p"},
		{change("typical", 2), "not known here"},
	} {
		x.refused("/v1/chat/completions", c.with, http.StatusBadRequest, c.say)
	}
}

// A model that is talked to hears what was said before.
func TestChatTurns(t *testing.T) {
	x := open(t, nil, func(o *Options) { addChat(o) })
	talk := func(messages ...any) string {
		return get[completion](x, "/v1/chat/completions", m{"messages": messages, "max_tokens": 6}).Choices[0].Message.Content
	}
	first := m{"role": "user", "content": "why is it so?"}
	a := talk(first)
	b := talk(first, m{"role": "assistant", "content": "a cat"}, m{"role": "user", "content": "who?"})
	c := talk(first, m{"role": "assistant", "content": "a red dog of his"}, m{"role": "user", "content": "who?"})
	assert.NotEqual(t, b, c)
	assert.Equal(t, a, talk(first))
	assert.NotEqual(t, a, talk(m{"role": "system", "content": "be brief"}, first))
	x.refused("/v1/chat/completions", m{"messages": []any{first, m{"role": "assistant", "content": "a cat"}}}, http.StatusBadRequest, "does not go on from one")
	x.refused("/v1/chat/completions", m{"messages": []any{m{"role": "user", "content": "what is <image>?"}}}, http.StatusBadRequest, "the prompt holds")
}
