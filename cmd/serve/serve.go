package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
	"saccade/serve"
	"saccade/serve/queue"
	"saccade/weights"
	"saccade/zoo"
)

// command is the name that errors begin with.
const command = "serve"

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	var o options
	err := o.parse(args, getenv)
	switch {
	case err != nil:
	case o.help:
		printHelp(stdout)
	case o.version:
		fmt.Fprintln(stdout, cli.VersionText())
	default:
		err = o.serve(ctx, stderr, getenv)
	}
	return cli.Exit(ctx, stderr, command, err)
}

// answering is the family of embedded weights that answer questions, by their own name.
func answering(name string) (family string, ok bool) {
	for _, f := range models.Families() {
		if f.Answers != "" && f.Answers == name {
			return f.Name, true
		}
	}
	return "", false
}

// logger is the log that the flags ask for.
func (o *options) logger(w io.Writer) *slog.Logger {
	how := &slog.HandlerOptions{}
	if o.verbose {
		how.Level = slog.LevelDebug
	}
	if o.log == "json" {
		return slog.New(slog.NewJSONHandler(w, how))
	}
	return slog.New(slog.NewTextHandler(w, how))
}

// serve listens, loads the models, and answers until ctx ends.
func (o *options) serve(ctx context.Context, stderr io.Writer, getenv func(string) string) error {
	dev, err := o.choice.Open(getenv, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", o.listen, cli.Reason(err))
	}
	defer listener.Close()
	log := o.logger(stderr)
	log.Info("adapter", "adapter", dev.Info().String())
	server := serve.New(serve.Options{Models: o.models, Aliases: o.aliases, Device: dev, Key: o.key, Limits: o.limits, Memory: o.memory, Others: o.others, Version: cli.Version, Log: log,
		Load: func(ctx context.Context, e queue.Entry) (*models.Model, error) { return o.load(ctx, dev, e, log) }})
	defer server.Close()
	h := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	log.Info("listening", "url", "http://"+listener.Addr().String())
	if err := server.Open(ctx); err != nil {
		return errors.Join(err, h.Close())
	}
	log.Info("ready", "models", len(o.models))
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	return o.stop(h, server, log)
}

// stop ends the server: what is under way has its time.
func (o *options) stop(h *http.Server, server *serve.Server, log *slog.Logger) error {
	log.Info("stopping", "grace", o.grace)
	server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), o.grace)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		log.Warn("requests are cut off: the time for them is over")
		return h.Close()
	}
	return nil
}

// load loads a model.
func (o *options) load(ctx context.Context, dev *gpu.Device, e queue.Entry, log *slog.Logger) (*models.Model, error) {
	hub := weights.HubFromEnv()
	hub.Waiting = func(file string) { log.Info("waiting for another process that fetches it", "file", file) }
	with := models.Options{Precision: o.precision, Hub: hub, Embedded: zoo.All()}
	if family, ok := answering(e.Family); ok {
		with.Answers = true
		return models.Load(ctx, dev, family, e.Weights, with)
	}
	return models.Load(ctx, dev, e.Family, e.Weights, with)
}

const usage = `Serve answers over HTTP what run computes, in the forms that existing clients speak:
OpenAI, Ollama, immich's machine learning, the Stable Diffusion web UI and the Open
Inference Protocol; its own page is at /.

  serve -models clip,sd,blip,vit,sam                        embedded weights, on 127.0.0.1:8080
  serve -models clip=openai/clip-vit-base-patch32 -alias ViT-B-32__openai=clip
  SACCADE_API_KEY=… serve -models sd=./sdxl -listen 0.0.0.0:8080 -memory 8G

`

const usageEnd = `
Environment and exit codes are run's: run -h all.
`

// printHelp prints the flags.
func printHelp(w io.Writer) {
	fmt.Fprint(w, usage)
	o := options{}
	o.flagSet().VisitAll(func(f *flag.Flag) {
		if f.Name == "help" {
			return
		}
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  %s\n        %s\n", strings.TrimSpace("-"+f.Name+" "+value), strings.TrimPrefix(text, value+": "))
	})
	fmt.Fprint(w, usageEnd)
}
