// Package venv gives tests a Python with packages of other libraries, in an environment that is
// made where it is not there and kept for the next time.
//
// It is not for programs, and needs a registry of packages only when something is missing.
package venv
