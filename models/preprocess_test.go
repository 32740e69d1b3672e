package models

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
