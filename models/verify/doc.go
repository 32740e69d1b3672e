// Package verify compares what a device computes with PyTorch's goldens, of
// networks and of pipelines alike: what `run -verify` and the tests do.
//
//	checks, err := verify.Checks()
//	report, err := checks[0].Run(ctx, dev, gpu.F16)
//
// It links all goldens and the embedded models, which package models does not.
// Verification without goldens, by the operations' CPU twins, is models' own.
package verify
