// Package t2iadapter is T2I-Adapter (Mou et al. 2023): a small network that makes features of a
// picture of hints once, which are added on a UNet's way down in every step. It knows diffusers'
// T2IAdapter of each kind.
package t2iadapter
