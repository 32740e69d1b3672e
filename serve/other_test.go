package serve

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"saccade/models"
	"saccade/models/diffusion"
	"saccade/picture"
)

// Ollama's answers come in lines, or in one document if that is asked for.
func TestOllama(t *testing.T) {
	x := open(t, []string{"blip", "blip_vqa", "clip"}, nil)
	data, img := cat(t)
	image := base64.StdEncoding.EncodeToString(data)
	caption, err := alone(t, "blip", models.Options{}).Write(t.Context(), models.Ask{Image: img})
	require.NoError(t, err)

	one := get[m](x, "/api/generate", m{"model": "blip:latest", "prompt": "Describe it.", "images": []string{image}, "stream": false, "options": m{"num_ctx": 4096, "temperature": 0, "repeat_penalty": 1}, "keep_alive": "5m"})
	assert.Equal(t, caption.Words, one["response"])
	assert.Equal(t, []any{true, "stop", float64(len(caption.IDs) - caption.Begun)}, []any{one["done"], one["done_reason"], one["eval_count"]})

	status, lines := x.ask("/api/chat", m{"model": "blip_vqa", "messages": []any{m{"role": "user", "content": "what is it?", "images": []string{image}}}})
	require.Equal(t, http.StatusOK, status)
	words, last := "", m{}
	for line := range strings.Lines(string(lines)) {
		last = m{}
		require.NoError(t, json.Unmarshal([]byte(line), &last))
		words += last["message"].(m)["content"].(string)
	}
	answer, err := alone(t, "blip", models.Options{Answers: true}).Write(t.Context(), models.Ask{Image: img, Words: "what is it?", Question: true})
	require.NoError(t, err)
	assert.Equal(t, answer.Words, words)
	assert.Equal(t, true, last["done"])

	tags := get[struct{ Models []struct{ Name string } }](x, "/api/tags", nil).Models
	assert.Len(t, tags, 3)
	assert.Equal(t, "0.0.0", get[m](x, "/api/version", nil)["version"])
	assert.Equal(t, []any{"completion", "vision"}, get[m](x, "/api/show", m{"model": "blip"})["capabilities"])
	vectors := get[struct{ Embeddings [][]float32 }](x, "/api/embed", m{"model": "clip", "input": []string{"a cat", strings.Repeat("a cat ", 100)}}).Embeddings
	assert.Equal(t, get[embeddings](x, "/v1/embeddings", m{"input": "a cat"}).Data[0].Embedding, vectors[0])
	require.Len(t, vectors, 2)

	ask := func(key string, v any) m {
		return m{"model": "blip", "prompt": "", "images": []string{image}, key: v}
	}
	for say, with := range map[string]m{
		"format: ": ask("format", "json"), "think: ": ask("think", true), "suffix is not done": ask("suffix", "x"), "raw is not done": ask("raw", true), "context is not done": ask("context", []int{1}),
		"repeat_penalty": ask("options", m{"repeat_penalty": 1.1}), "min_p": ask("options", m{"min_p": 0.1}), "stop is not done": ask("options", m{"stop": []string{"x"}}), `mirostat\" is not known`: ask("options", m{"mirostat": 1}),
		"addresses are not fetched": ask("images", []string{"http://x.example/y.png"}), "one is looked at": ask("images", []string{image, image}),
	} {
		x.refused("/api/generate", with, http.StatusBadRequest, say)
	}
	x.refused("/api/generate", m{"model": "llava", "prompt": "x"}, http.StatusNotFound, `{"error":"model \"llava\" is not served`)
	x.refused("/api/embed", m{"model": "clip", "input": strings.Repeat("a cat ", 100), "truncate": false}, http.StatusBadRequest, "is longer")
}

// immich's requests, as its server sends them.
func TestImmich(t *testing.T) {
	var passed []string
	others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseMultipartForm(1<<20))
		passed = append(passed, r.URL.Path+" "+r.FormValue("entries")+" "+r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"facial-recognition":[]}`)
	}))
	defer others.Close()
	x := open(t, []string{"clip"}, func(o *Options) {
		o.Aliases, o.Key = map[string]string{"ViT-B-32__openai": "clip"}, "secret"
		o.Others, _ = url.Parse(others.URL)
	})
	status, pong := x.ask("/ping", nil)
	assert.Equal(t, []any{http.StatusOK, "pong"}, []any{status, string(pong)})
	predict := func(entries string, fields map[string]string, files map[string][]byte) (int, string) {
		if fields == nil {
			fields = map[string]string{}
		}
		fields["entries"] = entries
		kind, body := form(t, fields, files)
		status, answer := x.send(http.MethodPost, "/predict", kind, body)
		return status, string(answer)
	}
	vector := func(answer string) (v []float32, all m) {
		require.NoError(t, json.Unmarshal([]byte(answer), &all), answer)
		require.NoError(t, json.Unmarshal([]byte(all["clip"].(string)), &v))
		return v, all
	}
	status, answer := predict(`{"clip":{"textual":{"modelName":"ViT-B-32__openai","options":{"language":"en"}}}}`, map[string]string{"text": "a cat"}, nil)
	require.Equal(t, http.StatusOK, status, answer)
	text, _ := vector(answer)
	assert.Equal(t, get[embeddings](x, "/v1/embeddings", m{"input": "a cat"}).Data[0].Embedding, text)

	data, _ := cat(t)
	status, answer = predict(`{"clip":{"visual":{"modelName":"ViT-B-32__openai","options":{}}}}`, nil, map[string][]byte{"image": data})
	require.Equal(t, http.StatusOK, status, answer)
	image, all := vector(answer)
	assert.Equal(t, get[embeddings](x, "/v1/embeddings", m{"input": jpegURL(data), "modality": "image"}).Data[0].Embedding, image)
	assert.Equal(t, []any{300.0, 300.0}, []any{all["imageWidth"], all["imageHeight"]})

	// as immich's own, a text that is too long is cut
	status, answer = predict(`{"clip":{"textual":{"modelName":"ViT-B-32__openai"}}}`, map[string]string{"text": strings.Repeat("a cat ", 200)}, nil)
	assert.Equal(t, http.StatusOK, status, answer)

	faces := `{"facial-recognition":{"detection":{"modelName":"buffalo_l","options":{"minScore":0.7}},"recognition":{"modelName":"buffalo_l","options":{}}}}`
	status, answer = predict(faces, nil, map[string][]byte{"image": data})
	assert.Equal(t, []any{http.StatusOK, `{"facial-recognition":[]}`}, []any{status, answer})
	assert.Equal(t, []string{"/predict " + faces + " "}, passed, "the other server is not told the key")

	for entries, want := range map[string]int{
		`{"clip":{"textual":{"modelName":"ViT-L-14__openai"}}}`: http.StatusNotFound,
		`{"clip":{"visual":{"modelName":"ViT-B-32__openai"}}}`:  http.StatusBadRequest,
		`{"clip":{}}`: http.StatusBadRequest,
		`{}`:          http.StatusBadRequest,
		`no`:          http.StatusBadRequest,
	} {
		status, answer := predict(entries, map[string]string{"text": "x"}, nil)
		assert.Equal(t, want, status, answer)
		assert.Contains(t, answer, `"detail":`)
	}
	others.Close()
	status, answer = predict(faces, nil, map[string][]byte{"image": data})
	assert.Equal(t, http.StatusBadGateway, status, answer)
	x.s.Others = nil
	status, answer = predict(faces, nil, map[string][]byte{"image": data})
	assert.Equal(t, http.StatusNotImplemented, status)
	assert.Contains(t, answer, "-immich-others")
}

// The web UI's clients send every key; those that say nothing pass, the others are refused.
func TestWebUI(t *testing.T) {
	x := open(t, []string{"sd"}, nil)
	p := alone(t, "sd", models.Options{}).Pipeline.(*diffusion.Pipeline)
	all := func(more m) m {
		d := m{"prompt": "red (apple:1.3)", "negative_prompt": "", "steps": 3, "seed": 4, "sampler_name": "Euler a", "cfg_scale": 3.0, "width": 64, "height": 64, "batch_size": 1, "n_iter": 2,
			"enable_hr": false, "hr_scale": 2, "hr_upscaler": "Latent", "denoising_strength": 0.7, "styles": []string{}, "subseed": -1, "subseed_strength": 0.0, "seed_resize_from_h": 0, "seed_resize_from_w": 0,
			"restore_faces": false, "tiling": false, "eta": 1.0, "s_churn": 0, "s_tmax": 0, "s_tmin": 0, "s_noise": 1, "override_settings": m{}, "override_settings_restore_afterwards": true,
			"script_args": []any{}, "script_name": nil, "send_images": true, "save_images": false, "alwayson_scripts": m{}, "sampler_index": "Euler a", "scheduler": "Automatic"}
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	q, empty := p.Defaults(), ""
	q.Prompts, q.Negative, q.Syntax, q.Steps, q.Scheduler, q.Guidance, q.Seeds = []string{"red (apple:1.3)"}, &empty, diffusion.A1111, 3, "euler-a", 3, []uint64{5}
	want := drawn(t, p, q)
	type painted struct {
		Images [][]byte
		Info   string
	}
	got := get[painted](x, "/sdapi/v1/txt2img", all(nil))
	require.Len(t, got.Images, 2)
	assert.Equal(t, want, got.Images[1])
	var info struct {
		Seeds []uint64 `json:"all_seeds"`
		Texts []string `json:"infotexts"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.Info), &info))
	assert.Equal(t, []uint64{4, 5}, info.Seeds)
	assert.Contains(t, info.Texts[1], "Sampler: EulerAncestralDiscreteScheduler, CFG scale: 3, Seed: 5, Size: 64x64")

	img := picture.New(64, 64)
	for i := range img.Pix {
		img.Pix[i] = uint8(i % 251)
	}
	png, err := encode(img)
	require.NoError(t, err)
	mask := picture.New(64, 64)
	for i := range 3 * 64 * 20 {
		mask.Pix[i] = 255
	}
	maskPNG, err := encode(mask)
	require.NoError(t, err)
	q.Strength, q.Seeds = 0.75, []uint64{4}
	require.NoError(t, p.SetPicture(&q, img, mask, true))
	from := all(m{"init_images": []any{dataURL(png)}, "mask": base64.StdEncoding.EncodeToString(maskPNG), "denoising_strength": 0.75, "n_iter": 1, "mask_blur": 0, "inpainting_mask_invert": 0, "resize_mode": 0, "inpaint_full_res": false})
	over := get[painted](x, "/sdapi/v1/img2img", from)
	assert.Equal(t, drawn(t, p, q), over.Images[0])

	for say, with := range map[string]m{
		"enable_hr true is not done": {"enable_hr": true}, "styles": {"styles": []string{"x"}}, "alwayson_scripts": {"alwayson_scripts": m{"controlnet": m{}}}, "names a LoRA": {"prompt": "x <lora:y:1>"},
		`the sampler \"Eulre\" is not there; the nearest is \"euler\"`: {"sampler_name": "Eulre"}, "override_settings": {"override_settings": m{"eta": 1}}, "subseed_strength 0.5": {"subseed_strength": 0.5},
		`\"colour\" is not known`: {"colour": 1}, "steps 0": {"steps": 0}, "tiling": {"tiling": true},
	} {
		x.refused("/sdapi/v1/txt2img", all(with), http.StatusBadRequest, say, `"detail"`)
	}
	x.refused("/sdapi/v1/img2img", all(nil), http.StatusBadRequest, "expected one")
	from["mask_blur"] = 4
	x.refused("/sdapi/v1/img2img", from, http.StatusBadRequest, "mask_blur 4 is not done")

	assert.Equal(t, "sd", get[m](x, "/sdapi/v1/options", nil)["sd_model_checkpoint"])
	get[m](x, "/sdapi/v1/options", m{"sd_model_checkpoint": "sd"})
	x.refused("/sdapi/v1/options", m{"sd_model_checkpoint": "sdd"}, http.StatusNotFound, "the nearest is")
	assert.Equal(t, "sd", get[[]m](x, "/sdapi/v1/sd-models", nil)[0]["model_name"])
	assert.NotEmpty(t, get[[]m](x, "/sdapi/v1/samplers", nil))
	assert.Equal(t, 0.0, get[m](x, "/sdapi/v1/progress", nil)["progress"])
}

// While one paints, others see how far it is and may interrupt it.
func TestWebUIProgress(t *testing.T) {
	x := open(t, []string{"sd"}, nil)
	done := make(chan int)
	go func() {
		status, answer := x.ask("/sdapi/v1/txt2img", m{"prompt": "red apple", "steps": 150})
		assert.Contains(t, string(answer), "interrupted")
		done <- status
	}()
	type progress struct {
		Progress float64
		Image    []byte `json:"current_image"`
	}
	require.Eventually(t, func() bool {
		p := get[progress](x, "/sdapi/v1/progress", nil)
		return p.Progress > 0 && p.Progress < 1 && p.Image != nil
	}, 60*time.Second, 20*time.Millisecond)
	get[m](x, "/sdapi/v1/interrupt", m{})
	assert.Equal(t, http.StatusConflict, <-done)
	assert.Equal(t, 0.0, get[progress](x, "/sdapi/v1/progress", nil).Progress)
}

// A painter that leaves stops the painting within a step.
func TestPainterLeaves(t *testing.T) {
	x := open(t, []string{"sd"}, nil)
	r, err := http.NewRequest(http.MethodPost, x.url+"/v1/images/generations", strings.NewReader(`{"prompt":"red apple","steps":150,"stream":true,"partial_images":100}`))
	require.NoError(t, err)
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	_, err = io.ReadFull(got.Body, make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	require.Eventually(t, func() bool { return x.s.queue.There() == 0 }, 5*time.Second, time.Millisecond)
	began := time.Now()
	require.NoError(t, x.s.queue.Models[0].Load(t.Context()))
	assert.Less(t, time.Since(began), 3*time.Second, "the lane goes on painting")
}

// Networks by their named tensors, in JSON and in binary: what -input and -save have.
func TestInference(t *testing.T) {
	x := open(t, []string{"vit", "clip"}, nil)
	vit := alone(t, "vit", models.Options{})
	in, err := vit.Noise(2, 5)
	require.NoError(t, err)
	want, err := vit.Forward(t.Context(), in)
	require.NoError(t, err)
	pixels := in["pixel_values"]
	type answer struct {
		Outputs []struct {
			Name  string
			Shape []int
			Type  string `json:"datatype"`
			Data  []float32
			With  map[string]int `json:"parameters"`
		}
		ID string
	}
	got := get[answer](x, "/v2/models/vit/infer", m{"id": "5", "inputs": []any{m{"name": "pixel_values", "shape": pixels.Shape, "datatype": "FP32", "data": pixels.Data}}})
	require.NotEmpty(t, got.Outputs)
	assert.Equal(t, "logits", got.Outputs[0].Name)
	assert.Equal(t, []int{2, 10}, got.Outputs[0].Shape)
	assert.Equal(t, want["logits"].Data, got.Outputs[0].Data)
	assert.Equal(t, "5", got.ID)

	binaryAsk := func(head m, tail []byte) (status int, document answer, rest []byte, text string) {
		data, err := json.Marshal(head)
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodPost, x.url+"/v2/models/vit/infer", strings.NewReader(string(data)+string(tail)))
		require.NoError(t, err)
		r.Header.Set(jsonLength, strconv.Itoa(len(data)))
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		if n, err := strconv.Atoi(response.Header.Get(jsonLength)); err == nil {
			require.NoError(t, json.Unmarshal(body[:n], &document))
			return response.StatusCode, document, body[n:], ""
		}
		return response.StatusCode, document, nil, string(body)
	}
	tensor := func(kind string, size int) m {
		return m{"name": "pixel_values", "shape": pixels.Shape, "datatype": kind, "parameters": m{"binary_data_size": size}}
	}
	status, document, rest, text := binaryAsk(m{"inputs": []any{tensor("FP32", 4*len(pixels.Data))}, "outputs": []any{m{"name": "last_hidden_state", "parameters": m{"binary_data": true}}, m{"name": "logits"}}}, littleEndian(pixels.Data))
	require.Equal(t, http.StatusOK, status, text)
	require.Len(t, document.Outputs, 2)
	assert.Equal(t, "last_hidden_state", document.Outputs[0].Name)
	require.Len(t, rest, document.Outputs[0].With["binary_data_size"])
	hidden, err := vit.Forward(t.Context(), in, "last_hidden_state")
	require.NoError(t, err)
	assert.Equal(t, hidden["last_hidden_state"].Data[11], math.Float32frombits(binary.LittleEndian.Uint32(rest[44:])))
	assert.Equal(t, want["logits"].Data, document.Outputs[1].Data)

	var halves []byte
	rounded := models.Array{Shape: pixels.Shape}
	for _, v := range pixels.Data {
		h := float16.Fromfloat32(v)
		halves = binary.LittleEndian.AppendUint16(halves, h.Bits())
		rounded.Data = append(rounded.Data, h.Float32())
	}
	want, err = vit.Forward(t.Context(), map[string]models.Array{"pixel_values": rounded})
	require.NoError(t, err)
	status, document, rest, text = binaryAsk(m{"inputs": []any{tensor("FP16", len(halves))}, "parameters": m{"binary_data_output": true}}, halves)
	require.Equal(t, http.StatusOK, status, text)
	assert.Equal(t, littleEndian(want["logits"].Data), rest[:document.Outputs[0].With["binary_data_size"]])

	clip := alone(t, "clip", models.Options{})
	ids, err := clip.Forward(t.Context(), map[string]models.Array{"input_ids": {Shape: []int{1, 4}, Data: []float32{1, 5, 6, 2}}})
	require.NoError(t, err)
	embeds := get[answer](x, "/v2/models/clip/infer", m{"inputs": []any{m{"name": "input_ids", "shape": []int{1, 4}, "datatype": "INT64", "data": [][]int{{1, 5, 6, 2}}}}, "outputs": []any{m{"name": "text_embeds"}}})
	assert.Equal(t, ids["text_embeds"].Data, embeds.Outputs[0].Data)

	about := get[struct{ Inputs, Outputs []m }](x, "/v2/models/vit", nil)
	assert.Equal(t, "pixel_values", about.Inputs[0]["name"])
	assert.NotEmpty(t, about.Outputs)
	get[m](x, "/v2", nil)
	status, _ = x.ask("/v2/health/ready", nil)
	assert.Equal(t, http.StatusOK, status)
	status, _ = x.ask("/v2/models/vit/ready", nil)
	assert.Equal(t, http.StatusOK, status)
	x.refused("/v2/models/vit/infer", m{"inputs": []any{m{"name": "pixel_values", "shape": pixels.Shape, "datatype": "FP32", "data": pixels.Data}}, "outputs": []any{m{"name": "logit"}}}, http.StatusBadRequest, "logit")
	x.refused("/v2/models/vitt/ready", nil, http.StatusNotFound, "the nearest is")

	one := func(name, kind string, shape []int, data any) m {
		return m{"inputs": []any{m{"name": name, "shape": shape, "datatype": kind, "data": data}}}
	}
	for say, with := range map[string]m{
		"inputs: there is none":                    {"inputs": []any{}},
		`has no input \"pixels\"`:                  one("pixels", "FP32", []int{1}, []int{1}),
		"expected FP32, FP16":                      one("pixel_values", "BYTES", []int{1}, []string{"x"}),
		"2 values; expected 3 values of shape [3]": one("pixel_values", "FP32", []int{3}, []int{1, 2}),
		"is no whole number":                       one("pixel_values", "INT64", []int{1}, []float64{0.5}),
		"shape [-1]":                               one("pixel_values", "FP32", []int{-1}, []int{}),
		"shape [1073741824 1073741824 1073741824]": one("pixel_values", "FP32", []int{1 << 30, 1 << 30, 1 << 30}, []int{}),
		"which is no number":                       one("pixel_values", "FP32", []int{1}, []any{"x"}),
		"pixel_values":                             one("pixel_values", "FP32", []int{1, 3}, []int{1, 2, 3}),
	} {
		x.refused("/v2/models/vit/infer", with, http.StatusBadRequest, say)
	}
	status, _, _, text = binaryAsk(m{"inputs": []any{tensor("FP32", 1<<40)}}, []byte("abc"))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, text, "3 bytes are left")
	status, _, _, text = binaryAsk(m{"inputs": []any{tensor("FP32", 4*len(pixels.Data))}}, append(littleEndian(pixels.Data), 1))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, text, "1 bytes follow")
}

// dataURL is a PNG as a data URL.
func dataURL(png []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
}

// What the page asks: itself, classes, masks.
func TestPage(t *testing.T) {
	x := open(t, []string{"vit", "sam"}, nil)
	data, img := cat(t)
	status, page := x.ask("/", nil)
	assert.Equal(t, http.StatusOK, status)
	for _, foreign := range []string{"http://", "https://", "//cdn", "@import"} {
		assert.NotContains(t, string(page), foreign, "the page asks others")
	}
	top, err := alone(t, "vit", models.Options{}).Classify(t.Context(), []*picture.Image{img}, 2)
	require.NoError(t, err)
	classes := get[struct{ Top []models.Prediction }](x, "/saccade/classify", m{"image": jpegURL(data), "top": 2}).Top
	require.Len(t, classes, 2)
	assert.Equal(t, top[0][0].Logit, classes[0].Logit)
	assert.Equal(t, "cat", classes[0].Label)

	sam := alone(t, "sam", models.Options{})
	e, err := sam.EncodePicture(t.Context(), img)
	require.NoError(t, err)
	want, err := e.Masks(t.Context(), models.MaskPrompt{Points: []models.MaskPoint{{X: 150, Y: 130}, {X: 10, Y: 10, Outside: true}}})
	require.NoError(t, err)
	ask := m{"image": jpegURL(data), "points": [][3]float64{{150, 130, 1}, {10, 10, 0}}}
	type masks struct {
		Masks []struct {
			Score float64
			Area  int
			Runs  []int
			RLE   struct{ Counts string }
		}
	}
	for range 2 { // the second time of the maps that are kept
		got := get[masks](x, "/saccade/masks", ask).Masks
		require.Len(t, got, len(want))
		assert.Equal(t, want[0].Runs, got[0].Runs)
		assert.Equal(t, []any{want[0].Score, want[0].Area(), want[0].Counts()}, []any{got[0].Score, got[0].Area, got[0].RLE.Counts})
	}
	require.Len(t, x.s.seen.last, 1)
	for say, with := range map[string]m{
		"there is none, nor a box": {"image": jpegURL(data)}, "is not in the picture": {"image": jpegURL(data), "points": [][3]float64{{500, 1, 1}}},
		"at most 64": {"image": jpegURL(data), "points": make([][3]float64, 65)}, "is empty": {"image": jpegURL(data), "box": []int{5, 5, 5, 5}},
	} {
		x.refused("/saccade/masks", with, http.StatusBadRequest, say)
	}
	x.refused("/saccade/classify", m{"image": jpegURL(data), "top": -1}, http.StatusBadRequest, "at least 0")
}
