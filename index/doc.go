// Package index keeps the embeddings of pictures and the lines of documents in a file, so that a
// folder is embedded once and only changed files again: paths and facts in SQLite, the
// embeddings as halves in a file beside it, which is read part by part. Anything that reads
// SQLite reads it; in Python:
//
//	import sqlite3, numpy as np
//	db, file = sqlite3.connect("pictures.index"), "pictures.index.vectors"
//	rows, paths = zip(*db.execute("SELECT row, path FROM pictures WHERE row >= 0"))
//	width = int(np.fromfile(file, "<u4", 6)[5])
//	halves = np.memmap(file, "<f2", "r", 64).reshape(-1, -(-width // 8) * 8)
//	vectors = halves[list(rows), :width].astype("f4")   # unit length
//	best = np.argsort(-vectors @ query)[:10]
//
// Paths are relative to the folder that holds the file, with slashes, so that
// both can be moved together. Table meta says which model made the embeddings.
//
// An index of documents has lines in place of pictures, with where they stand, the words
// that they are found by and the vectors of lines and of what stands around them:
//
//	db.execute("SELECT document, page, text FROM lines JOIN words ON line = id WHERE word = ?", ["순이"])
//
// It needs no module of SQLite's. Formats before had embeddings as floats beside paths: such a
// file is searched as it is, and converted when it is next written to.
//
// A file is looked at before anything is written to it: one that is not exactly
// this package's is refused as it is. An index that cannot be written can be
// searched.
//
// A vector is on the disk before the transaction that names its row: after an interrupt a
// build goes on where it was.
//
// The package knows no model and no device, and reads no picture. [Vectors.Top] compares on the
// CPU by brute force; package nearest does so on a GPU.
package index
