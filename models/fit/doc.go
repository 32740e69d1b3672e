// Package fit is the training of a network by steps: the order of examples, rates over
// time, where a training stands on a disk, when it ends, and which of its states was the
// best. What a step does is a [Learner]'s business: package learn's, on the device, or
// [Head], a classifier's last layer on features, on the host.
//
// The same options, examples and seed give the same numbers, and a training that goes on
// from a saved state gives those that it would have given without the stop.
//
// The package knows no networks and no kinds of examples, and prints nothing.
package fit
