// Package models loads checkpoints and runs them: from the name of a model and
// a folder, a file or a hub id to labels of images, embeddings, pictures of prompts
// or raw tensors.
//
//	dev, err := gpu.Open(gpu.Options{})
//	m, err := models.Load(ctx, dev, "vit", "google/vit-base-patch16-224", models.Options{})
//	top, err := m.Classify(ctx, []*picture.Image{img}, 5)
//	err = m.Each(ctx, n, 0, open, report) // of many images a few in memory at a time
//	out, err := m.Forward(ctx, map[string]models.Array{"pixel_values": x}, "last_hidden_state", "attentions")
//
// Embedded weights come in by Options.Embedded, as package zoo has them, so that a
// program holds no more than it names. A family that is a pipeline, such as sd, has
// its steps in Model.Pipeline, here a *diffusion.Pipeline.
//
// Each architecture has a package of its own below this one that reads like
// its paper's figure, knows its checkpoints' names and declares its networks by
// package nn; registry.go has a line for each. This package has what they share:
// finding files, preprocessing, labels, batches, explanations. It prints nothing and
// knows no flags. Comparing with PyTorch's goldens is package verify's business.
//
// A [Model] may be used from several goroutines, as may the [gpu.Device] under
// any number of models: forward passes take turns.
//
// # What is stable
//
// Within a minor version (0.2.x) the following keep their meaning: Load, New, Options,
// Model's methods, Array, the errors and what prints them; of gpu Open, Options,
// Device.Close and Wants; of picture Open, Decode, Image and Processor; of weights Open,
// Source, Tensor and Write; of diffusion Request, Run and Result; package zoo. Names of
// models, inputs and outputs are those of the reference classes and stay. Packages ops,
// shaders and nn, the rest of gpu, and what is below internal change as the kernels and
// the architectures need it.
package models
