// Package diffusion is what the networks of diffusion models are made of: the
// residual block, attention over pixels, and the stage of such blocks at one
// size of the map. It knows diffusers' names, which its own are but for what is
// joined.
package diffusion
