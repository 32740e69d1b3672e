// Package unet is the denoising networks of diffusion models: UNet2DModel of
// DDPM (Ho et al. 2020, "Denoising Diffusion Probabilistic Models") and
// UNet2DConditionModel of Stable Diffusion (Rombach et al. 2022, "High-Resolution
// Image Synthesis with Latent Diffusion Models"; Podell et al. 2023, "SDXL"), and
// UNet3DConditionModel of videos (Wang et al. 2023, "ModelScope Text-to-Video"). It
// knows the configuration and the names of diffusers, but no scheduler: one
// forward pass is one estimate.
package unet
