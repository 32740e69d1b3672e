package index

import (
	"context"
	"errors"
	"os"
	"time"
)

// Entries are committed by so many or after so long, whichever is first: what an
// interrupt can lose.
const (
	commitEntries = 256
	commitAfter   = time.Second
)

// Embed computes the embeddings of files and reports each in order, or why it has
// none.
type Embed func(ctx context.Context, paths []string, report func(i int, v []float32, err error) error) error

// Update brings the index up to date with files: those that are new or changed are
// embedded, and what is gone from the folders, of which files have all pictures, is
// dropped. It is written as it goes; what an error leaves undone is done by the next
// call.
func (x *Index) Update(ctx context.Context, files, folders []string, embed Embed) (added, removed int, err error) {
	stale, err := x.Stale(files)
	if err != nil {
		return 0, 0, err
	}
	if added, err = x.embed(ctx, stale, embed); err != nil {
		return added, 0, err
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); folder == "" || err != nil || !info.IsDir() {
			continue
		}
		n, err := x.Keep(folder, files)
		if err != nil {
			return added, removed, err
		}
		removed += n
	}
	return added, removed, nil
}

// embed adds entries as they are computed, and after an error those before it.
func (x *Index) embed(ctx context.Context, stale []Entry, embed Embed) (added int, err error) {
	paths := make([]string, len(stale))
	for i := range stale {
		paths[i] = stale[i].Path
	}
	done, from, committed := 0, 0, time.Now()
	commit := func() error {
		if done == from {
			return nil
		}
		err := x.Add(stale[from:done])
		from, committed = done, time.Now()
		return err
	}
	err = embed(ctx, paths, func(i int, v []float32, err error) error {
		if err != nil {
			stale[i].Err = err.Error()
		} else {
			stale[i].Embedding = v
			added++
		}
		if done = i + 1; done-from >= commitEntries || time.Since(committed) > commitAfter {
			return commit()
		}
		return nil
	})
	return added, errors.Join(err, commit())
}
