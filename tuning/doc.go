// Package tuning keeps what a [gpu.Tuner] found out, in a small JSON file that
// several processes, adapters and versions of the program may share.
//
// An entry belongs to an adapter with its driver, to a set of kernels and to a
// key: the operation, its shape and precision. What is not in the table takes the
// standard way of ops for the class of adapter. A file that can't be read is taken
// for an empty one.
//
// The package knows no operation and no kernel. It decides nothing: the tuner did.
package tuning
