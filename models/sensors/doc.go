// Package sensors puts readings beside pictures: a CSV file with a row for each picture, of
// numbers and short series, which become features, and how well classes are told by the
// features of pictures, by the readings and by both, by cross-validation.
//
// It reads no picture and runs no network; features of pictures are given to it.
package sensors
