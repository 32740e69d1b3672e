// Package gpu runs compute kernels on whatever adapter wgpu finds.
//
// A [Device] is one opened adapter. A [Recorder] takes the operations of a
// forward pass, once per input shape, and yields a [Program]: a flat list of
// dispatches whose buffers, bind groups and pipelines are made beforehand and
// which is replayed by [Program.Run] as often as wanted. Activations live in
// an arena whose places are shared by tensors that are never alive together.
//
// A Device may be used from several goroutines; so may a Program, whose runs
// take turns. Recorders and tensors belong to one goroutine at a time.
//
// What a device holds is shown straight from its buffers, without reading it
// back: a [Surface] draws [Quad]s in a window, a [Canvas] into a picture of the
// host. Drawings and the submits of programs take turns.
//
// A recording may go on with a backward pass ([Recorder.Backward]), which a [Tape] prepares,
// and with an optimizer: a step of a training is a program like any other.
//
// An operation may have been recorded in several ways. A [Tuner] proves and times
// them; [Choices] name the one to take.
//
// The package knows no model and no operation: packages ops and models say
// what to compute. It is the only importer of a wgpu binding, through its package
// internal/wgpu, which has one of two behind it; no type of a binding leaves it.
package gpu
