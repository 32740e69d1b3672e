package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"saccade/gpu"
	"saccade/models"
	"saccade/serve/queue"
)

// Limits bound what requests may take.
type Limits struct {
	Requests int           // that may be there at once
	Body     int64         // bytes of a request
	Pixels   int           // of an image, as it comes
	Painted  int           // pixels of an image to make
	Images   int           // of a request, to make or to look at
	Texts    int           // of a request
	Steps    int           // of a diffusion run
	Tokens   int           // to write
	Time     time.Duration // for a request as a whole
}

// DefaultLimits are those of cmd/serve.
func DefaultLimits() Limits {
	return Limits{Requests: 64, Body: 32 << 20, Pixels: 40_000_000, Painted: 1536 * 1536, Images: 16, Texts: 2048, Steps: 150, Tokens: 1024, Time: 10 * time.Minute}
}

// Options say what is served.
type Options struct {
	Models  []queue.Entry
	Aliases map[string]string // other names of models' ids
	Device  *gpu.Device
	Load    func(ctx context.Context, e queue.Entry) (*models.Model, error)
	Key     string // that callers must know, "": none
	Limits  Limits
	Read    time.Duration // for a request's body to come; 0: a minute
	Memory  int64         // bytes of the device for all models, 0: as many as there are
	Others  *url.URL      // immich's machine learning, for the tasks that are not done here; nil: there is none
	Version string
	Log     *slog.Logger
}

// Server answers requests.
type Server struct {
	Options
	queue    *queue.Queue
	opened   atomic.Bool // the models have been loaded
	stopping atomic.Bool
	began    time.Time
	decoding chan struct{} // images that are decoded now
	seen     *seenImages
	webui    webui
	configs  sync.Map // generate.Config of checkpoints that write, by model id

	handler  http.Handler
	registry *prometheus.Registry
	meters   meters
}

// meters are what the server counts.
type meters struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes a server, whose models are not loaded yet.
func New(o Options) *Server {
	s := &Server{Options: o, began: time.Now(), decoding: make(chan struct{}, runtime.GOMAXPROCS(0)), registry: prometheus.NewRegistry(), seen: newSeenImages()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.meters = meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "saccade_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "saccade_request_seconds", Help: "Time of requests by route, waiting included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}}, []string{"route"}),
	}
	s.registry.MustRegister(s.meters.requests, s.meters.seconds)
	s.queue = queue.New(o.Models, queue.Options{Load: s.load, Bytes: func() int64 { return o.Device.Stats().BufferBytes }, Budget: o.Memory,
		Depth: o.Limits.Requests, Log: o.Log, Meters: queue.NewMeters(s.registry)})
	s.handler = s.routes()
	return s
}

// load loads a model and keeps how its checkpoint chooses tokens.
func (s *Server) load(ctx context.Context, e queue.Entry) (*models.Model, error) {
	m, err := s.Load(ctx, e)
	if err != nil {
		return nil, err
	}
	if m.Pipeline == nil && m.Writer() != nil {
		s.configs.Store(e.ID, m.Writer().Config)
	}
	for _, note := range m.Notes {
		s.Log.Info(note, "model", e.ID)
	}
	return m, nil
}

// Open loads every model once, so that what is wrong with one is known before requests
// come; the server is ready then.
func (s *Server) Open(ctx context.Context) error {
	for _, m := range s.queue.Models {
		if err := m.Load(ctx); err != nil {
			return err
		}
	}
	s.opened.Store(true)
	return nil
}

// ready says that requests are to be sent here.
func (s *Server) ready() bool { return s.opened.Load() && !s.stopping.Load() }

// errNotReady answers where it is asked, and what needs models that are not there.
var errNotReady = errorf(http.StatusServiceUnavailable, "not ready: models are loading, or the server is stopping")

// Stop says that the server is no longer ready: who spreads requests among several
// sends it no more. Those that come are answered still.
func (s *Server) Stop() { s.stopping.Store(true) }

// Close ends what is under way and frees the models.
func (s *Server) Close() { s.queue.Close() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// api is how the errors of a protocol are told, and its routes guarded.
type api struct {
	s    *Server
	fail func(w http.ResponseWriter, e *Error)
}

// handler answers a request; its error is told in the API's form, if nothing was
// written yet.
type handler func(w http.ResponseWriter, r *http.Request) error

// routes are all that is served.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]string{"status": "ok"}) })
	mux.HandleFunc("GET /ready", s.answerReady)
	plain := api{s, failPlain}
	plain.open(mux, "GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
		promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
		return nil
	})
	s.openAI(mux)
	s.ollama(mux)
	s.immich(mux)
	s.webUI(mux)
	s.inference(mux)
	s.page(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		failPlain(w, errorf(http.StatusNotFound, "there is no %s %s", r.Method, r.URL.Path))
	})
	return s.sameOrigin(mux)
}

// answerReady says whether requests can be done now.
func (s *Server) answerReady(w http.ResponseWriter, _ *http.Request) {
	if !s.ready() {
		failPlain(w, errNotReady)
		return
	}
	writeJSON(w, map[string]string{"status": "ready"})
}

// sameOrigin refuses what a page of another site has a browser send, and, where no key is
// asked for, names of this machine that are not its own, by which such a page could get
// around that.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		failPlain(w, errorf(http.StatusForbidden, "a page of another site may not ask this server"))
	}))
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Key == "" && !isLoopback(r.Host) {
			failPlain(w, errorf(http.StatusForbidden, "host %q is no name of the loopback address; set a key (-api-key) to be asked by others", r.Host))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// open serves a route that computes nothing.
func (a api) open(mux *http.ServeMux, pattern string, h handler) {
	a.handle(mux, pattern, func(w http.ResponseWriter, r *http.Request) error { return h(w, r) })
}

// work serves a route whose requests count against the queue.
func (a api) work(mux *http.ServeMux, pattern string, h handler) {
	a.handle(mux, pattern, func(w http.ResponseWriter, r *http.Request) error {
		if !a.s.opened.Load() {
			return errNotReady
		}
		leave, err := a.s.queue.Enter()
		if err != nil {
			return err
		}
		defer leave()
		if r.ContentLength != 0 {
			r.Body = newTimedBody(w, http.MaxBytesReader(w, r.Body, a.s.Limits.Body), cmp.Or(a.s.Read, readTime))
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), a.s.Limits.Time, errTime)
		defer cancel()
		return h(w, r.WithContext(ctx))
	})
}

// errTime ends requests that take too long.
var errTime = errors.New("the time for a request is over")

// handle serves a route to who knows the key, and counts and logs.
func (a api) handle(mux *http.ServeMux, pattern string, h handler) {
	s := a.s
	_, route, _ := strings.Cut(pattern, " ")
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		began, seen := time.Now(), &response{ResponseWriter: w}
		var err error
		if s.allowed(r) {
			err = h(seen, r)
		} else {
			w.Header().Set("WWW-Authenticate", `Bearer, Basic realm="saccade"`)
			err = errorf(http.StatusUnauthorized, "a key is asked for: Authorization: Bearer KEY")
		}
		if err != nil {
			e := asError(err)
			if seen.status == 0 {
				if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
					w.Header().Set("Retry-After", "1")
				}
				a.fail(seen, e)
			}
			level := slog.LevelInfo
			if e.Status >= 500 && r.Context().Err() == nil {
				level = slog.LevelError
			}
			s.Log.Log(r.Context(), level, "refused", "route", route, "status", e.Status, "error", e.Message, "from", r.RemoteAddr)
			if seen.status == http.StatusOK {
				seen.status = e.Status // of a stream that broke off
			}
		}
		took := time.Since(began)
		s.meters.requests.WithLabelValues(route, fmt.Sprint(seen.status)).Inc()
		s.meters.seconds.WithLabelValues(route).Observe(took.Seconds())
		s.Log.Debug("answered", "route", route, "status", seen.status, "took", took, "from", r.RemoteAddr)
	})
}

// response remembers the status that was sent.
type response struct {
	http.ResponseWriter
	status int
}

func (r *response) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *response) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	// Who does not read is not waited for; where there are no deadlines, none are needed.
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(sendTime))
	return r.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// find is the model of a name that a request gives; without one the first that can do
// what is wanted.
func (s *Server) find(name string, can func(*models.Model) bool, what string) (*queue.Model, error) {
	if !s.opened.Load() {
		return nil, errNotReady
	}
	if name == "" {
		for _, m := range s.queue.Models {
			if can(m.Front()) {
				return m, nil
			}
		}
		return nil, errorf(http.StatusNotFound, "no model that is served %s", what)
	}
	if id, ok := s.Aliases[name]; ok {
		name = id
	}
	var ids []string
	for _, m := range s.queue.Models {
		if m.ID == name {
			if !can(m.Front()) {
				return nil, errorf(http.StatusBadRequest, "model %q is not one that %s", name, what).of("model")
			}
			return m, nil
		}
		if ids = append(ids, m.ID); m.Weights == name && can(m.Front()) {
			return m, nil
		}
	}
	for alias := range s.Aliases {
		ids = append(ids, alias)
	}
	slices.Sort(ids)
	e := errorf(http.StatusNotFound, "model %q is not served; the nearest is %q of %s", name, models.Nearest(name, ids), strings.Join(ids, ", ")).of("model")
	e.Code = "model_not_found"
	return nil, e
}

// What models can do.
func canPaint(m *models.Model) bool { return m.Pipeline != nil }

func canWrite(m *models.Model) bool {
	return m.Pipeline == nil && m.Writer() != nil && m.SoundRate() == 0
}

func canEmbedTexts(m *models.Model) bool {
	return m.Pipeline == nil && m.Writer() == nil && m.EmbedsTexts()
}

func canEmbedImages(m *models.Model) bool {
	return m.Pipeline == nil && m.Writer() == nil && !m.Segments() && m.SeesImages() && (m.Dual() || m.Classes() == 0)
}

func canClassify(m *models.Model) bool { return m.Pipeline == nil && m.Classes() > 0 }

func canMask(m *models.Model) bool { return m.Pipeline == nil && m.Segments() }

func canForward(m *models.Model) bool { return m.Pipeline == nil }

// abilities are the words for what a model can do.
func abilities(m *models.Model) (words []string) {
	for _, a := range []struct {
		word string
		can  func(*models.Model) bool
	}{{"embed_texts", canEmbedTexts}, {"embed_images", canEmbedImages}, {"classify", canClassify}, {"write", canWrite}, {"masks", canMask}, {"paint", canPaint}} {
		if a.can(m) {
			words = append(words, a.word)
		}
	}
	return words
}
