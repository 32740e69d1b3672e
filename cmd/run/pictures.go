package main

import "saccade/cmd/internal/cli"

// findPictures replaces folders by the pictures in them: see [cli.FindPictures].
func (a *app) findPictures(paths []string) ([]string, error) {
	return cli.FindPictures(paths, a.complain)
}

// findClasses lists the classes of a folder.
func (a *app) findClasses(folder string) ([]class, error) {
	return cli.FindClasses(folder, a.complain)
}
