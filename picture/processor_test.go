package picture

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePreprocessorRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{`: "preprocessor_config.json: unexpected end of JSON input",
		`{"image_processor_type":"LlavaImageProcessor"}`: `image_processor_type "LlavaImageProcessor" (model_type "gpt") is not supported; expected one of Beit, Bit,`,
		`{}`: `image_processor_type "" (model_type "gpt")`,
		`{"image_processor_type":"ViTImageProcessor","size":{"longest_edge":9}}`:                                               `size: {"longest_edge":9} is of no rule that the class has`,
		`{"image_processor_type":"DetrImageProcessor","size":{"shortest_edge":9}}`:                                             "expected a longest_edge",
		`{"image_processor_type":"DetrImageProcessor","pad_size":{"height":9,"width":9}}`:                                      "pictures are filled up to no size",
		`{"image_processor_type":"ViTImageProcessor","size":{"shortest_edge":9,"longest_edge":12}}`:                            "expected a number, [height, width]",
		`{"image_processor_type":"DPTImageProcessor","ensure_multiple_of":0}`:                                                  "1 or more",
		`{"image_processor_type":"ViTImageProcessor","size":-3}`:                                                               "resize to -3×-3",
		`{"image_processor_type":"ViTImageProcessor","size":99999}`:                                                            "expected 1 to 16384 pixels a side",
		`{"image_processor_type":"ViTImageProcessor","resample":"sharp"}`:                                                      `resample: unknown interpolation "sharp"`,
		`{"image_processor_type":"ViTImageProcessor","resample":[2]}`:                                                          "resample is [2]; expected a number of 0 to 5 or a name",
		`{"image_processor_type":"ViTImageProcessor","do_resize":"yes"}`:                                                       "do_resize is a JSON string; expected true or false",
		`{"image_processor_type":"ViTImageProcessor","resample":7}`:                                                            "unknown resampling filter 7",
		`{"image_processor_type":"ViTImageProcessor","image_std":[0,1,1]}`:                                                     "standard deviation [0 1 1]; expected no zero",
		`{"image_processor_type":"ViTImageProcessor","image_mean":[1,2]}`:                                                      "image_mean: 2 numbers; expected one, or three",
		`{"image_processor_type":"ViTImageProcessor","image_mean":"x"}`:                                                        `image_mean: "x"; expected numbers`,
		`{"image_processor_type":"ViTImageProcessor","rescale_factor":0}`:                                                      "rescale_factor is 0",
		`{"image_processor_type":"ViTImageProcessor","do_pad":true}`:                                                           "do_pad is not supported",
		`{"image_processor_type":"ViTImageProcessor","do_center_crop":true}`:                                                   "crop_size: missing",
		`{"image_processor_type":"CLIPImageProcessor","crop_size":{"shortest_edge":9}}`:                                        "crop_size: expected a number, or height and width",
		`{"image_processor_type":"ConvNextImageProcessor","size":{"height":9,"width":9}}`:                                      "expected shortest_edge",
		`{"image_processor_type":"ConvNextImageProcessor","size":{"shortest_edge":9},"crop_pct":0}`:                            "crop_pct: 0",
		`{"image_processor_type":"PoolFormerImageProcessor","crop_pct":2}`:                                                     "crop_pct: 2",
		`{"image_processor_type":"ConvNextImageProcessor","size":{"shortest_edge":224},"do_center_crop":true,"crop_size":200}`: "expected one crop",
	} {
		_, err := ParsePreprocessor([]byte(config), "gpt")
		require.ErrorContains(t, err, want, config)
	}
	_, err := DefaultProcessor("gpt")
	require.ErrorContains(t, err, `no default for model_type "gpt"`)
}

func TestParseTimmRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`[]`:                                "timm's pretrained_cfg: found a JSON array, expected an object",
		`{"input_size":[28,28]}`:            "input_size: [28 28]; expected [channels, height, width]",
		`{"crop_pct":"all"}`:                "crop_pct is a JSON string; expected a number",
		`{"pretrained_cfg":{"crop_pct":2}}`: "crop_pct: 2; expected a fraction",
		`{"crop_mode":"corner"}`:            `unknown mode "corner"; expected center, squash or border`,
		`{"interpolation":"random"}`:        `unknown interpolation "random"`,
		`{"mean":[1,2]}`:                    "mean: 2 numbers",
		`{"std":[0,0,0]}`:                   "expected no zero",
		`{"input_size":[3,0,9]}`:            "resize to 0×10",
	} {
		_, err := ParseTimm([]byte(config))
		require.ErrorContains(t, err, want, config)
	}
}

// TestParseForms shows that the ways to write one setting mean the same.
func TestParseForms(t *testing.T) {
	want, err := ParsePreprocessor([]byte(`{"image_processor_type":"ViTImageProcessor","size":{"height":96,"width":96}}`), "")
	require.NoError(t, err)
	for _, c := range []string{
		`{"feature_extractor_type":"ViTFeatureExtractor","size":96}`,
		`{"image_processor_type":"ViTImageProcessorFast","size":[96,96]}`,
		`{"image_processor_type":"ViTImageProcessorPil","size":{"height":96,"width":96,"shortest_edge":null},"resample":null,"do_resize":null}`,
		`{"size":96}`,
		`{"size":{"height":96,"width":96},"resample":"bilinear"}`,
	} {
		got, err := ParsePreprocessor([]byte(c), "vit")
		require.NoError(t, err)
		assert.Equal(t, want, got, c)
	}
	clip, err := ParsePreprocessor([]byte(`{"feature_extractor_type":"CLIPFeatureExtractor","size":224,"crop_size":224}`), "clip")
	require.NoError(t, err)
	none, err := DefaultProcessor("clip")
	require.NoError(t, err)
	assert.Equal(t, none, clip)
}

func TestOverride(t *testing.T) {
	deit, err := DefaultProcessor("deit") // 256 stretched, 224 kept
	require.NoError(t, err)
	vit, err := DefaultProcessor("vit")
	require.NoError(t, err)
	convnext, err := ParsePreprocessor([]byte(`{"image_processor_type":"ConvNextImageProcessor","size":{"shortest_edge":224},"crop_pct":0.95}`), "")
	require.NoError(t, err)
	none := &Processor{}
	for _, c := range []struct {
		name       string
		p          *Processor
		size, crop string
		mode       ResizeMode
		rh, rw     int // resize
		ch, cw     int // crop
	}{
		{"imagenet", ImageNet(256, 224, Bilinear), "112", "", Shortest, 128, 128, 112, 112},
		{"imagenet oblong", ImageNet(256, 224, Bilinear), "112x224", "", Cover, 128, 256, 112, 224},
		{"imagenet fraction", ImageNet(256, 224, Bilinear), "", "0.95", Shortest, 235, 235, 224, 224},
		{"imagenet whole", ImageNet(256, 224, Bilinear), "320", "1", Shortest, 320, 320, 320, 320},
		{"imagenet pixels", ImageNet(256, 224, Bilinear), "232", "200", Shortest, 232, 232, 200, 200},
		{"imagenet crop alone", ImageNet(256, 224, Bilinear), "", "200x100", Shortest, 256, 256, 200, 100},
		{"deit", deit, "384", "", Exact, 438, 438, 384, 384},
		{"vit", vit, "384", "", Exact, 384, 384, 0, 0},
		{"vit oblong", vit, "96×64", "", Exact, 96, 64, 0, 0},
		{"vit fraction", vit, "", "0.9", Exact, 248, 248, 224, 224},
		{"squash", Squash(32, 32, Bilinear), "64", "", Exact, 64, 64, 0, 0},
		{"convnext", convnext, "192", "", Shortest, 202, 202, 192, 192},
		{"convnext warped", convnext, "384", "", Exact, 384, 384, 0, 0},
		{"convnext fraction", convnext, "400", "0.8", Shortest, 500, 500, 400, 400},
		{"no resize", none, "48", "", Exact, 48, 48, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := *c.p
			require.NoError(t, p.Override(Override{Size: c.size, Crop: c.crop}))
			assert.Equal(t, c.mode, p.Resize.Mode)
			assert.Equal(t, [4]int{c.rh, c.rw, c.ch, c.cw}, [4]int{p.Resize.H, p.Resize.W, p.Crop.H, p.Crop.W})
		})
	}
	warped, back := *convnext, *convnext
	require.NoError(t, warped.Override(Override{Size: "384"}))
	require.NoError(t, warped.Override(Override{Size: "224"}))
	assert.Equal(t, back, warped, "back to a size that is cropped")
}

func TestOverrideColours(t *testing.T) {
	p := Squash(8, 8, Bilinear)
	require.NoError(t, p.Override(Override{Mean: []float64{0.5}, Std: []float64{0.1, 0.2, 0.3}}))
	assert.Equal(t, HalfMean, p.Mean)
	assert.Equal(t, [3]float64{0.1, 0.2, 0.3}, p.Std)

	raw := &Processor{Rescale: 1.0 / 255}
	require.NoError(t, raw.Override(Override{Mean: []float64{0.5}}))
	assert.Equal(t, Processor{Rescale: 1.0 / 255, Normalize: true, Mean: HalfMean, Std: [3]float64{1, 1, 1}}, *raw)

	for _, c := range []struct {
		o    Override
		want string
	}{
		{Override{Size: "big"}, `size "big": expected N or HxW`},
		{Override{Size: "0"}, `size "0"`},
		{Override{Size: "3x"}, `size "3x"`},
		{Override{Size: "30000"}, "of 1 to 16384 pixels"},
		{Override{Crop: "1.5"}, `crop "1.5": expected a fraction in (0, 1] or pixels`},
		{Override{Crop: "-0.5"}, `crop "-0.5"`},
		{Override{Mean: []float64{1, 2}}, "mean: 2 numbers"},
		{Override{Std: []float64{0}}, "expected no zero"},
	} {
		require.ErrorContains(t, Squash(8, 8, Bilinear).Override(c.o), c.want)
	}
	require.ErrorContains(t, (&Processor{}).Override(Override{Crop: "0.5"}), "give a size too")
}

// TestApplyExtreme crops the middle of a picture that a resize of its shorter
// side would make 822 megapixels large.
func TestApplyExtreme(t *testing.T) {
	line := New(1, 16384)
	line.fill([3]uint8{10, 20, 30})
	p := ImageNet(224, 224, Bicubic)
	pixels, h, w, err := p.Apply(line)
	require.NoError(t, err)
	assert.Equal(t, [2]int{224, 224}, [2]int{h, w})
	assert.InDelta(t, (20.0/255-0.456)/0.224, pixels[224*224+7], 1e-6)

	p.Crop = CropRule{}
	_, _, _, err = p.Apply(line)
	require.ErrorContains(t, err, "picture of 1×16384 pixels would be resized to 224×3670016: more than the limit of 100 megapixels")
}

func TestApplyRefuses(t *testing.T) {
	p := ImageNet(256, 224, Bilinear)
	_, _, _, err := p.Apply(nil)
	require.ErrorContains(t, err, "no picture given")
	p.Resize.Mode = 17
	_, _, _, err = p.Apply(New(3, 3))
	require.ErrorContains(t, err, "unknown resize mode 17")
}

// TestApplyShape checks the promised size for any picture, and that the padding
// around a small one is the fill colour.
func TestApplyShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawPicture(t)
		p := &Processor{
			Resize: ResizeRule{
				Mode:   ResizeMode(rapid.IntRange(int(NoResize), int(Fit)).Draw(t, "mode")),
				H:      rapid.IntRange(1, 30).Draw(t, "resize h"),
				W:      rapid.IntRange(1, 30).Draw(t, "resize w"),
				Filter: drawFilter(t),
			},
			Crop: CropRule{
				H: rapid.IntRange(1, 40).Draw(t, "crop h"), W: rapid.IntRange(1, 40).Draw(t, "crop w"),
				Even: rapid.Bool().Draw(t, "even"), Fill: [3]uint8{1, 2, 3},
			},
		}
		if rapid.Bool().Draw(t, "no crop") {
			p.Crop = CropRule{}
		}
		before := append([]uint8(nil), m.Pix...)
		pixels, h, w, err := p.Apply(m)
		require.NoError(t, err)
		wantH, wantW := p.OutputSize(m.W, m.H)
		assert.Equal(t, [2]int{wantH, wantW}, [2]int{h, w})
		assert.Len(t, pixels, 3*h*w)
		assert.Equal(t, before, m.Pix, "the input was changed")
		resizedH, resizedW := p.Resize.size(m.W, m.H)
		if h > resizedH+1 || w > resizedW+1 {
			assert.Equal(t, [3]float32{1, 2, 3}, [3]float32{pixels[0], pixels[h*w], pixels[2*h*w]})
		}
		if fixedH, fixedW, ok := p.FixedSize(); ok {
			assert.Equal(t, [2]int{h, w}, [2]int{fixedH, fixedW})
		}
	})
}
