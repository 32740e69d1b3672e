// Package queue shares one device among models and callers.
//
// Every model has a lane: its requests are done one after the other, in the order in
// which they came, and those that are rows of one forward pass together
// ([Model.Rows]), if that was measured to be faster and seen to change no bit. Lanes
// take turns on the device: who has had it for the least time goes next, so that a model
// of many requests, or of long ones, which give their turn back between steps, leaves
// the others theirs. Models come to the device when they are asked for, and under a
// budget of memory those leave that were not asked for longest.
//
// The package knows no protocol and no flags, and prints nothing but its log.
package queue
