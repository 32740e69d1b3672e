// Package smolvlm is SmolVLM and SmolVLM2 (Marafioti et al. 2025) and what they come
// from, Idefics3 (Laurençon et al. 2024): a vision transformer sees a picture's tiles, of
// whose patches neighbouring ones become one token, and a Llama reads those among the
// tokens of a text and writes on.
//
// smolvlm.go is the network, prompt.go what stands for a picture in a text. Cutting
// pictures into tiles is package picture's business, choosing tokens package generate's.
package smolvlm
