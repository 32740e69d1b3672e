// Package cutout is networks that tell what of an image is no background, from their
// authors' files: U²-Net (Qin et al. 2020, large and small), IS-Net (Qin et al. 2022,
// "Highly Accurate Dichotomous Image Segmentation") and RMBG 1.4, which is an IS-Net.
//
// cutout.go is the network, checkpoint.go how its tensors tell its sizes.
package cutout
