// Package detect is the family of networks that find objects of the classes they were
// trained with: it tells by a checkpoint's config which of them it is of. The networks
// themselves are packages of their own, such as yolos.
package detect
