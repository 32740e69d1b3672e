// Package yolos is YOLOS (Fang et al. 2021, "You Only Look at One Sequence"): a vision
// transformer among whose tokens are some that each find an object, with the checkpoints
// of transformers.
//
// yolos.go is the network, checkpoint.go how a checkpoint tells its sizes. The rest of a
// detector, from a file to boxes, is package models' business.
package yolos
