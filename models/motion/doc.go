// Package motion is the motion modules that make a UNet of images one of videos (Guo et al. 2023,
// "AnimateDiff"): it knows diffusers' MotionAdapter and the authors' files. The modules themselves
// are the UNet's.
package motion
