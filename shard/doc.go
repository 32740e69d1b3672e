// Package shard reads the pictures of a large collection part by part, and writes what a
// model makes of a part into a Parquet file.
//
// A shard is a folder, a list of files, a tar archive as WebDataset's or a Parquet file with
// a column of pictures: [Open] lists its items in an order that does not change, and gives
// their bytes. [Write] makes a file with a row for each item, also for one that could not be
// read: path and key tell what it was made of, model what made it, error why there is
// nothing. In Python:
//
//	import pyarrow.dataset as ds
//	t = ds.dataset("out", format="parquet").to_table(filter=ds.field("error").is_null())
//	vectors = t["vector"].combine_chunks().flatten().to_numpy().reshape(len(t), -1)  # unit length
//
// A file is written beside its place and renamed, and holds the fingerprint of what made it
// and of its shard: [Made] tells a shard that is done from one that is another's.
//
// The package knows no model and decodes no picture. It reads no compressed archives, for
// the items of those can't be read side by side.
package shard
