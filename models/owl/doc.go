// Package owl is OWL-ViT (Minderer et al. 2022, "Simple Open-Vocabulary Object Detection
// with Vision Transformers") and OWLv2 (2023): a CLIP each of whose patches finds an
// object that texts name, with the checkpoints of transformers.
//
// owl.go is the network, checkpoint.go how a checkpoint tells its sizes, family.go the
// family find.
package owl
