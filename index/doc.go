// Package index keeps the embeddings of pictures and the lines of documents in an SQLite file, so that a
// folder is embedded once and only changed files again. Anything that reads
// SQLite reads it; in Python:
//
//	import sqlite3, numpy as np
//	db = sqlite3.connect("pictures.index")
//	rows = db.execute("SELECT path, embedding FROM pictures WHERE error = ''").fetchall()
//	vectors = np.stack([np.frombuffer(e, "<f4") for _, e in rows])   # unit length
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
// It needs no module of SQLite's. The first format had pictures alone: such a file is
// searched as it is, and converted when it is next written to.
//
// A file is looked at before anything is written to it: one that is not exactly
// this package's is refused as it is. An index that cannot be written can be
// searched.
//
// The package knows no model and reads no picture. It compares by brute force,
// which is exact and takes milliseconds for 100,000 pictures.
package index
