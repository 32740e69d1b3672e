// Package nn is what an architecture declares of itself, and what runs it.
//
// A [Network] takes inputs and gives outputs by the names that PyTorch's class
// has for them. A [Module] is the layers of one checkpoint with their networks:
// a classifier has one network, a dual encoder one for images and one for texts,
// an autoencoder one for each way. It brings the weights to a device, keeps one
// program for each shape of the inputs and set of outputs, and runs, plans,
// profiles and verifies them:
//
//	m := nn.NewModule(dev, "vit", gpu.F16, description)
//	out, err := m.Forward(ctx, map[string]nn.Array{"pixel_values": x}, gpu.Wants{})
//
// A [Family] is what packages of architectures register in package models: its
// names, how a checkpoint is described, and the published sizes.
//
// The package knows no architecture, no task and no file format.
package nn
