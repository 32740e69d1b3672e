// Package masks is what is done with the masks of networks such as Segment Anything once
// they are back from the device: thresholds, areas and boxes, COCO's run-length encoding,
// the enlargement of small logits to a picture's size ([Resizer]), suppression of
// overlapping boxes ([NMS]), and the authors' rules that make of a grid of points the
// masks of everything in a picture ([Everything]).
//
// It is plain arithmetic on slices: it knows neither networks nor devices, and draws
// nothing.
package masks
