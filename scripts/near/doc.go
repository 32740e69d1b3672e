// Command near says whether two programs computed the same to within a bound: two JSON documents
// of run, or two pictures. It prints how far they are apart, and fails where that is too far.
//
//	go run ./scripts/near -bound 0.005 amd64.json arm64.json
//	go run ./scripts/near -bound 0.005 amd64.png arm64.png
//
// It compares programs of one source on two processors, not a network with its reference, which
// is package golden's.
package main
