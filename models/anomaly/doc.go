// Package anomaly tells what is unlike a few pictures of what is normal, by the features
// that a network has of their patches; nothing is trained. It has PatchCore (Roth et al.
// 2022) and PaDiM (Defard et al. 2021) on the layers of a convolutional network, and
// AnomalyDINO (Damm et al. 2025) on the tokens of DINOv2.
//
//	patches, _ := anomaly.OfMaps(layers, true, h, w) // of every normal picture
//	bank, _ := anomaly.Fit(ctx, dev, anomaly.PatchCore, all, anomaly.Options{})
//	d, _ := bank.Detector(dev)
//	found, _ := d.Score(ctx, patches)
//
// It runs no network and reads no picture: package models does. What is compared on the
// device is compared in f32 by differences, so that scores are the same on every adapter
// but for rounding.
package anomaly
