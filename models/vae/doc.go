// Package vae is the autoencoders between pictures and the latents that
// diffusion models work on: AutoencoderKL (Rombach et al. 2022, "High-Resolution
// Image Synthesis with Latent Diffusion Models") and the small AutoencoderTiny
// (Bohan 2023, TAESD), with the configuration and names of diffusers. Latents are those
// of the networks, before a pipeline applies its scaling factor.
package vae
