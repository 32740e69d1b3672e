// Package sounds is the family of networks that tell what sounds are. It chooses one by a
// checkpoint's config; packages ast and clap have the networks.
package sounds
