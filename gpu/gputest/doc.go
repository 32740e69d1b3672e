// Package gputest opens the device of a test: the one place in which tests read
// WGPU_BACKEND, WGPU_ADAPTER_NAME and SACCADE_DEBUG. It never skips: a test that
// needs a device and finds none fails.
//
// It is not for programs, which take what package cli reads, and has no kernels
// or models of its own.
package gputest
