package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// allowed says that a request shows the key: as a bearer, in the header of other APIs, or
// as the password of a name.
func (s *Server) allowed(r *http.Request) bool {
	if s.Key == "" {
		return true
	}
	shown := r.Header.Get("X-Api-Key")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		shown = strings.TrimSpace(bearer)
	}
	if _, password, ok := r.BasicAuth(); ok {
		shown = password
	}
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(s.Key))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// isLoopback says that a host, with or without a port, is this machine by a name that
// nobody else can give it.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
