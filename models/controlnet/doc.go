// Package controlnet is ControlNet (Zhang, Rao and Agrawala 2023): the way down and the middle of
// a diffusion model's UNet a second time, which sees a picture of hints beside the noisy map and
// gives residuals for the first. It knows diffusers' ControlNetModel.
//
// It makes no hints of pictures and runs no pipeline: package picture and package diffusion do.
package controlnet
