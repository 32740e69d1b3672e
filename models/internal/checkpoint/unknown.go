package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"saccade/weights"
)

// signs are names by which a checkpoint is known at sight. The first whose
// tensor is there counts.
var signs = []struct {
	name *regexp.Regexp // of a tensor
	what string
}{
	{regexp.MustCompile(`^(.*\.)?(text_model|logit_scale)`), "a CLIP or SigLIP"},
	{regexp.MustCompile(`\.time_embedding\.|^time_embedding\.|^down_blocks\.`), "a diffusion model's part"},
	{regexp.MustCompile(`(^|\.)(cls_token|class_token)$|^blocks\.0\.attn\.`), "a vision transformer (-model vit)"},
	{regexp.MustCompile(`^features\.0\.0\.weight$|^_conv_stem\.|^conv_stem\.|^(efficientnet\.)?embeddings\.convolution\.`), "an EfficientNet (-model efficientnet)"},
	{regexp.MustCompile(`^layer1\.0\.conv1\.|^(resnet\.)?embedder\.embedder\.`), "a ResNet (-model resnet)"},
	{regexp.MustCompile(`^features\.10\.weight$`), "a VGG or an AlexNet (-model vgg, -model alexnet)"},
}

// Unknown is the error for a checkpoint that is none of a kind: lacking says
// which tensors would have told it.
func Unknown(src weights.Source, kind, lacking string) error {
	names := src.Names()
	for _, s := range signs {
		if i := slices.IndexFunc(names, s.name.MatchString); i >= 0 {
			return fmt.Errorf("the checkpoint is no %s that is known: among its %d tensors is %s; %s looks like %s", kind, len(names), lacking, names[i], s.what)
		}
	}
	return fmt.Errorf("the checkpoint is no %s that is known: among its %d tensors is %s; its first are [%s]", kind, len(names), lacking, strings.Join(names[:min(3, len(names))], ", "))
}
