package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"saccade/weights"
)

// signs are tensors by which a checkpoint is known at sight. The first that is
// there counts.
var signs = []struct {
	name   *regexp.Regexp
	kernel int // of a convolution, 0 for any tensor
	what   string
}{
	{regexp.MustCompile(`^features\.1\.0\.attn\.|^(swin(v2)?\.)?encoder\.layers\.0\.blocks\.0\.|^layers\.0\.blocks\.0\.attn\.`), 0, "a Swin Transformer (-model swin or swinv2)"},
	{regexp.MustCompile(`^(vision_encoder|image_encoder)\.(patch_embed|backbone|trunk|blocks)\.`), 0, "a Segment Anything (-model sam)"},
	{regexp.MustCompile(`^(.*\.)?(text_model|logit_scale)`), 0, "a CLIP or SigLIP"},
	{regexp.MustCompile(`^((bert|roberta|distilbert)\.)?embeddings\.word_embeddings\.`), 0, "a text encoder (-model text)"},
	{regexp.MustCompile(`(^|\.)time_embedding\.|^down_blocks\.`), 0, "a part of a diffusion model"},
	{regexp.MustCompile(`^decoder\.model\.decoder\.embed_tokens\.`), 0, "a TrOCR (-model trocr)"},
	{regexp.MustCompile(`(^|\.)(cls_token|class_token)$|^blocks\.0\.attn\.`), 0, "a vision transformer (-model vit)"},
	{regexp.MustCompile(`^features\.1\.0\.layer_scale$|^(convnext(v2)?\.)?encoder\.stages\.0\.layers\.0\.dwconv\.|^stages\.0\.blocks\.0\.conv_dw\.`), 0, "a ConvNeXt (-model convnext or convnextv2)"},
	{regexp.MustCompile(`^features\.1\.conv\.0\.0\.|^(mobilenet_v2\.)?conv_stem\.first_conv\.`), 0, "a MobileNetV2 (-model mobilenetv2)"},
	{regexp.MustCompile(`^features\.1\.block\.0\.0\.`), 0, "a MobileNetV3 (-model mobilenetv3)"},
	{regexp.MustCompile(`^features\.0\.0\.weight$|^_conv_stem\.|^conv_stem\.|^(efficientnet\.)?embeddings\.convolution\.`), 0, "an EfficientNet (-model efficientnet)"},
	{regexp.MustCompile(`^layer1\.0\.conv1\.|^(resnet\.)?embedder\.embedder\.`), 0, "a ResNet (-model resnet)"},
	{regexp.MustCompile(`^features\.0\.weight$`), 11, "an AlexNet (-model alexnet)"},
	{regexp.MustCompile(`^features\.0\.weight$`), 3, "a VGG (-model vgg)"},
}

// UnknownError is a checkpoint that has none of the tensors that tell its kind.
type UnknownError struct{ text string }

func (e *UnknownError) Error() string { return e.text }

// Unknown is the error for a checkpoint that is none of a kind: lacking says
// which tensors would have told it.
func Unknown(src weights.Source, kind, lacking string) error {
	names := src.Names()
	for _, s := range signs {
		i := slices.IndexFunc(names, func(name string) bool {
			return s.name.MatchString(name) && (s.kernel == 0 || s.kernel == Dim(src, name, 3))
		})
		if i >= 0 {
			return &UnknownError{fmt.Sprintf("the checkpoint is no %s that is known: among its %d tensors is %s; %s looks like %s", kind, len(names), lacking, weights.Printable(names[i]), s.what)}
		}
	}
	return &UnknownError{fmt.Sprintf("the checkpoint is no %s that is known: among its %d tensors is %s; its first are [%s]", kind, len(names), lacking, weights.Printable(strings.Join(names[:min(3, len(names))], ", ")))}
}
