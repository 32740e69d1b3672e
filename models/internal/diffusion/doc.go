// Package diffusion is what the networks of diffusion models are made of: the
// residual block, attention over pixels, and the stage of such blocks at one size of
// the feature map, with what goes over the frames of a video. Its names are those of
// diffusers, but for tensors that it joins.
package diffusion
