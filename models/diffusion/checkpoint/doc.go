// Package checkpoint opens the checkpoints of whole diffusion pipelines and
// gives their parts: the networks' tensors and configurations, the scheduler's
// configuration and the tokenizers' files.
//
// A pipeline is a folder in diffusers' layout, with model_index.json, here or on
// the hub ([Open]) or inside the program ([OpenFS]). [Pipeline.Part] opens a
// part; what nobody asks for is not read.
//
// It is not what runs a pipeline: it knows no GPU, no network and no scheduler,
// and a part's configuration is bytes for whoever makes something of it.
package checkpoint
