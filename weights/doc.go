// Package weights reads and writes checkpoints and ties their tensors to a
// model.
//
// A checkpoint is a safetensors file, a file of PyTorch's torch.save, or a
// folder of either with an index ([Open]); it is memory-mapped, what it says of
// itself is distrusted, and its tensors stay as the file has them: little
// endian, in the file's own data type, and contiguous, for which some of a
// PyTorch file are copied. Of a PyTorch file's pickle tensors are rebuilt and
// nothing else: of other objects the name is kept, nothing is ever called, and
// one that stands where tensors are wanted is refused ([PickleError]).
// [Rename] shows the same tensors under a model's names, by a table of rules;
// [Unwrap] and [SavedNames] take off what training code and transformers 5 put
// there.
// [Bind] walks a model's struct tags and pairs each parameter with its tensor;
// it reports everything that is missing, unknown or of another shape at once.
// [Resolve] turns what a user gave (a folder, a file or a hub id) into a local
// path, downloading into the cache that Python's huggingface_hub uses ([Hub]).
//
// It is not a tensor library: it converts to float32 and slices rows, nothing
// else. It knows no model, no GPU and no layout: a model's leaves say in
// [Param] what they want and take it in Set. It prints nothing; progress is
// told to a callback.
//
// A [Checkpoint] and the sources made from it can be read from several
// goroutines at once. After Close its tensors must not be touched.
package weights
