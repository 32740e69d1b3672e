// Package probe is classifiers on the features of a frozen network, which need no
// backward pass through it: multinomial logistic regression at its optimum, and
// Tip-Adapter (Zhang et al. 2022) of a dual encoder.
//
// It works on the host, on vectors that somebody else computed. Heads that are trained
// by steps are package fit's.
package probe
