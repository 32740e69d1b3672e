// Package vae is the autoencoders between pictures and the latents that
// diffusion models work on: AutoencoderKL (Rombach et al. 2022, "High-Resolution
// Image Synthesis with Latent Diffusion Models") and the small AutoencoderTiny
// (Bohan 2023, TAESD), of diffusers' configuration and names. Latents are as the networks have them, without the scaling factor
// by which a pipeline divides them.
package vae
