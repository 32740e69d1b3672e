// Package llama is the language model of Llama (Touvron et al. 2023) as transformers'
// LlamaForCausalLM has it, and what follows its figure: pre-norm layers of RMSNorm,
// rotary positions, grouped keys and a gated perceptron.
//
// Networks that write texts with it are packages of their own. It reads the config and
// knows the names of tensors, but not what stands before them.
package llama
