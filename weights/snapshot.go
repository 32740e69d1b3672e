package weights

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Snapshot fetches files of a model, as Resolve does, and returns the folder of
// the commit that they are from.
func (h *Hub) Snapshot(ctx context.Context, m Model, wanted ...string) (string, error) {
	if len(wanted) == 0 {
		wanted = ModelFiles
	}
	for range 3 {
		s := snapshot{hub: h, model: m, cached: true}
		err := s.all(ctx, wanted)
		if errors.Is(err, errMoved) { // files of two commits do not belong together
			continue
		}
		return s.folder, err
	}
	return "", fmt.Errorf("hub model %s: it keeps changing while it is downloaded; give a commit, %s@COMMIT", m, m.ID)
}

// errMoved says that a revision became another commit between two files.
var errMoved = errors.New("the revision moved")

// snapshot is one go at fetching the files of a model.
type snapshot struct {
	hub    *Hub
	model  Model
	folder string
	commit string // that the hub told, "" if only the cache was asked
	cached bool   // all files so far were in the cache
	// down is why the hub cannot be asked, nil as long as it can: the cache
	// answers then, so that a dead network is waited for only once.
	down error
}

func (s *snapshot) all(ctx context.Context, wanted []string) error {
	if s.hub.Offline {
		s.down = errors.New("HF_HUB_OFFLINE is set")
	}
	for _, want := range wanted {
		names, optional := strings.CutSuffix(want, "?")
		got, err := s.first(ctx, strings.Split(names, "|"))
		if optional && absent(err) {
			continue
		}
		if err == nil && isIndex(got) {
			err = s.shards(ctx, got)
		}
		if err != nil {
			return err
		}
	}
	if s.folder == "" {
		return &HubError{Model: s.model, File: someOf(wanted, 4), Err: ErrNotInModel}
	}
	if s.commit != "" { // noted only now, so that a failure leaves the older files in reach
		err := s.hub.repo(s.model).setCommit(s.model.Revision, s.commit)
		if err != nil && !s.cached {
			return fmt.Errorf("writing into the cache: %w", err)
		}
	}
	return nil
}

// first fetches the first of several candidates that exists, and returns its
// name.
func (s *snapshot) first(ctx context.Context, names []string) (string, error) {
	var last *HubError
	for _, name := range names {
		err := s.file(ctx, name)
		if err == nil || !absent(err) {
			return name, err
		}
		errors.As(err, &last)
	}
	last.File = someOf(names, 4)
	return "", last
}

// shards fetches the files that an index names; they are beside it.
func (s *snapshot) shards(ctx context.Context, index string) error {
	text, err := ReadFile(os.DirFS(s.folder), index, IndexLimit)
	if err != nil {
		return &HubError{Model: s.model, File: index, Err: err}
	}
	files, err := Shards(text)
	if err != nil {
		return &HubError{Model: s.model, File: index, Err: err}
	}
	for _, f := range files {
		if err := s.file(ctx, path.Join(path.Dir(index), f)); err != nil {
			return err
		}
	}
	return nil
}

// file fetches one file and checks that it is of the same commit as the others.
func (s *snapshot) file(ctx context.Context, name string) error {
	local, err := s.fetch(ctx, name)
	if err != nil {
		return err
	}
	folder := strings.TrimSuffix(local, string(filepath.Separator)+filepath.FromSlash(name))
	if s.folder != "" && s.folder != folder {
		return errMoved
	}
	s.folder = folder
	return nil
}

// fetch brings one file into the cache and returns its path there.
func (s *snapshot) fetch(ctx context.Context, name string) (string, error) {
	if err := checkFile(name); err != nil {
		return "", err
	}
	r := s.hub.repo(s.model)
	known := r.commit(s.model.Revision)
	if known == s.model.Revision { // a commit never changes
		if path, ok := r.has(known, name); ok {
			return path, nil
		}
		if r.lacks(known, name) {
			return "", s.fail(name, 0, ErrNotInModel)
		}
	}
	if s.down == nil {
		path, err := s.online(ctx, r, name, known)
		if err == nil || s.down == nil {
			return path, err
		}
	}
	if path, ok := r.has(known, name); ok {
		return path, nil
	}
	if r.lacks(known, name) {
		return "", s.fail(name, 0, ErrNotInModel)
	}
	status := 0
	var answer *statusError
	if errors.As(s.down, &answer) {
		status = answer.status
	}
	return "", s.fail(name, status, fmt.Errorf("%w, and %w %s", s.down, errNotCached, s.hub.Cache))
}

// online asks the hub for a file and fetches it. It sets s.down where the cache
// should be asked instead.
func (s *snapshot) online(ctx context.Context, r repo, name, known string) (string, error) {
	patient := *s.hub
	patient.Retries = min(patient.Retries, 2)
	if _, ok := r.has(known, name); ok {
		patient.Retries = 0 // there is something to go on with
	}
	var found meta
	err := patient.again(ctx, func() (_ bool, err error) {
		found, err = s.hub.head(ctx, s.model, name)
		return false, err
	})
	var answer *statusError
	switch {
	case ctx.Err() != nil:
		return "", s.fail(name, 0, ctx.Err())
	case errors.As(err, &answer) && answer.missing():
		if safeName(answer.commit) {
			r.setLacks(answer.commit, name)
		}
		return "", s.fail(name, answer.status, ErrNotInModel)
	case err != nil:
		s.down = s.hint(err)
		return "", err
	}
	s.commit = found.commit
	path, err := s.get(ctx, r, name, found)
	if err != nil {
		return "", s.fail(name, 0, err)
	}
	return path, nil
}

// get puts a file that the hub described into the cache.
func (s *snapshot) get(ctx context.Context, r repo, name string, found meta) (string, error) {
	if path, ok := r.has(found.commit, name); ok {
		return path, nil
	}
	if err := found.check(name); err != nil {
		return "", err
	}
	s.cached = false
	blob := r.blob(found.etag)
	if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
		return "", fmt.Errorf("writing into the cache: %w", err)
	}
	unlock, locked, err := r.lock(ctx, found.etag, func() {
		if s.hub.Waiting != nil {
			s.hub.Waiting(name)
		}
	})
	if err != nil {
		return "", fmt.Errorf("locking the cache: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(blob); err != nil { // not from an earlier commit, nor from whoever had the lock
		part := blob + ".incomplete"
		if !locked {
			part = fmt.Sprintf("%s.%d.incomplete", blob, os.Getpid())
		}
		if err := s.hub.download(ctx, s.model, name, found, part, blob); err != nil {
			return "", err
		}
	}
	path, err := r.link(found.etag, found.commit, name)
	if err != nil {
		return "", fmt.Errorf("writing into the cache: %w", err)
	}
	return path, nil
}

// hint says what a user can do about an answer.
func (s *snapshot) hint(err error) error {
	page := s.hub.Endpoint + "/" + s.model.ID
	var answer *statusError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.status == http.StatusUnauthorized && s.hub.Token != "":
		return fmt.Errorf("%w: the token (HF_TOKEN) is not accepted, or the model does not exist", err)
	case answer.status == http.StatusUnauthorized:
		return fmt.Errorf("%w: the model does not exist, or is private or gated: check the id, or accept its terms at %s and set HF_TOKEN", err, page)
	case answer.status == http.StatusForbidden:
		return fmt.Errorf("%w: the model is gated: accept its terms at %s and set HF_TOKEN to a token that may read it", err, page)
	case answer.code == "RevisionNotFound":
		return fmt.Errorf("%w: the model has no revision %s", err, s.model.Revision)
	case answer.code == "RepoNotFound":
		return fmt.Errorf("%w: no such model; check the id", err)
	}
	return err
}

func (s *snapshot) fail(name string, status int, err error) error {
	return &HubError{Model: s.model, File: name, Status: status, Err: err}
}

// errNotCached is in the chain of errors of a file that only the cache was
// asked for.
var errNotCached = errors.New("it is not in the cache")

// absent says whether err is about a file that is not there, as opposed to one
// that could not be had.
func absent(err error) bool {
	return errors.Is(err, ErrNotInModel) || errors.Is(err, errNotCached)
}
