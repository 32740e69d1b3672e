package unet

import "fmt"

// standards are published networks as their config.json has them, but for what
// is the library's default.
var standards = map[string]string{
	// google/ddpm-cifar10-32
	"unet_ddpm_cifar10": `{"_class_name": "UNet2DModel", "sample_size": 32, "block_out_channels": [128, 256, 256, 256],
		"down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
		"up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
		"attention_head_dim": null, "downsample_padding": 0, "flip_sin_to_cos": false, "freq_shift": 1, "norm_eps": 1e-6}`,
	// stable-diffusion-v1-5/stable-diffusion-v1-5
	"sd15_unet": `{"_class_name": "UNet2DConditionModel", "sample_size": 64, "cross_attention_dim": 768}`,
}

// Standard is the configuration of a published network.
func Standard(name string) (Config, error) {
	config, ok := standards[name]
	if !ok {
		return Config{}, fmt.Errorf("%s is no UNet with a size of its own; there are %v", name, StandardNames())
	}
	return Parse([]byte(config))
}

// StandardNames are the names of [Standard].
func StandardNames() []string { return []string{"unet_ddpm_cifar10", "sd15_unet"} }
