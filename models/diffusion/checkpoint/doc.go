// Package checkpoint opens the checkpoints of whole diffusion pipelines and
// gives their parts: the networks' tensors and configurations, the scheduler's
// configuration and the tokenizers' files.
//
// A pipeline is a folder in diffusers' layout, with model_index.json, here or on
// the hub ([Open]) or inside the program ([OpenFS]), or a single file with the
// names of the first publications of Stable Diffusion 1, 2 and XL. Of such a file
// the parts look as those of a folder do: tensors under the names of diffusers and
// transformers, and configurations that are made of the tensors' shapes and of
// what is known of the publication. [Pipeline.Part] opens a part; what nobody asks
// for is not read. [Pipeline.Merge] adds LoRAs (package lora) to the weights,
// [Pipeline.OpenEmbedding] reads textual inversions.
//
// It is not what runs a pipeline: it knows no GPU, no network and no scheduler,
// and a part's configuration is bytes for whoever makes something of it.
package checkpoint
