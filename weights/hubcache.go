package weights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// repo is a model's folder in the cache:
//
//	models--org--name/refs/main                  the commit that main is
//	models--org--name/blobs/ETAG                 a file's bytes
//	models--org--name/snapshots/COMMIT/FILE      a link to its blob
//	models--org--name/.no_exist/COMMIT/FILE      the commit has no such file
//	.locks/models--org--name/ETAG.lock           held while a blob is written
type repo struct {
	cache string
	name  string // models--org--name
}

func (h *Hub) repo(m Model) repo {
	return repo{cache: h.Cache, name: "models--" + strings.ReplaceAll(m.ID, "/", "--")}
}

// path joins parts, written with slashes, to the model's folder.
func (r repo) path(parts ...string) string {
	path := filepath.Join(r.cache, r.name)
	for _, p := range parts {
		path = filepath.Join(path, filepath.FromSlash(p))
	}
	return path
}

func (r repo) snapshot(commit, file string) string { return r.path("snapshots", commit, file) }

func (r repo) blob(etag string) string { return r.path("blobs", etag) }

// commit is what the cache last knew a revision to be, "" if nothing.
func (r repo) commit(revision string) string {
	text, err := r.ref(revision)
	if err == nil && safeName(string(text)) {
		return string(text)
	}
	if info, err := os.Stat(r.path("snapshots", revision)); err == nil && info.IsDir() && !strings.Contains(revision, "/") {
		return revision
	}
	return ""
}

// ref is what the file of a revision holds.
func (r repo) ref(revision string) ([]byte, error) {
	return ReadFile(os.DirFS(r.path("refs")), revision, 1<<10)
}

// setCommit notes what a revision is now. Like Python it writes only what is
// new, so that a full cache can be read-only.
func (r repo) setCommit(revision, commit string) error {
	if revision == commit {
		return nil
	}
	path := r.path("refs", revision)
	if text, err := r.ref(revision); err == nil && string(text) == commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return replace(path, func(w io.Writer) error { _, err := io.WriteString(w, commit); return err })
}

// has says whether a file of a commit is in the cache, and where.
func (r repo) has(commit, file string) (string, bool) {
	if commit == "" {
		return "", false
	}
	path := r.snapshot(commit, file)
	info, err := os.Stat(path)
	return path, err == nil && !info.IsDir()
}

// lacks says whether the cache knows that a commit has no such file.
func (r repo) lacks(commit, file string) bool {
	_, err := os.Stat(r.path(".no_exist", commit, file))
	return commit != "" && err == nil
}

// setLacks notes that a commit has no such file. It is only an optimisation:
// failures are left alone.
func (r repo) setLacks(commit, file string) {
	path := r.path(".no_exist", commit, file)
	if os.MkdirAll(filepath.Dir(path), 0o777) != nil {
		return
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o666); err == nil {
		f.Close()
	}
}

// link makes a snapshot's file of a blob: a relative link, or where the system
// has no links (Windows without the right to make them) the blob itself.
func (r repo) link(etag, commit, file string) (string, error) {
	path := r.snapshot(commit, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	target, err := filepath.Rel(filepath.Dir(path), r.blob(etag))
	if err != nil {
		return "", err
	}
	if old, err := os.Readlink(path); err == nil && old == target {
		return path, nil
	}
	// A link whose blob is gone is in the way.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if os.Symlink(target, path) == nil {
		return path, nil
	}
	return path, os.Rename(r.blob(etag), path)
}

// lock waits until no other process, Go or Python, writes the blob, and calls
// waiting if there is one. A file system without locks gives none: locked is
// false then.
func (r repo) lock(ctx context.Context, etag string, waiting func()) (unlock func(), locked bool, err error) {
	path := filepath.Join(r.cache, ".locks", r.name, etag+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, false, err
	}
	l := flock.New(path, flock.SetPermissions(0o664))
	if locked, err = l.TryLock(); !locked && err == nil {
		waiting()
		locked, err = l.TryLockContext(ctx, 100*time.Millisecond)
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	if err != nil && os.IsPermission(err) {
		return nil, false, err
	}
	return func() { l.Close() }, locked && err == nil, nil // a lock that cannot be let go ends with the process
}

// safeName says whether what a server calls a commit or an etag can be a file's
// name.
func safeName(name string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`/\:`, c) }
	return name != "" && len(name) < 200 && !strings.HasPrefix(name, ".") && !strings.ContainsFunc(name, odd)
}

// checkFile refuses names of files that would leave the model's folder.
func checkFile(file string) error {
	if !filepath.IsLocal(filepath.FromSlash(file)) || strings.Contains(file, `\`) {
		return fmt.Errorf("%q is not the name of a file in a model", Printable(file))
	}
	return nil
}
