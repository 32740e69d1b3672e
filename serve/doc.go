// Package serve answers over HTTP what package models computes, in the forms that
// existing clients speak: OpenAI's API, Ollama's, immich's machine learning, the Stable
// Diffusion web UI's and the Open Inference Protocol; and it has a page of its own.
//
// A Server is an http.Handler. All its requests count against one queue (package queue),
// which shares the device. What is wrong with a request is told in the form of the API
// that it is of; keys that would change what is computed and are not known are refused by
// name.
//
// The package opens no sockets, knows no flags and no files but those that models come
// from; it fetches nothing that a request names.
package serve
