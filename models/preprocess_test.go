package models

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/nn"
	"saccade/picture"
)

// The file's name tells the version, else the architecture does.
func TestPublishedProcessor(t *testing.T) {
	for _, c := range []struct {
		name, file string
		h, w       int
		want       *picture.Processor
	}{
		{"resnet50", "resnet50-0676ba61.pth", 224, 224, picture.ImageNet(256, 224, picture.Bilinear)},
		{"resnet50", "resnet50-11ad3fa6.pth", 224, 224, picture.ImageNet(232, 224, picture.Bilinear)},
		{"resnet", "resnet50-11ad3fa6.pth", 224, 224, picture.ImageNet(232, 224, picture.Bilinear)},
		{"resnet50", "mine.pth", 224, 224, picture.ImageNet(256, 224, picture.Bilinear)},
		{"resnext101_64x4d", "mine.pth", 224, 224, picture.ImageNet(232, 224, picture.Bilinear)},
		{"resnet20", "resnet20-12fca82f.th", 32, 32, picture.Squash(32, 32, picture.Bilinear)},
		{"efficientnet_b3", "", 300, 300, picture.ImageNet(320, 300, picture.Bicubic)},
		{"efficientnet_b1", "efficientnet_b1-c27df63c.pth", 240, 240, picture.ImageNet(255, 240, picture.Bilinear)},
		{"efficientnet_b2", "x.pth", 260, 260, picture.ImageNet(260, 260, picture.Bicubic)},
		{"vit_l_16", "model.pth", 224, 224, picture.ImageNet(242, 224, picture.Bilinear)},
		{"vit_l_16", "model.pth", 384, 384, picture.ImageNet(438, 384, picture.Bilinear)},
		{"vit", "", 224, 224, picture.ImageNet(256, 224, picture.Bilinear)},
	} {
		assert.Equal(t, c.want, publishedProcessor(c.name, c.file, c.h, c.w), "%s %s", c.name, c.file)
	}
	small := publishedProcessor("efficientnet", "efficientnet-lite0-57934424.pth", 224, 224)
	assert.Equal(t, picture.ResizeRule{Mode: picture.Shortest, H: 256, W: 256, Filter: picture.Bicubic}, small.Resize)
	assert.InDelta(t, 127.0/255, small.Mean[0], 1e-15)
	assert.InDelta(t, 128.0/255, small.Std[0], 1e-15)
	large := publishedProcessor("efficientnet_v2_l", "x.pth", 480, 480)
	assert.Equal(t, picture.HalfMean, large.Mean)
	assert.Equal(t, picture.HalfStd, large.Std)
}

// Of several files that disagree, an image_processor in processor_config.json goes
// first, as in transformers; without one that file says nothing of pictures.
func TestProcessorConfig(t *testing.T) {
	const config, nested = `{"model_type":"clip"}`, `{"image_processor":{"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":30},"crop_size":20}}`
	pre := []byte(`{"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":40},"crop_size":40}`)
	for _, c := range []struct {
		processor string
		pre       []byte
		want      int
	}{{nested, pre, 20}, {nested, nil, 20}, {`{"processor_class":"CLIPProcessor"}`, pre, 40}, {"", pre, 40}, {`{"processor_class":"CLIPProcessor"}`, nil, 224}} {
		fsys := fstest.MapFS{}
		if c.processor != "" {
			fsys["processor_config.json"] = &fstest.MapFile{Data: []byte(c.processor)}
		}
		p, err := processorFor(&files{config: []byte(config), preprocessor: c.pre, fsys: fsys}, nil, "clip", 224, 224)
		require.NoError(t, err)
		assert.Equal(t, c.want, p.Crop.H, "%s beside %s", c.processor, c.pre)
	}
	_, err := processorFor(&files{config: []byte(`{"model_type":3}`)}, nil, "clip", 224, 224)
	assert.EqualError(t, err, "config.json: model_type is 3; expected a text")
}

// Scores are those of transformers' pipeline.
func TestScoresOfClasses(t *testing.T) {
	logits := []float32{1.5, -2, 0.25}
	for as, want := range map[nn.Scores][3]float64{
		nn.Softmax: {0.7594732, 0.2175927, 0.0229341},
		nn.Sigmoid: {0.8175745, 0.5621765, 0.1192029},
		nn.Plain:   {1.5, 0.25, -2},
	} {
		got := (&Model{scores: as}).Rank(logits, 0)
		for i, p := range got {
			assert.InDelta(t, want[i], p.Score, 1e-7, "%v %d", as, i)
		}
		assert.Equal(t, []int{0, 2, 1}, []int{got[0].Index, got[1].Index, got[2].Index})
	}
	assert.Equal(t, "81.76 %", (&Model{scores: nn.Sigmoid}).Rank(logits, 1)[0].Shown())
	assert.Equal(t, "1.5", (&Model{scores: nn.Plain}).Rank(logits, 1)[0].Shown())
}
