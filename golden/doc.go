// Package golden answers one question: does this GPU compute what PyTorch
// computes?
//
// It embeds the reference tensors that generate.py made with torch,
// transformers, diffusers, timm and torchvision, and compares with them. There
// are goldens of single operations ([OpCases]: inputs and outputs), of whole
// models ([Cases]: the checkpoint as its library saves it, the input, the named
// intermediates, the outputs) and of whole diffusion pipelines ([Pipelines]:
// the folder, what each run drew and gave). [Compare] measures two tensors;
// [Check] compares a model's tensors in the order of computation, so that a
// failure names the first one that diverges, and its [Report] can write what
// was got and wanted.
//
// Names of intermediates of a ViT: "embeddings" (after the position
// embeddings), "layer.0" … (each block's output), "attentions.0" …
// (probabilities), "norm" (after the final norm), "pooled" (where the norm comes
// after pooling). Of a convolutional network, all NCHW: "stem" (what the first
// block gets), "layer.0" … (the output of each block, of all stages in one
// count; in a VGG or AlexNet, which have no stem, that of each max pooling),
// "pooled" (what the head gets, after global or adaptive pooling).
//
// It is not a way to make goldens: nothing here writes one, and comparing never
// updates. It runs no model, knows no GPU, and holds no tolerance but the
// starting points [F32] and [F16]; a looser one has its reason beside it.
//
// All of it can be used from several goroutines at once; tensors that were
// loaded are the caller's own.
package golden
