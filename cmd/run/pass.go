package main

import (
	"fmt"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// pass is a model that goes over pictures.
type pass struct {
	*app
	m       *models.Model
	bar     *progress
	forward time.Duration
	errors  []pathError // of the pictures that could not be read
}

// bad names a picture that could not be read, which is the pass's error if it is the
// only one.
func (t *pass) bad(path string, err error, only bool) error {
	if err = naming(path, err); only {
		return err
	}
	t.bar.clear()
	t.complain(err)
	t.errors = append(t.errors, pathError{path, cli.OneLine(err)})
	return nil
}

// note tells something that is no error.
func (t *pass) note(format string, args ...any) {
	t.bar.clear()
	t.app.note(format, args...)
}

// naming makes sure that an error names its picture.
func naming(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("picture %s: %w", path, err)
}

// conclude prints the document or the results, and the summary.
func (t *pass) conclude(document any, print func(), pictures int) error {
	return t.app.conclude(document, print, t.errors, func() { t.summary(t.m, pictures, t.forward) })
}

// conclude prints the document with -json, else the results, and if no picture was
// bad the summary.
func (a *app) conclude(document any, print func(), bad []pathError, summary func()) error {
	if a.json {
		if err := a.stdout.document(document); err != nil {
			return err
		}
	} else {
		print()
	}
	switch {
	case len(bad) > 0:
		return errReported
	case !a.json:
		summary()
	}
	return nil
}
