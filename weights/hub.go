package weights

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Hub downloads files of models into a cache. The cache's layout is that of
// Python's huggingface_hub, so that both find what the other has downloaded.
// A Hub can be used from several goroutines, and the cache by several
// processes; its fields must not be changed meanwhile.
type Hub struct {
	Cache    string // folder of the cache
	Endpoint string // without a slash at the end
	Token    string // sent to Endpoint alone; "" sends none
	Offline  bool   // answer from the cache, without asking the network
	NoBars   bool   // the user asked for no progress bars (HF_HUB_DISABLE_PROGRESS_BARS)

	// Progress, if not nil, is told as a file arrives: bytes that are there,
	// and of how many, or -1 if unknown. The first call has what an earlier
	// download left. It is not called for files in the cache.
	Progress func(file string, done, total int64)

	// Waiting, if not nil, is told of a file that another process is
	// downloading just now, before its end is waited for.
	Waiting func(file string)

	// Client is used for requests; nil is one that obeys the usual proxy
	// variables (HTTPS_PROXY, NO_PROXY).
	Client *http.Client

	MetaTimeout time.Duration // for an answer to a question about a file
	DataTimeout time.Duration // without any data in a download
	Retries     int           // failures in a row before giving up
	RetryWait   time.Duration // before the first retry; it doubles with each
}

// HubFromEnv is a Hub as Python's huggingface_hub would be set up: HF_HOME (or
// XDG_CACHE_HOME), HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN or the file that
// HF_TOKEN_PATH names or that its login command wrote, HF_HUB_OFFLINE,
// HF_HUB_DISABLE_PROGRESS_BARS, HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT.
func HubFromEnv() *Hub {
	home := folder("HF_HOME", "")
	if home == "" {
		home = filepath.Join(folder("XDG_CACHE_HOME", "~/.cache"), "huggingface")
	}
	cache := folder("HUGGINGFACE_HUB_CACHE", filepath.Join(home, "hub"))
	endpoint := os.Getenv("HF_ENDPOINT")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	return &Hub{
		Cache:       folder("HF_HUB_CACHE", cache),
		Endpoint:    strings.TrimRight(endpoint, "/"),
		Token:       tokenFrom(home),
		Offline:     isTrue("HF_HUB_OFFLINE") || os.Getenv("HF_HUB_OFFLINE") == "" && isTrue("TRANSFORMERS_OFFLINE"),
		NoBars:      isTrue("HF_HUB_DISABLE_PROGRESS_BARS"),
		MetaTimeout: seconds("HF_HUB_ETAG_TIMEOUT"),
		DataTimeout: seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
		Retries:     5,
		RetryWait:   time.Second,
	}
}

// folder is a path from the environment, with ~ and $VARIABLES expanded.
func folder(variable, otherwise string) string {
	path := os.Getenv(variable)
	if path == "" {
		path = otherwise
	}
	path = os.ExpandEnv(path)
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + rest
		}
	}
	return path
}

// tokenFrom finds the user's token: the environment first, then the file.
func tokenFrom(home string) string {
	for _, variable := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if t := strings.TrimSpace(os.Getenv(variable)); t != "" {
			return t
		}
	}
	if isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		return ""
	}
	path := folder("HF_TOKEN_PATH", filepath.Join(home, "token"))
	text, err := ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), 64<<10)
	if err != nil {
		return "" // not logged in
	}
	return strings.TrimSpace(string(text))
}

func isTrue(variable string) bool {
	switch strings.ToUpper(os.Getenv(variable)) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// seconds is a time from the environment, 10 s by default, as in Python.
func seconds(variable string) time.Duration {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil || n <= 0 {
		n = 10
	}
	return time.Duration(n) * time.Second
}

// Model is a model on the hub at a revision.
type Model struct {
	ID       string // org/name, or name
	Revision string // a branch, a tag or a commit
}

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9_][\w.+-]*(/[A-Za-z0-9_][\w.+-]*)*$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// ParseModel reads org/name[@revision] or name[@revision]. The revision is main
// by default.
func ParseModel(text string) (Model, error) {
	id, revision, given := strings.Cut(text, "@")
	if !given {
		revision = "main"
	}
	if len(id) > 96 || !idPattern.MatchString(id) || strings.Contains(id, "--") || strings.Contains(id, "..") {
		return Model{}, fmt.Errorf("%q is not a hub id such as org/name or org/name@revision", text)
	}
	if !revisionPattern.MatchString(revision) || strings.Contains(revision, "..") {
		return Model{}, fmt.Errorf("%q: %q is not a revision", text, revision)
	}
	return Model{ID: id, Revision: revision}, nil
}

// String is the id, with its revision if that is not main.
func (m Model) String() string {
	if m.Revision == "main" {
		return m.ID
	}
	return m.ID + "@" + m.Revision
}

// HubError is a file that could not be had from the hub or the cache.
type HubError struct {
	Model  Model
	File   string
	Status int // of the answer, 0 if none came
	Err    error
}

func (e *HubError) Error() string {
	return fmt.Sprintf("hub model %s: %s: %v", e.Model, shorten(Escape(e.File), maxLine), e.Err)
}

func (e *HubError) Unwrap() error { return e.Err }

// ErrNotInModel is in the chain of errors of a file that the model has not.
var ErrNotInModel = errors.New("no such file in the model, or no such model")
