// Package live holds the sessions of a window: a diffusion run as it denoises
// ([Diffusion]), images with what a network attends to in them ([Attention]), and with
// the texts that one writes about them ([Caption]), the frames of a video with what was
// found in them ([Frames]), and a training with what it makes of a probe ([Training]).
//
// A session implements [saccade/viewer.Session]: it knows the model, the viewer
// knows the window, its keys and its layout. It runs as well without a window,
// driven by Do and Point and read by View.
//
// The package reads no flags, opens no window, prints nothing, and writes no files
// but by the functions that its options give.
package live
