package weights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// meta is what the hub says about a file.
type meta struct {
	etag   string
	commit string
	size   int64 // -1 if unknown
}

// statusError is an answer that is no success.
type statusError struct {
	status  int
	code    string // X-Error-Code, such as EntryNotFound
	message string // X-Error-Message
	commit  string // X-Repo-Commit
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the hub answers %d %s", e.status, http.StatusText(e.status))
	if e.message != "" {
		text += " (" + Printable(strings.Join(strings.Fields(e.message), " ")) + ")"
	}
	return text
}

// temporary says whether the same question may be answered later.
func (e *statusError) temporary() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

// missing says whether the model exists and the file does not.
func (e *statusError) missing() bool {
	return e.status == http.StatusNotFound && e.code != "RepoNotFound" && e.code != "RevisionNotFound"
}

// url is where a file of a model is.
func (h *Hub) url(m Model, file string) string {
	parts := strings.Split(file, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return fmt.Sprintf("%s/%s/resolve/%s/%s", h.Endpoint, m.ID, url.PathEscape(m.Revision), strings.Join(parts, "/"))
}

// request sends one request without following redirects. The token goes to the
// endpoint alone: a redirect may lead to a store that signs its URLs and
// refuses another authorisation, and that is not to know it anyway.
func (h *Hub) request(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil { // its text repeats the address, which a redirect may have made
		return nil, fmt.Errorf("the hub's address is no URL: %s", Printable(err.Error()))
	}
	req.Header = header.Clone()
	req.Header.Set("User-Agent", "saccade")
	req.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the file
	if endpoint, err := url.Parse(h.Endpoint); h.Token != "" && err == nil && sameOrigin(endpoint, req.URL) {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	client := http.Client{}
	if h.Client != nil {
		client = *h.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its text repeats the address
			err = u.Err
		}
		return nil, fmt.Errorf("asking %s: %w", Printable(req.URL.Host), err)
	}
	return resp, nil
}

// follow is request, following redirects until stop says that an answer will
// do. An answer that is neither success nor redirect is a *statusError.
func (h *Hub) follow(ctx context.Context, method, address string, header http.Header, stop func(*http.Response, *url.URL) bool) (*http.Response, error) {
	for range 10 {
		resp, err := h.request(ctx, method, address, header)
		if err != nil {
			return nil, err
		}
		next, noNext := resp.Location()
		if resp.StatusCode >= 300 && (resp.StatusCode >= 400 || noNext != nil) {
			resp.Body.Close()
			return nil, &statusError{
				status: resp.StatusCode, code: resp.Header.Get("X-Error-Code"),
				message: resp.Header.Get("X-Error-Message"), commit: resp.Header.Get("X-Repo-Commit"),
			}
		}
		if resp.StatusCode < 300 || stop(resp, next) {
			return resp, nil
		}
		resp.Body.Close()
		address = next.String()
	}
	return nil, errors.New("the hub redirects in a circle")
}

// head asks for a file's etag, commit and size. A redirect to a store of large
// files carries them itself and is not followed.
func (h *Hub) head(ctx context.Context, m Model, file string) (meta, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(h.MetaTimeout, 10*time.Second))
	defer cancel()
	endpoint, err := url.Parse(h.Endpoint)
	if err != nil {
		return meta{}, fmt.Errorf("HF_ENDPOINT: %w", err)
	}
	commit := ""
	stop := func(resp *http.Response, next *url.URL) bool {
		commit = cmp.Or(resp.Header.Get("X-Repo-Commit"), commit)
		return resp.Header.Get("X-Linked-Etag") != "" ||
			!sameOrigin(next, resp.Request.URL) && !sameOrigin(next, endpoint) && next.Hostname() != "huggingface.co"
	}
	resp, err := h.follow(ctx, http.MethodHead, h.url(m, file), http.Header{}, stop)
	if err != nil {
		return meta{}, err
	}
	resp.Body.Close()
	found := meta{
		etag:   normalEtag(cmp.Or(resp.Header.Get("X-Linked-Etag"), resp.Header.Get("ETag"))),
		commit: cmp.Or(resp.Header.Get("X-Repo-Commit"), commit),
		size:   -1,
	}
	if n, err := strconv.ParseInt(resp.Header.Get("X-Linked-Size"), 10, 64); err == nil && n >= 0 {
		found.size = n
	} else if resp.StatusCode < 300 {
		found.size = resp.ContentLength
	}
	if found.commit == "" && commitPattern.MatchString(m.Revision) {
		found.commit = m.Revision
	}
	if !safeName(found.commit) || !safeName(found.etag) {
		return meta{}, fmt.Errorf("%s names no commit (X-Repo-Commit) or no ETag: it does not seem to be a Hugging Face hub; check HF_ENDPOINT and the proxy settings", h.Endpoint)
	}
	return found, nil
}

// normalEtag is an etag without its quotes and the mark of a weak one.
func normalEtag(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Host, b.Host)
}

// again calls try until it succeeds, fails for good, or has failed h.Retries
// times without getting on. The wait between doubles.
func (h *Hub) again(ctx context.Context, try func() (gotOn bool, err error)) error {
	wait := cmp.Or(h.RetryWait, time.Second)
	for left := h.Retries; ; left-- {
		gotOn, err := try()
		var status *statusError
		final := errors.As(err, &status) && !status.temporary() || errors.Is(err, errFinal)
		if err == nil || final || ctx.Err() != nil || left <= 0 && !gotOn {
			return err
		}
		if gotOn {
			left, wait = h.Retries, cmp.Or(h.RetryWait, time.Second)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, 8*time.Second)
	}
}

// errFinal marks errors that trying again does not mend.
var errFinal = errors.New("")
