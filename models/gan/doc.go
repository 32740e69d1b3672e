// Package gan is the generators of generative adversarial networks: DCGAN (Radford et al. 2015)
// by the names of PyTorch's tutorial, and StyleGAN2 (Karras et al. 2020) by those of the files
// g_ema that its usual PyTorch version writes.
//
// It trains nothing, and knows no discriminator. StyleGAN2's noise is the checkpoint's own, the
// same for every image (randomize_noise=False).
package gan
