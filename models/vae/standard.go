package vae

import "fmt"

// standards are published networks as their config.json has them, but for what
// is the library's default.
var standards = map[string]string{
	// stable-diffusion-v1-5/stable-diffusion-v1-5
	"sd15_vae_decode": `{"_class_name": "AutoencoderKL", "sample_size": 512, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
		"down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
		"up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}`,
}

// Standard is the configuration of a published network.
func Standard(name string) (Config, error) {
	config, ok := standards[name]
	if !ok {
		return Config{}, fmt.Errorf("%s is no autoencoder with a size of its own; there are %v", name, StandardNames())
	}
	return Parse([]byte(config))
}

// StandardNames are the names of [Standard].
func StandardNames() []string { return []string{"sd15_vae_decode"} }
