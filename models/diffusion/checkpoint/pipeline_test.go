package checkpoint

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// oneTensor is a safetensors file with the tensor w, of a value.
func oneTensor(t *testing.T, value float32) []byte {
	t.Helper()
	w, err := weights.FromFloat32s("w", []float32{value}, 1)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "one.safetensors")
	require.NoError(t, weights.Write(path, []*weights.Tensor{w}, nil))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// stableDiffusion is the files of a pipeline with a prompt.
func stableDiffusion(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"model_index.json": []byte(`{"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0",
			"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
			"tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "PNDMScheduler"],
			"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "feature_extractor": [null, null], "requires_safety_checker": true}`),
		"unet/config.json": []byte(`{"_class_name": "UNet2DConditionModel"}`),
		"unet/diffusion_pytorch_model.fp16.safetensors": oneTensor(t, 1),
		"unet/diffusion_pytorch_model.safetensors":      oneTensor(t, 2),
		"vae/config.json": []byte(`{"_class_name": "AutoencoderKL"}`),
		"vae/diffusion_pytorch_model.fp16.safetensors": oneTensor(t, 3),
		"text_encoder/config.json":                     []byte(`{"model_type": "clip_text_model"}`),
		"text_encoder/model.safetensors":               oneTensor(t, 4),
		"scheduler/scheduler_config.json":              []byte(`{"_class_name": "PNDMScheduler", "lambda_min_clipped": -Infinity}`),
		"tokenizer/vocab.json":                         []byte(`{"own": 0}`),
		"tokenizer/merges.txt":                         []byte("#version: 0.2\n"),
	}
}

// onDisk writes files into a folder.
func onDisk(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, data, 0o666))
	}
	return dir
}

// openAny opens files in either way that is on this machine.
func openAny(t *testing.T, files map[string][]byte) map[string]*Pipeline {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data}
	}
	embedded, err := OpenFS(fsys, "embedded")
	require.NoError(t, err)
	local, err := Open(context.Background(), onDisk(t, files), nil, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	return map[string]*Pipeline{"embedded": embedded, "local": local}
}

// valueOf is the value of the tensor w.
func valueOf(t *testing.T, p *Pipeline, name string) float32 {
	t.Helper()
	part, err := p.Part(name)
	require.NoError(t, err)
	w, ok := part.Source.Tensor("w")
	require.True(t, ok)
	values := make([]float32, 1)
	require.NoError(t, w.Float32s(values))
	return values[0]
}

func TestFolder(t *testing.T) {
	for name, p := range openAny(t, stableDiffusion(t)) {
		assert.Equal(t, "StableDiffusionPipeline", p.Class, name)
		assert.Equal(t, []string{"scheduler", "text_encoder", "tokenizer", "unet", "vae"}, p.Parts())
		assert.False(t, p.ForceZeros || p.Aesthetics)
		assert.Equal(t, []float32{2, 3, 4}, []float32{valueOf(t, p, UNet), valueOf(t, p, VAE), valueOf(t, p, TextEncoder)}, "full precision where it is there")
		unet, err := p.Part(UNet)
		require.NoError(t, err)
		assert.Equal(t, "UNet2DConditionModel", unet.Class)
		assert.JSONEq(t, `{"_class_name": "UNet2DConditionModel"}`, string(unet.Config))
		scheduler, err := p.Part(Scheduler)
		require.NoError(t, err)
		assert.Equal(t, "PNDMScheduler", scheduler.Class)
		assert.Contains(t, string(scheduler.Config), "-Infinity")
		assert.Nil(t, scheduler.Source)
		tokens, err := p.Part(Tokenizer)
		require.NoError(t, err)
		vocab, err := tokens.FS.Open("vocab.json")
		require.NoError(t, err)
		require.NoError(t, vocab.Close())
		_, err = p.Part(TextEncoder2)
		assert.EqualError(t, err, "pipeline "+p.Name+" (StableDiffusionPipeline) has no part text_encoder_2; it has scheduler, text_encoder, tokenizer, unet, vae")
	}
}

// The oldest pipelines have their parts beside the index.
func TestPartsWithoutFolders(t *testing.T) {
	files := map[string][]byte{
		"model_index.json":                    []byte(`{"_class_name": "DDPMPipeline", "scheduler": ["diffusers", "DDPMScheduler"], "unet": ["diffusers", "UNet2DModel"]}`),
		"config.json":                         []byte(`{"_class_name": "UNet2DModel"}`),
		"scheduler_config.json":               []byte(`{"_class_name": "DDPMScheduler"}`),
		"diffusion_pytorch_model.safetensors": oneTensor(t, 5),
	}
	for _, p := range openAny(t, files) {
		assert.Equal(t, float32(5), valueOf(t, p, UNet))
		s, err := p.Part(Scheduler)
		require.NoError(t, err)
		assert.JSONEq(t, `{"_class_name": "DDPMScheduler"}`, string(s.Config))
	}
}

func TestFlags(t *testing.T) {
	files := stableDiffusion(t)
	xl := func(class, more string) *Pipeline {
		files["model_index.json"] = []byte(`{"_class_name": "` + class + `", "unet": ["", "u"], "vae": ["", "v"], "text_encoder": ["", "t"], "text_encoder_2": ["", "t2"],
			"tokenizer": ["", "k"], "tokenizer_2": ["", "k2"], "scheduler": ["", "s"]` + more + `}`)
		return openAny(t, files)["local"]
	}
	assert.True(t, xl("StableDiffusionXLPipeline", "").ForceZeros, "the library's default")
	assert.False(t, xl("StableDiffusionXLPipeline", `, "force_zeros_for_empty_prompt": false`).ForceZeros)
	assert.True(t, xl("StableDiffusionXLImg2ImgPipeline", `, "requires_aesthetics_score": true`).Aesthetics)
}

func TestBadFolders(t *testing.T) {
	for name, c := range map[string]struct{ file, data, want string }{
		"no index":      {"model_index.json", "", "there is no model_index.json, by which diffusers' pipelines are known"},
		"broken":        {"model_index.json", "{", "model_index.json: unexpected end of JSON input"},
		"foreign":       {"model_index.json", `{"_class_name": "FluxPipeline"}`, "pipelines of class FluxPipeline are not supported; there are DDIMPipeline, DDPMPipeline, LatentConsistencyModelImg2ImgPipeline, "},
		"nameless":      {"model_index.json", `{}`, "it names no _class_name; expected one of DDIMPipeline, "},
		"names no part": {"model_index.json", `{"_class_name": "DDPMPipeline", "scheduler": ["diffusers", "DDPMScheduler"]}`, "it names no unet, which a DDPMPipeline has to have"},
		"odd part":      {"model_index.json", `{"_class_name": "DDPMPipeline", "unet": 3}`, "unet: json: cannot unmarshal number"},
		"no config":     {"unet/config.json", "", "unet: the part is missing: neither DIR nor its folder unet holds config.json"},
		"odd config":    {"unet/config.json", "{", "unet: unet/config.json is no JSON"},
		"no tensors":    {"text_encoder/model.safetensors", "", "text_encoder: the part is missing: neither DIR nor its folder text_encoder holds the tensors: model.safetensors, "},
		"cut off":       {"vae/diffusion_pytorch_model.fp16.safetensors", "12345678{", "diffusion_pytorch_model.fp16.safetensors: "},
		"no tokenizer":  {"tokenizer/vocab.json", "", "tokenizer: the part is missing: neither DIR nor its folder tokenizer holds tokenizer.json, or vocab.json with merges.txt"},
		"no scheduler":  {"scheduler/scheduler_config.json", "", "scheduler: the part is missing: neither DIR nor its folder scheduler holds scheduler_config.json"},
	} {
		files := stableDiffusion(t)
		if files[c.file] = []byte(c.data); c.data == "" {
			delete(files, c.file)
		}
		dir := onDisk(t, files)
		err := openAll(dir, nil)
		require.ErrorContains(t, err, strings.ReplaceAll(c.want, "DIR", dir), name)
		assert.ErrorContains(t, err, dir)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestPredictionTypeOfAFolder(t *testing.T) {
	_, err := Open(context.Background(), onDisk(t, stableDiffusion(t)), nil, Options{PredictionType: "epsilon"})
	assert.ErrorContains(t, err, "a prediction type (epsilon) is for single files")
}

// openAll opens a pipeline and all its parts.
func openAll(src string, hub *weights.Hub) error {
	p, err := Open(context.Background(), src, hub, Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	for _, name := range p.Parts() {
		if _, err := p.Part(name); err != nil {
			return err
		}
	}
	return nil
}

// fakeHub serves files as those of org/name, and notes what is fetched.
func fakeHub(t *testing.T, files map[string][]byte) (hub *weights.Hub, fetched func() []string) {
	t.Helper()
	const commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	got := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Repo-Commit", commit)
		_, name, _ := strings.Cut(r.URL.Path, "/resolve/main/")
		data, ok := files[name]
		if !ok {
			w.Header().Set("X-Error-Code", "EntryNotFound")
			http.Error(w, "Entry not found", http.StatusNotFound)
			return
		}
		got[name] = got[name] || r.Method == http.MethodGet
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha1.Sum(data)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(data)))
	}))
	t.Cleanup(s.Close)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HF_HUB_OFFLINE", "")
	return weights.HubFromEnv(), func() []string {
		names := slices.Sorted(maps.Keys(got))
		return slices.DeleteFunc(names, func(name string) bool { return !got[name] })
	}
}

func TestHub(t *testing.T) {
	files := stableDiffusion(t)
	files["README.md"], files["v1-5.safetensors"] = []byte("#"), []byte("large")
	delete(files, "text_encoder/model.safetensors")
	files["text_encoder/model.safetensors.index.fp16.json"] = []byte(`{"weight_map": {"w": "model.fp16-00001-of-00001.safetensors"}}`)
	files["text_encoder/model.fp16-00001-of-00001.safetensors"] = oneTensor(t, 6)
	hub, fetched := fakeHub(t, files)
	p, err := Open(context.Background(), "org/name", hub, Options{})
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, []float32{2, 3, 6}, []float32{valueOf(t, p, UNet), valueOf(t, p, VAE), valueOf(t, p, TextEncoder)})
	assert.Equal(t, []string{
		"model_index.json", "scheduler/scheduler_config.json",
		"text_encoder/config.json", "text_encoder/model.fp16-00001-of-00001.safetensors", "text_encoder/model.safetensors.index.fp16.json",
		"tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
		"vae/config.json", "vae/diffusion_pytorch_model.fp16.safetensors",
	}, fetched())

	hub.Offline = true
	require.NoError(t, openAll("org/name", hub), "the cache has it all")
}

// Of a pipeline of which a part is wanted that part alone is fetched, whatever the
// pipeline is.
func TestSomeParts(t *testing.T) {
	files := stableDiffusion(t)
	files["model_index.json"] = []byte(`{"_class_name": "AnyPipeline", "vae": ["diffusers", "AutoencoderKL"], "unet": ["diffusers", "UNet2DConditionModel"]}`)
	hub, fetched := fakeHub(t, files)
	p, err := Open(context.Background(), "org/name", hub, Options{Parts: []string{VAE}})
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, float32(3), valueOf(t, p, VAE))
	assert.Equal(t, []string{"model_index.json", "vae/config.json", "vae/diffusion_pytorch_model.fp16.safetensors"}, fetched())

	_, err = Open(context.Background(), "org/name", hub, Options{})
	assert.ErrorContains(t, err, "pipelines of class AnyPipeline are not supported")
	p, err = Open(context.Background(), "org/name", hub, Options{Parts: []string{TextEncoder}})
	require.NoError(t, err)
	defer p.Close()
	_, err = p.Part(TextEncoder)
	assert.EqualError(t, err, "pipeline org/name (AnyPipeline) has no part text_encoder; it has unet, vae")
}

func TestWhole(t *testing.T) {
	files := stableDiffusion(t)
	dir := onDisk(t, files)
	hub, _ := fakeHub(t, files)
	alone := oneTensor(t, 1)
	for src, want := range map[string]bool{
		dir:                               true,
		"org/name":                        true,
		writeSingle(t, "sd1.ckpt"):        true,
		writeSingle(t, "sd2.safetensors"): true,
		filepath.Join(dir, "vae"):         false,
		filepath.Join(dir, "vae", "diffusion_pytorch_model.fp16.safetensors"): false,
		filepath.Join(dir, "model_index.json"):                                false,
		filepath.Join(dir, "none"):                                            false,
	} {
		assert.Equal(t, want, Whole(context.Background(), src, hub), src)
	}
	hub, _ = fakeHub(t, map[string][]byte{"config.json": []byte("{}"), "diffusion_pytorch_model.safetensors": alone})
	assert.False(t, Whole(context.Background(), "org/name", hub))
}

func TestBadHub(t *testing.T) {
	files := stableDiffusion(t)
	delete(files, "vae/diffusion_pytorch_model.fp16.safetensors")
	hub, _ := fakeHub(t, files)
	err := openAll("org/name", hub)
	assert.ErrorIs(t, err, weights.ErrNotInModel)
	assert.ErrorContains(t, err, "open pipeline org/name: ")
	assert.ErrorContains(t, err, "vae/diffusion_pytorch_model.safetensors, ")
	delete(files, "model_index.json")
	assert.ErrorContains(t, openAll("org/name", hub), "open pipeline org/name: there is no model_index.json, by which diffusers' pipelines are known")
	assert.ErrorContains(t, openAll("none/such.safetensors", hub), "no such file or folder")
}

// Another folder's tokenizer takes the place of the pipeline's.
func TestTokenizerOption(t *testing.T) {
	dir := onDisk(t, stableDiffusion(t))
	for name, files := range map[string]map[string][]byte{
		"one":        {"vocab.json": []byte(`{"other": 0}`)},
		"a pipeline": {"tokenizer/vocab.json": []byte(`{"other": 0}`)},
	} {
		p, err := Open(context.Background(), dir, nil, Options{Tokenizer: onDisk(t, files)})
		require.NoError(t, err)
		part, err := p.Part(Tokenizer)
		require.NoError(t, err)
		assert.Equal(t, "CLIPTokenizer", part.Class)
		data, err := os.ReadFile(filepath.Join(dir, "tokenizer", "vocab.json"))
		require.NoError(t, err)
		assert.Equal(t, `{"own": 0}`, string(data))
		text, err := readFS(part, "vocab.json")
		require.NoError(t, err)
		assert.Equal(t, `{"other": 0}`, text, name)
	}
	_, err := Open(context.Background(), dir, nil, Options{Tokenizer: "./none"})
	assert.ErrorContains(t, err, "open ./none: no such file or folder")
}

func readFS(p *Part, name string) (string, error) {
	data, err := fs.ReadFile(p.FS, name)
	return string(data), err
}
