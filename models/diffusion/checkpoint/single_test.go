package checkpoint

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/diffusion/scheduler"
	"saccade/models/unet"
	"saccade/models/vae"
	"saccade/ops"
	"saccade/tokenizer"
	"saccade/weights"
)

const goldens = "../../../golden/checkpoints/"

// unpack reads a golden.
func unpack(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(goldens + name + ".gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(z)
	require.NoError(t, err)
	return data
}

// published is a golden of names and shapes.
type published struct {
	Original map[string][]int
	Parts    map[string]struct {
		Config  json.RawMessage
		Tensors map[string]struct {
			Shape  []int
			Origin string
		}
	}
}

func readPublished(t *testing.T, name string) published {
	t.Helper()
	var p published
	require.NoError(t, json.Unmarshal(unpack(t, "names/"+name+".json"), &p))
	return p
}

// zeros is a source of tensors of those shapes, which share their memory.
type zeros struct {
	shapes map[string][]int
	memory []byte
}

func (z zeros) Names() []string { return slices.Sorted(maps.Keys(z.shapes)) }

func (z zeros) Tensor(name string) (*weights.Tensor, bool) {
	shape, ok := z.shapes[name]
	t := &weights.Tensor{Name: name, Origin: name, Shape: slices.Clone(shape), DType: weights.F16}
	t.Data = z.memory[:t.Len()*2]
	return t, ok
}

// memory is as much as the largest tensor has, the tokens' embedding.
var memory = make([]byte, 2*49408*1280)

// Published pipelines in one file: every tensor has diffusers' name and shape and
// comes from where diffusers takes it from.
func TestPublished(t *testing.T) {
	for name, class := range map[string]string{
		"sd1": "StableDiffusionPipeline", "sd1_inpaint": "StableDiffusionInpaintPipeline", "sd2": "StableDiffusionPipeline",
		"sdxl": "StableDiffusionXLPipeline", "sdxl_refiner": "StableDiffusionXLImg2ImgPipeline",
	} {
		t.Run(name, func(t *testing.T) {
			golden := readPublished(t, name)
			s, err := describe(zeros{golden.Original, memory}, false)
			require.NoError(t, err)
			assert.Equal(t, class, s.class)
			for part, want := range golden.Parts {
				got, err := s.open(part)
				require.NoError(t, err)
				names := slices.DeleteFunc(got.Source.Names(), func(n string) bool { return strings.HasSuffix(n, "position_ids") })
				assert.ElementsMatch(t, slices.Collect(maps.Keys(want.Tensors)), names)
				for name, w := range want.Tensors {
					tensor, ok := got.Source.Tensor(name)
					if assert.True(t, ok, name) {
						assert.Equal(t, w.Shape, tensor.Shape, name)
						assert.Equal(t, w.Origin, tensor.Origin, name)
						assert.Equal(t, name, tensor.Name)
					}
				}
				sameConfig(t, part, got.Source, want.Config, got.Config)
				require.NoError(t, fits(part, got))
			}
		})
	}
}

// sameConfig asks the network's package what two configurations mean.
func sameConfig(t *testing.T, part string, src weights.Source, want, got []byte) {
	t.Helper()
	describe := func(config []byte) any {
		config = []byte(strings.Replace(string(config), "{", `{"_class_name": "`+map[string]string{UNet: "UNet2DConditionModel", VAE: "AutoencoderKL"}[part]+`",`, 1))
		var c any
		var err error
		switch part {
		case UNet:
			c, err = unet.Parse(config)
		case VAE:
			c, err = vae.Parse(config)
		default:
			c, _, err = clip.DescribeText(src, config)
		}
		require.NoError(t, err)
		return c
	}
	assert.Equal(t, describe(want), describe(got), part)
}

// fits says whether a network takes all of a part's tensors, by name and shape.
func fits(name string, p *Part) error {
	b := ops.NewBuilder(nil, gpu.F16)
	var model any
	var src weights.Source
	var err error
	switch name {
	case UNet:
		var c unet.Config
		if c, src, err = unet.Describe(p.Source, p.Config); err == nil {
			model, err = unet.New(b, c)
		}
	case VAE:
		var c vae.Config
		if c, src, err = vae.Describe(p.Source, p.Config); err == nil {
			model, err = vae.New(b, c)
		}
	default:
		var c clip.TextConfig
		if c, src, err = clip.DescribeText(p.Source, p.Config); err == nil {
			model, err = clip.NewText(b, c)
		}
	}
	if err == nil {
		_, err = weights.Bind(model, src)
	}
	return err
}

// writeSingle writes a golden's single file and gives its path.
func writeSingle(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, unpack(t, name), 0o666))
	return path
}

// Tiny pipelines: every tensor has the values that diffusers has.
func TestSingleFiles(t *testing.T) {
	for name, file := range map[string]string{"sd1": "sd1.ckpt", "sd2": "sd2.safetensors", "sdxl": "sdxl.safetensors"} {
		t.Run(name, func(t *testing.T) {
			want, err := weights.OpenBytes(name, unpack(t, name+".parts.safetensors"))
			require.NoError(t, err)
			p, err := Open(context.Background(), writeSingle(t, file), nil, Options{})
			require.NoError(t, err)
			defer p.Close()
			seen := 0
			for _, part := range []string{UNet, VAE, TextEncoder, TextEncoder2} {
				if !p.Has(part) {
					continue
				}
				got, err := p.Part(part)
				require.NoError(t, err)
				for _, n := range got.Source.Names() {
					if strings.HasSuffix(n, "position_ids") {
						continue
					}
					g, ok := got.Source.Tensor(n)
					require.True(t, ok, n)
					w, ok := want.Tensor(part + "." + n)
					require.True(t, ok, part+"."+n)
					seen++
					assert.Equal(t, w.Shape, g.Shape, n)
					assert.Equal(t, w.Bytes(), g.Bytes(), "%s.%s", part, n)
				}
			}
			assert.Equal(t, len(want.Names()), seen)
		})
	}
}

func TestSingleScheduler(t *testing.T) {
	for name, c := range map[string]struct {
		file, option, class, prediction string
	}{
		"sd1":      {"sd1.ckpt", "", "PNDMScheduler", "epsilon"},
		"sd2":      {"sd2.safetensors", "", "DDIMScheduler", "v_prediction"},
		"sd2 base": {"sd2.safetensors", "epsilon", "DDIMScheduler", "epsilon"},
		"sdxl":     {"sdxl.safetensors", "", "EulerDiscreteScheduler", "epsilon"},
	} {
		p, err := Open(context.Background(), writeSingle(t, c.file), nil, Options{PredictionType: c.option})
		require.NoError(t, err)
		defer p.Close()
		assert.Equal(t, strings.HasPrefix(name, "sdxl"), p.ForceZeros, "as diffusers' class has it")
		part, err := p.Part(Scheduler)
		require.NoError(t, err)
		s, err := scheduler.Parse(part.Config, "")
		require.NoError(t, err)
		assert.Equal(t, []string{c.class, c.class, c.prediction, "scaled_linear"}, []string{part.Class, s.Class, s.PredictionType, s.BetaSchedule}, name)
	}
}

// Trainers of v-prediction mark their files.
func TestMarkedPrediction(t *testing.T) {
	golden := readPublished(t, "sdxl")
	golden.Original["v_pred"], golden.Original["ztsnr"] = []int{0}, []int{0}
	s, err := describe(zeros{golden.Original, memory}, false)
	require.NoError(t, err)
	assert.Equal(t, "v_prediction", s.schedulerConfig()["prediction_type"])
	assert.Equal(t, true, s.schedulerConfig()["rescale_betas_zero_snr"])
}

// smallTokenizer has CLIP's vocabulary in small, the exclamation mark first.
func smallTokenizer() map[string][]byte {
	return map[string][]byte{
		"vocab.json":            []byte(`{"!": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}`),
		"merges.txt":            []byte("#version: 0.2\n"),
		"tokenizer_config.json": []byte(`{"pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}`),
		// openai/clip-vit-large-patch14 has one too
		"special_tokens_map.json": []byte(`{"pad_token": "<|endoftext|>"}`),
	}
}

// A single file's tokenizer is a CLIP's, which pads as the encoder is used to.
func TestSingleTokenizer(t *testing.T) {
	pads := func(p *Pipeline) map[string]uint32 {
		got := map[string]uint32{}
		for _, name := range []string{Tokenizer, Tokenizer2} {
			if p.Has(name) {
				part, err := p.Part(name)
				require.NoError(t, err)
				assert.Equal(t, "CLIPTokenizer", part.Class)
				tokens, err := tokenizer.Open(part.FS)
				require.NoError(t, err)
				got[name] = tokens.Pad()
			}
		}
		return got
	}
	folder := onDisk(t, smallTokenizer())
	hub, _ := fakeHub(t, smallTokenizer())
	for file, want := range map[string]map[string]uint32{
		"sd1.ckpt":         {Tokenizer: 3},
		"sd2.safetensors":  {Tokenizer: 0},
		"sdxl.safetensors": {Tokenizer: 3, Tokenizer2: 0},
	} {
		path := writeSingle(t, file)
		for _, o := range []Options{{}, {Tokenizer: folder}} {
			p, err := Open(context.Background(), path, hub, o)
			require.NoError(t, err)
			assert.Equal(t, want, pads(p), "%s %+v", file, o)
			require.NoError(t, p.Close())
		}
	}
	hub.Offline, hub.Cache = true, t.TempDir()
	p, err := Open(context.Background(), writeSingle(t, "sd1.ckpt"), hub, Options{})
	require.NoError(t, err, "nobody has asked for the tokenizer")
	defer p.Close()
	_, err = p.Part(Tokenizer)
	assert.ErrorContains(t, err, "tokenizer: a single file has no tokenizer; give the folder of one (-tokenizer FOLDER): openai/clip-vit-large-patch14 is no file or folder here")
	assert.NotContains(t, err.Error(), "\n")
}

// A configuration that is added to can be read as any file.
func TestPadded(t *testing.T) {
	fsys := padded{os.DirFS(onDisk(t, map[string][]byte{"other": []byte("x")})), "!"}
	text, err := fs.ReadFile(fsys, "tokenizer_config.json")
	require.NoError(t, err)
	assert.JSONEq(t, `{"pad_token": "!"}`, string(text))
	info, err := fs.Stat(fsys, "tokenizer_config.json")
	require.NoError(t, err)
	assert.Equal(t, int64(len(text)), info.Size())
	_, err = fs.ReadFile(padded{os.DirFS(onDisk(t, map[string][]byte{"tokenizer_config.json": []byte("{")})), "!"}, "tokenizer_config.json")
	assert.ErrorContains(t, err, "tokenizer_config.json: unexpected end of JSON input")
}

func TestBadSingleFiles(t *testing.T) {
	for name, c := range map[string]struct {
		change func(shapes map[string][]int)
		want   string
	}{
		"edit by instruction": {func(s map[string][]int) { s[unetPrefix+"input_blocks.0.0.weight"] = []int{320, 8, 3, 3} },
			"its UNet, of Stable Diffusion 1, takes 8 channels; 4 are supported, or 9 for inpainting"},
		"no autoencoder": {func(s map[string][]int) {
			maps.DeleteFunc(s, func(n string, _ []int) bool { return strings.HasPrefix(n, vaePrefix) })
		}, "it is a pipeline without an autoencoder: among its "},
		"no encoder": {func(s map[string][]int) {
			maps.DeleteFunc(s, func(n string, _ []int) bool { return strings.HasPrefix(n, "cond_stage") })
		}, "is no text encoder (cond_stage_model.transformer.…, cond_stage_model.model.…, "},
		"nothing": {func(s map[string][]int) { clear(s); s["fc.weight"] = []int{1} },
			"it is no pipeline in a single file: among its 1 tensors is no model.diffusion_model.… (the UNet), no first_stage_model.… (the autoencoder); its first are [fc.weight]"},
		"a LoRA": {func(s map[string][]int) { clear(s); s["lora_unet_mid_block.lora_down.weight"] = []int{1} },
			"among its 1 tensors is lora_unet_mid_block.lora_down.weight, as in a LoRA, which is merged into a pipeline (-lora)"},
		"Flux":   {func(s map[string][]int) { clear(s); s["double_blocks.0.img_attn.qkv.weight"] = []int{1} }, "as in Flux"},
		"SD3":    {func(s map[string][]int) { clear(s); s["model.diffusion_model.joint_blocks.0.w"] = []int{1} }, "as in Stable Diffusion 3"},
		"EDM":    {func(s map[string][]int) { s["edm_mean"] = []int{4} }, "it has edm_mean, as Playground 2.5 does"},
		"unCLIP": {func(s map[string][]int) { s[unetPrefix+"label_emb.0.0.weight"] = []int{1280, 2048} }, "its UNet embeds 2048 values besides the time"},
		"cut":    {func(s map[string][]int) { delete(s, unetPrefix+"out.2.weight") }, "its UNet has no model.diffusion_model.out.2.weight"},
	} {
		shapes := readPublished(t, "sd1").Original
		c.change(shapes)
		_, err := describe(zeros{shapes, memory}, false)
		assert.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "\n")
	}
	whole := unpack(t, "sdxl.safetensors")
	for name, data := range map[string][]byte{"truncated.safetensors": whole[:len(whole)/2], "empty.ckpt": nil} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, data, 0o666))
		_, err := Open(context.Background(), path, nil, Options{})
		assert.ErrorContains(t, err, "open pipeline "+path+": ")
		assert.NotContains(t, err.Error(), "\n")
	}
}
