// Package segformer is SegFormer (Xie et al. 2021): a transformer of several scales whose
// pixels are told a class each, with the checkpoints of transformers. It is the family
// segment.
package segformer
