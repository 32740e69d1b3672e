package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/picture"
)

// renderer is the program of poppler that renders PDF.
const renderer = "pdftoppm"

// pageSide is the longer side of a rendered page, pixels: A4 at some 190 a inch.
const pageSide = 2200

func isPDF(path string) bool { return strings.EqualFold(filepath.Ext(path), ".pdf") }

// canRender says whether PDF can be rendered.
func canRender() bool {
	_, err := exec.LookPath(renderer)
	return err == nil
}

// eachPage calls f with the pages of a document: a picture has one.
func (a *app) eachPage(ctx context.Context, path string, f func(page int, img *picture.Image) error) error {
	if !isPDF(path) {
		img, err := a.decode(path)
		if err != nil {
			return err
		}
		return f(1, img)
	}
	folder, err := os.MkdirTemp("", "saccade-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	pages, err := render(ctx, path, folder)
	if err != nil {
		return err
	}
	for i, page := range pages {
		img, err := a.decode(page)
		if err == nil {
			err = f(i+1, img)
		}
		if err != nil {
			return fmt.Errorf("page %d of %s: %w", i+1, path, err)
		}
	}
	return nil
}

// page is one page of a document.
func (a *app) page(ctx context.Context, path string, page int) (*picture.Image, error) {
	if !isPDF(path) {
		return a.decode(path)
	}
	folder, err := os.MkdirTemp("", "saccade-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	n := strconv.Itoa(page)
	pages, err := render(ctx, path, folder, "-f", n, "-l", n)
	if err != nil {
		return nil, err
	}
	return a.decode(pages[0])
}

// render renders a PDF's pages into a folder, in order.
func render(ctx context.Context, path, folder string, more ...string) ([]string, error) {
	whole, err := filepath.Abs(path) // begins with no dash
	if err != nil {
		return nil, err
	}
	arguments := slices.Concat([]string{"-png", "-scale-to", strconv.Itoa(pageSide)}, more, []string{whole, filepath.Join(folder, "page")})
	out, err := exec.CommandContext(ctx, renderer, arguments...).CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return nil, fmt.Errorf("PDF %s: %s renders no page: %s (%w)", path, renderer, cli.OneLine(errors.New(said)), err)
	}
	pages, err := filepath.Glob(filepath.Join(folder, "page*.png"))
	if err == nil && len(pages) == 0 {
		err = fmt.Errorf("PDF %s: there is no page in it", path)
	}
	slices.Sort(pages) // numbers have as many digits as the last
	return pages, err
}
