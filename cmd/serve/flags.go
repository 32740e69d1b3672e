package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/serve"
	"saccade/serve/queue"
)

// options are the flags.
type options struct {
	models    []queue.Entry
	aliases   map[string]string
	listen    string
	key       string
	others    *url.URL
	limits    serve.Limits
	memory    int64
	grace     time.Duration
	precision gpu.DType
	log       string
	verbose   bool
	choice    cli.Choice

	help, version bool
}

// flagSet ties the flags to o.
func (o *options) flagSet() *flag.FlagSet {
	f := cli.NewFlagSet(command)
	o.aliases = map[string]string{}
	f.Func("models", "`NAME[=SOURCE],…`: what is served: families or architectures with their embedded weights, or those of a folder, file or hub id; may be repeated (run -list-models prints the names)", o.addModels)
	f.Func("alias", "`NAME=MODEL`: another name by which clients ask for a model, such as ViT-B-32__openai=clip or dall-e-3=sd; may be repeated", func(s string) error {
		name, model, ok := strings.Cut(s, "=")
		if !ok || name == "" || model == "" {
			return errors.New("expected NAME=MODEL")
		}
		o.aliases[name] = model
		return nil
	})
	o.listen = "127.0.0.1:8080"
	f.StringVar(&o.listen, "listen", o.listen, "`ADDRESS:PORT`: where to listen (default 127.0.0.1:8080); others than the loopback address need a key")
	f.StringVar(&o.key, "api-key", "", "`KEY`: that callers must show (or SACCADE_API_KEY, which other users of the machine do not see)")
	f.Func("immich-others", "`URL`: of immich's own machine learning, to which its faces and texts in images go on", func(s string) (err error) {
		if o.others, err = url.Parse(s); err != nil || o.others.Host == "" || !strings.HasPrefix(o.others.Scheme, "http") {
			return errors.New("expected a URL such as http://127.0.0.1:3003")
		}
		return nil
	})
	f.Func("memory", "`BYTES`: of the device for all models, such as 6G: the one that was not used for longest leaves for another (default: all stay)", bytesOf(&o.memory))
	o.limits = serve.DefaultLimits()
	l := &o.limits
	f.Func("queue", fmt.Sprintf("`N`: requests that may be there at once; more are refused with 429 (default %d)", l.Requests), cli.Whole(&l.Requests, 1, 1<<20))
	f.Func("max-body", fmt.Sprintf("`BYTES`: of a request (default %dM)", l.Body>>20), bytesOf(&l.Body))
	f.Func("max-pixels", fmt.Sprintf("`N`: of an image that comes (default %d)", l.Pixels), cli.Whole(&l.Pixels, 1, math.MaxInt32))
	f.Func("max-painted", fmt.Sprintf("`N`: pixels of an image to paint (default %d)", l.Painted), cli.Whole(&l.Painted, 1, math.MaxInt32))
	f.Func("max-images", fmt.Sprintf("`N`: of a request, to make or to look at (default %d)", l.Images), cli.Whole(&l.Images, 1, 4096))
	f.Func("max-steps", fmt.Sprintf("`N`: of a diffusion run (default %d)", l.Steps), cli.Whole(&l.Steps, 1, 10000))
	f.Func("max-tokens", fmt.Sprintf("`N`: of a text to write (default %d)", l.Tokens), cli.Whole(&l.Tokens, 1, 1<<20))
	f.Func("timeout", "`DURATION`: for a request, waiting included (default 10m)", durationOf(&l.Time))
	o.grace = 30 * time.Second
	f.Func("grace", "`DURATION`: for the requests that are there when it is stopped (default 30s)", durationOf(&o.grace))
	f.Func("precision", "`f16|f32`: of weights and activations (default f16)", func(s string) (err error) {
		if o.precision, err = models.ParsePrecision(s); err != nil {
			return errors.New("expected f16 or f32")
		}
		return nil
	})
	o.log = "text"
	f.Func("log", "`text|json`: the form of the log (default text)", cli.OneOf(&o.log, "text", "json"))
	f.BoolVar(&o.verbose, "verbose", false, "log every request, not only those that are refused")
	o.choice.Flags(f)
	f.BoolVar(&o.version, "version", false, "print the version")
	f.BoolVar(&o.help, "h", false, "print the flags")
	f.BoolVar(&o.help, "help", false, "print the flags")
	return f
}

// addModels reads the models of a flag.
func (o *options) addModels(s string) error {
	for _, part := range strings.Split(s, ",") {
		name, source, given := strings.Cut(part, "=")
		if name == "" || given && source == "" {
			return errors.New("expected NAME or NAME=SOURCE, with commas between them")
		}
		e := queue.Entry{ID: name, Family: name, Weights: source}
		taken := func(id string) bool {
			return slices.ContainsFunc(o.models, func(other queue.Entry) bool { return other.ID == id })
		}
		if taken(e.ID) {
			e.ID = source // the second of a family goes by its source
		}
		if e.ID == "" || taken(e.ID) {
			return fmt.Errorf("expected each model once; %s is there twice", part)
		}
		o.models = append(o.models, e)
	}
	return nil
}

// parse reads the command line and the environment.
func (o *options) parse(args []string, getenv func(string) string) error {
	f := o.flagSet()
	if err := cli.Parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return cli.Usagef("unexpected argument %q; models are given with -models", f.Arg(0))
	}
	if o.help || o.version {
		return nil
	}
	if o.key == "" {
		o.key = getenv("SACCADE_API_KEY")
	}
	return o.check()
}

// check finds what does not go together.
func (o *options) check() error {
	if len(o.models) == 0 {
		return cli.Usagef("no models: give -models NAME,… such as clip,sd,blip")
	}
	ids := make([]string, len(o.models))
	for i := range o.models {
		e := &o.models[i]
		ids[i] = e.ID
		if _, answers := answering(e.Family); !answers && !slices.Contains(models.Names(), e.Family) {
			return &models.UnknownModelError{Name: e.Family, Nearest: models.Nearest(e.Family, models.Names())}
		}
		if f, err := models.FindFamily(e.Family); err == nil && f.Reads {
			return cli.Usagef("-models %s: it is two networks, which are not served; run -model %s reads images", e.Family, e.Family)
		}
		if e.Family == diffusion.Video.Name {
			return cli.Usagef("-models %s: videos are not served, for no request asks for one; run -model %s draws them", e.Family, e.Family)
		}
	}
	for name, model := range o.aliases {
		switch {
		case !slices.Contains(ids, model):
			return cli.Usagef("-alias %s=%s: no such model is served; the nearest is %s", name, model, models.Nearest(model, ids))
		case slices.Contains(ids, name):
			return cli.Usagef("-alias %s=%s: %s is a model itself", name, model, name)
		}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return cli.Usagef("-listen %q: expected ADDRESS:PORT, such as 127.0.0.1:8080", o.listen)
	}
	if addr, err := netip.ParseAddr(host); o.key == "" && host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return cli.Usagef("-listen %s is more than the loopback address, whose callers must show a key: set SACCADE_API_KEY or give -api-key", o.listen)
	}
	return nil
}

// bytesOf reads a size such as 512M.
func bytesOf(to *int64) func(string) error {
	return func(s string) error {
		digits, unit := strings.TrimRight(strings.ToUpper(s), "KMGIB"), int64(1)
		switch strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s)[len(digits):], "B"), "I") {
		case "":
		case "K":
			unit = 1 << 10
		case "M":
			unit = 1 << 20
		case "G":
			unit = 1 << 30
		default:
			digits = ""
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64/unit {
			return errors.New("expected a number of bytes, such as 512M or 6G")
		}
		*to = n * unit
		return nil
	}
}

// durationOf reads a time.
func durationOf(to *time.Duration) func(string) error {
	return func(s string) (err error) {
		if *to, err = time.ParseDuration(s); err != nil || *to <= 0 {
			return errors.New("expected a time such as 30s or 5m")
		}
		return nil
	}
}
