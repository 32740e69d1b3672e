// Package segment is the family of networks that tell what each pixel belongs to, by the
// model_type of their config: SegFormer and UPerNet. It has no network of its own.
package segment
