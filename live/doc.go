// Package live holds the sessions of a window: a diffusion run as it denoises
// ([Diffusion]), and images with what a network attends to in them ([Attention]).
//
// A session implements [saccade/viewer.Session]: it knows the model, the viewer
// knows the window, its keys and its layout. It runs as well without a window,
// driven by Do and Point and read by View.
//
// The package reads no flags, opens no window, prints nothing, and writes no files
// but by the functions that its options give.
package live
