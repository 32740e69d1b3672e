// Package pca finds the principal components of vectors, such as the features of an
// image's patches, and makes colours of them. It knows no model and no image.
package pca
