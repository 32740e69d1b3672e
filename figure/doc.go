// Package figure draws what models look at: pictures with heat maps over them,
// in panels side by side, with titles, legends and tables.
//
//   - A [Figure] is rows of [Panel]s; [Figure.Draw] makes a picture of it, the
//     same one every time and on every machine to within one step of 255.
//   - A [Heat] is values on a coarse [Grid], such as a network's patches; they are
//     interpolated bilinearly and laid over the picture in grey, in the colours of
//     [Viridis].
//   - A [Mosaic] is a colour for each cell of a grid.
//
// It is not a plotting library: no axes, no curves. It knows neither models nor
// the GPU, and writes no files: picture.WritePNG does.
//
// Text is set by package typeset.
package figure
