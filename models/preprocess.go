package models

import (
	"strings"

	"saccade/picture"
)

// transform is what the reference's weights of an architecture want of
// pictures: the shorter side to resize pixels, the middle crop×crop of that.
type transform struct {
	architecture string
	// hash is what the reference's file name ends in, such as
	// resnet50-11ad3fa6.pth, which tells the versions of weights apart; "" is unknown.
	hash         string
	resize, crop int
	filter       picture.Filter
	norm         norm
}

// norm is the mean and the standard deviation of a transform.
type norm int

const (
	imageNet norm = iota
	half          // ½ and ½
	lite          // (x-127)/128 on bytes
	plain         // 0 and 1
)

// transforms are those of torchvision 0.29's classification weights, and others
// where that has none. The first of an architecture, version 1, is also that of
// files of other names.
var transforms = []transform{
	{"alexnet", "7be5be79", 256, 224, picture.Bilinear, imageNet},
	{"squeezenet1_0", "b66bff10", 256, 224, picture.Bilinear, imageNet},
	{"squeezenet1_1", "b8a52dc0", 256, 224, picture.Bilinear, imageNet},
	{"vgg11", "8a719046", 256, 224, picture.Bilinear, imageNet},
	{"vgg11_bn", "6002323d", 256, 224, picture.Bilinear, imageNet},
	{"vgg13", "19584684", 256, 224, picture.Bilinear, imageNet},
	{"vgg13_bn", "abd245e5", 256, 224, picture.Bilinear, imageNet},
	{"vgg16", "397923af", 256, 224, picture.Bilinear, imageNet},
	{"vgg16_bn", "6c64b313", 256, 224, picture.Bilinear, imageNet},
	{"vgg19", "dcbb9e9d", 256, 224, picture.Bilinear, imageNet},
	{"vgg19_bn", "c79401a0", 256, 224, picture.Bilinear, imageNet},
	{"resnet18", "f37072fd", 256, 224, picture.Bilinear, imageNet},
	{"resnet34", "b627a593", 256, 224, picture.Bilinear, imageNet},
	{"resnet50", "0676ba61", 256, 224, picture.Bilinear, imageNet},
	{"resnet50", "11ad3fa6", 232, 224, picture.Bilinear, imageNet},
	{"resnet101", "63fe2227", 256, 224, picture.Bilinear, imageNet},
	{"resnet101", "cd907fc2", 232, 224, picture.Bilinear, imageNet},
	{"resnet152", "394f9c45", 256, 224, picture.Bilinear, imageNet},
	{"resnet152", "f82ba261", 232, 224, picture.Bilinear, imageNet},
	{"wide_resnet50_2", "95faca4d", 256, 224, picture.Bilinear, imageNet},
	{"wide_resnet50_2", "9ba9bcbe", 232, 224, picture.Bilinear, imageNet},
	{"wide_resnet101_2", "32ee1156", 256, 224, picture.Bilinear, imageNet},
	{"wide_resnet101_2", "d733dc28", 232, 224, picture.Bilinear, imageNet},
	{"resnext50_32x4d", "7cdf4587", 256, 224, picture.Bilinear, imageNet},
	{"resnext50_32x4d", "1a0047aa", 232, 224, picture.Bilinear, imageNet},
	{"resnext101_32x8d", "8ba56ff5", 256, 224, picture.Bilinear, imageNet},
	{"resnext101_32x8d", "110c445d", 232, 224, picture.Bilinear, imageNet},
	{"resnext101_64x4d", "173b62eb", 232, 224, picture.Bilinear, imageNet},
	{"efficientnet_b0", "7f5810bc", 256, 224, picture.Bicubic, imageNet},
	{"efficientnet_b1", "bac287d4", 256, 240, picture.Bicubic, imageNet},
	{"efficientnet_b1", "c27df63c", 255, 240, picture.Bilinear, imageNet},
	{"efficientnet_b2", "c35c1473", 288, 288, picture.Bicubic, imageNet},
	{"efficientnet_b3", "b3899882", 320, 300, picture.Bicubic, imageNet},
	{"efficientnet_b4", "23ab8bcd", 384, 380, picture.Bicubic, imageNet},
	{"efficientnet_b5", "1a07897c", 456, 456, picture.Bicubic, imageNet},
	{"efficientnet_b6", "24a108a5", 528, 528, picture.Bicubic, imageNet},
	{"efficientnet_b7", "c5b4e57e", 600, 600, picture.Bicubic, imageNet},
	{"efficientnet_v2_s", "dd5fe13b", 384, 384, picture.Bilinear, imageNet},
	{"efficientnet_v2_m", "dc08266a", 480, 480, picture.Bilinear, imageNet},
	{"efficientnet_v2_l", "59c71312", 480, 480, picture.Bicubic, half},
	// Those of efficientnet_pytorch, whose files are named as efficientnet-b0-355c32eb.pth.
	{"efficientnet_b0", "355c32eb", 224, 224, picture.Bicubic, imageNet},
	{"efficientnet_b1", "f1951068", 240, 240, picture.Bicubic, imageNet},
	{"efficientnet_b2", "8bb594d6", 260, 260, picture.Bicubic, imageNet},
	{"efficientnet_b3", "5fb5a3c3", 300, 300, picture.Bicubic, imageNet},
	{"efficientnet_b4", "6ed6700e", 380, 380, picture.Bicubic, imageNet},
	{"efficientnet_b5", "b6417697", 456, 456, picture.Bicubic, imageNet},
	{"efficientnet_b6", "c76e70fd", 528, 528, picture.Bicubic, imageNet},
	{"efficientnet_b7", "dcc49843", 600, 600, picture.Bicubic, imageNet},
	// Those of Google's EfficientNet-Lite, from which the others' weights come.
	{"efficientnet_lite0", "57934424", 256, 224, picture.Bicubic, lite},
	{"efficientnet_lite1", "", 272, 240, picture.Bicubic, lite},
	{"efficientnet_lite2", "", 292, 260, picture.Bicubic, lite},
	{"efficientnet_lite3", "", 312, 280, picture.Bicubic, lite},
	{"efficientnet_lite4", "", 332, 300, picture.Bicubic, lite},
	{"mobilenet_v2", "b0353104", 256, 224, picture.Bilinear, imageNet},
	{"mobilenet_v2", "7ebf99e0", 232, 224, picture.Bilinear, imageNet},
	{"mobilenet_v3_large", "8738ca79", 256, 224, picture.Bilinear, imageNet},
	{"mobilenet_v3_large", "5c1a4163", 232, 224, picture.Bilinear, imageNet},
	{"mobilenet_v3_small", "047dcff4", 256, 224, picture.Bilinear, imageNet},
	{"convnext_tiny", "983f1562", 236, 224, picture.Bilinear, imageNet},
	{"convnext_small", "0c510722", 230, 224, picture.Bilinear, imageNet},
	{"convnext_base", "6075fbad", 232, 224, picture.Bilinear, imageNet},
	{"convnext_large", "ea097f82", 232, 224, picture.Bilinear, imageNet},
	{"swin_t", "704ceda3", 232, 224, picture.Bicubic, imageNet},
	{"swin_s", "5e29d889", 246, 224, picture.Bicubic, imageNet},
	{"swin_b", "68c6b09e", 238, 224, picture.Bicubic, imageNet},
	{"swin_v2_t", "b137f0e2", 260, 256, picture.Bicubic, imageNet},
	{"swin_v2_s", "637d8ceb", 260, 256, picture.Bicubic, imageNet},
	{"swin_v2_b", "781e5279", 272, 256, picture.Bicubic, imageNet},
	// timm's, whose files are named as mobilenetv3_large_100_ra-f55367f5.pth.
	{"mobilenetv2_035", "", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_050", "3d30d450", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_075", "", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_100", "b33bc2c4", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_110d", "77090ade", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_120d", "5987e2ed", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv2_140", "21a4e913", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv3_small_050", "4b7bbe87", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv3_small_075", "384766db", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv3_small_100", "266a294c", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv3_large_100", "f55367f5", 256, 224, picture.Bicubic, imageNet},
	{"mobilenetv3_large_100", "66471c13", 256, 224, picture.Bilinear, plain},
	// Those with TensorFlow's padding; timm has no MobileNetV2 of them, and the interpolation
	// is that of its others.
	{"tf_mobilenetv2_035", "", 256, 224, picture.Bicubic, half},
	{"tf_mobilenetv2_050", "", 256, 224, picture.Bicubic, half},
	{"tf_mobilenetv2_075", "", 256, 224, picture.Bicubic, half},
	{"tf_mobilenetv2_100", "", 256, 224, picture.Bicubic, half},
	{"tf_mobilenetv2_140", "", 256, 224, picture.Bicubic, half},
	{"tf_mobilenetv3_small_075", "da427f52", 256, 224, picture.Bilinear, half},
	{"tf_mobilenetv3_small_100", "37f49e2b", 256, 224, picture.Bilinear, half},
	{"tf_mobilenetv3_small_minimal_100", "922a7843", 256, 224, picture.Bilinear, half},
	{"tf_mobilenetv3_large_075", "150ee8b0", 256, 224, picture.Bilinear, half},
	{"tf_mobilenetv3_large_100", "427764d5", 256, 224, picture.Bilinear, half},
	{"tf_mobilenetv3_large_minimal_100", "8596ae28", 256, 224, picture.Bilinear, half},
	{"vit_b_16", "c867db91", 256, 224, picture.Bilinear, imageNet},
	{"vit_b_16", "9ac1b537", 384, 384, picture.Bicubic, imageNet},
	{"vit_b_16", "4e70ced5", 224, 224, picture.Bicubic, imageNet},
	{"vit_b_32", "d86f8d99", 256, 224, picture.Bilinear, imageNet},
	{"vit_l_16", "852ce7e3", 242, 224, picture.Bilinear, imageNet},
	{"vit_l_16", "4f3808c9", 512, 512, picture.Bicubic, imageNet},
	{"vit_l_16", "4d563306", 224, 224, picture.Bicubic, imageNet},
	{"vit_l_32", "c7638314", 256, 224, picture.Bilinear, imageNet},
	{"vit_h_14", "80465313", 518, 518, picture.Bicubic, imageNet},
	{"vit_h_14", "c1eb923e", 224, 224, picture.Bicubic, imageNet},
}

// cifarSide is the most pixels a side of the pictures of CIFAR-like sets, which
// are taken whole: there is nothing to crop.
const cifarSide = 64

// publishedProcessor is the preprocessing of a checkpoint that carries none: the
// reference's for the version of the weights that the file's name tells, else
// for the architecture. Where neither is known, or the network's own pictures
// of h×w pixels are of another size, it is ImageNet's usual one in proportion.
func publishedProcessor(name, file string, h, w int) *picture.Processor {
	for _, t := range transforms {
		if t.hash != "" && strings.Contains(file, "-"+t.hash) {
			return t.processor()
		}
	}
	for _, t := range transforms {
		if t.architecture == name && t.crop == h && t.crop == w {
			return t.processor()
		}
	}
	if h <= cifarSide && w <= cifarSide {
		return picture.Squash(h, w, picture.Bilinear)
	}
	return picture.ImageNet(h*256/224, h, picture.Bilinear)
}

func (t transform) processor() *picture.Processor {
	p := picture.ImageNet(t.resize, t.crop, t.filter)
	switch t.norm {
	case half:
		p.Mean, p.Std = picture.HalfMean, picture.HalfStd
	case plain:
		p.Mean, p.Std = [3]float64{}, [3]float64{1, 1, 1}
	case lite:
		const mean, std = 127.0 / 255, 128.0 / 255
		p.Mean, p.Std = [3]float64{mean, mean, mean}, [3]float64{std, std, std}
	}
	return p
}
