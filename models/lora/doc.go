// Package lora reads and writes low-rank adapters (Hu et al. 2021): PEFT's folders,
// diffusers' files and those of kohya's trainers, with LoHa, LoKr and PEFT's DoRA.
//
// [Open] reads one, [Layer.Delta] is what a layer of it adds to a weight, and [Merged]
// shows a checkpoint with that added. Which tensor of which network a layer is for, the
// packages of networks know.
package lora
