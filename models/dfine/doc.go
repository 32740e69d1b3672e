// Package dfine is D-FINE (Peng et al. 2024, "D-FINE: Redefine Regression Task in DETRs as
// Fine-grained Distribution Refinement"), with the checkpoints of transformers.
//
// dfine.go is the network, fusion.go the layers of its encoder, checkpoint.go how a checkpoint
// tells its sizes; what it has of RT-DETR is in models/internal/hybrid.
package dfine
