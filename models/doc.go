// Package models loads checkpoints and runs them: from the name of a model and
// a folder, a file or a hub id to labels of pictures or raw tensors.
//
//	dev, err := gpu.Open(gpu.Options{})
//	m, err := models.Load(ctx, dev, "vit", "google/vit-base-patch16-224", models.Options{})
//	top, err := m.Classify(ctx, []*picture.Image{img}, 5)
//	err = m.Each(ctx, n, 0, open, report) // of many pictures a few in memory at a time
//	texts, _, err := clip.EmbedTexts(ctx, []string{"a cat", "a dog"})
//
// Each architecture has a package of its own below this one that reads like
// its paper's figure and knows its checkpoints' names; this package has what
// they share: finding files, preprocessing, labels, one program per input
// shape, verification. It prints nothing and knows no flags.
//
// A [Model] may be used from several goroutines, as may the [gpu.Device] under
// any number of models: forward passes take turns.
package models
