// Package nearest finds the rows of a table on a disk that are nearest to vectors, on a
// device: exactly, by the product with every row. Of a table that is larger than the memory
// it may take, a part is on the device at a time.
//
// It is no index of approximate neighbours: what it gives is right for any vectors, and takes
// as long as reading the table once. It knows neither models nor pictures.
package nearest
