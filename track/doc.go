// Package track gives detected objects numbers that they keep from frame to frame, by the rule
// of ByteTrack (Zhang et al. 2021, "ByteTrack: Multi-Object Tracking by Associating Every
// Detection Box"): boxes are predicted by a Kalman filter and matched first with the sure
// detections, then with the unsure ones.
//
// It knows boxes and scores, no networks and no pictures; classes do not matter to it.
package track
