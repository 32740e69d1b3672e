// Package scale holds no code: the driver for Ray and what Slurm and Kubernetes run lie beside
// it, and its tests try them, as make test-all does.
package scale
