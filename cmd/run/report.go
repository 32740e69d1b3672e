package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/ops"
)

// reportJSON is what a maintainer needs to know of an adapter: which it is, and what is wrong
// on it.
type reportJSON struct {
	Version     string            `json:"version"`
	Environment map[string]string `json:"environment"` // that changes what is chosen
	Adapter     gpu.Info          `json:"adapter"`
	Adapters    []gpu.Info        `json:"adapters"` // all that there are
	OK          bool              `json:"ok"`
	Operations  []caseJSON        `json:"operations"` // those that are wrong
	Cases       int               `json:"cases"`      // of operations that were tried, in both precisions
	FirstWrong  *wrongJSON        `json:"first_wrong,omitempty"`
	Goldens     []goldenJSON      `json:"goldens"`
}

// caseJSON is a case of an operation that differs from its CPU twin. Its weights and inputs are
// made of seeds, so that the name is enough to run it elsewhere.
type caseJSON struct {
	Case      string   `json:"case"`
	Precision string   `json:"precision"`
	Kernel    string   `json:"kernel,omitempty"`
	NMSE      *float64 `json:"nmse,omitempty"`
	MaxAbs    *float64 `json:"max_abs,omitempty"`
	Allowed   float64  `json:"allowed,omitempty"`
	Error     string   `json:"error"`
}

// wrongJSON is the first of those with what it took and what it gave, where that is small.
type wrongJSON struct {
	caseJSON
	Inputs  map[string]any `json:"inputs,omitempty"`
	Outputs map[string]any `json:"outputs,omitempty"`
}

// reportEnvironment are the variables that change which adapter and kernels are chosen.
var reportEnvironment = []string{"WGPU_ADAPTER_NAME", "WGPU_BACKEND", "WGPU_POWER_PREFERENCE", "SACCADE_DEBUG", "VK_ICD_FILENAMES", "VK_DRIVER_FILES", "MESA_LOADER_DRIVER_OVERRIDE"}

// reportAdapter writes one file about the adapter: all operations in their test shapes, and all
// goldens.
func (a *app) reportAdapter(ctx context.Context) error {
	if err := cli.CheckWritable(a.report); err != nil {
		return err
	}
	if err := a.open(); err != nil {
		return err
	}
	doc := reportJSON{Version: cli.VersionText(), Environment: map[string]string{}, Adapter: a.dev.Info(), Operations: []caseJSON{}}
	for _, name := range reportEnvironment {
		if value, ok := os.LookupEnv(name); ok {
			doc.Environment[name] = value
		}
	}
	var err error
	if doc.Adapters, err = gpu.Adapters(a.choice.Backend); err != nil {
		return err
	}
	bar := a.progress()
	for _, p := range []gpu.DType{gpu.F16, gpu.F32} {
		for _, c := range ops.Cases() {
			if c.Bench {
				continue
			}
			if err := a.reportCase(ctx, &doc, c, p); err != nil {
				bar.clear()
				return err
			}
			doc.Cases++
		}
	}
	bar.clear()
	var failed []error
	if doc.Goldens, failed, err = a.checkGoldens(ctx, []gpu.DType{gpu.F16, gpu.F32}, func(goldenJSON) {}); err != nil {
		return err
	}
	doc.OK = len(doc.Operations)+len(failed) == 0
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", " ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("report %s: %w", a.report, err)
	}
	if err := cli.WriteWhole(a.report, text.Bytes()); err != nil {
		return fmt.Errorf("report %s: %w", a.report, reason(err))
	}
	a.stdout.printf("%s: %d cases of operations, %d wrong; %d comparisons with goldens, %d wrong; on %s\n", a.report, doc.Cases, len(doc.Operations), len(doc.Goldens), len(failed), a.dev.Info())
	if doc.OK {
		return nil
	}
	return fmt.Errorf("%w: see %s, and send it with an issue", cli.ErrMismatch, a.report)
}

// reportCase compares a case of an operation with its twin.
func (a *app) reportCase(ctx context.Context, doc *reportJSON, c ops.Case, precision gpu.DType) error {
	wrong := wrongJSON{caseJSON: caseJSON{Case: c.String(), Precision: precision.String()}}
	b := ops.NewBuilder(a.dev, precision)
	defer b.Close()
	r := a.dev.Record(precision)
	in, err := c.Build(b, r)
	var p *gpu.Program
	if err == nil {
		p, err = r.Finish()
	}
	if err == nil {
		defer p.Close()
		err = wrong.compare(ctx, p, in)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, gpu.ErrOutOfMemory) || strings.Contains(fmt.Sprint(err), "exceed the adapter's"):
		return nil // of which nothing is known here
	case err != nil:
		wrong.Error = cli.OneLine(err)
	}
	if wrong.Error == "" {
		return nil
	}
	doc.Operations = append(doc.Operations, wrong.caseJSON)
	if doc.FirstWrong == nil {
		doc.FirstWrong = &wrong
	}
	return nil
}

// compare notes what is wrong with the program of a case.
func (w *wrongJSON) compare(ctx context.Context, p *gpu.Program, in map[string]any) error {
	checks, err := p.Verify(ctx, in, true)
	if err != nil {
		return err
	}
	for _, c := range checks {
		if c.Err == nil {
			continue
		}
		w.Kernel, w.NMSE, w.MaxAbs, w.Allowed, w.Error = c.Kernel, cli.Number(c.NMSE), cli.Number(c.MaxAbs), c.Allowed, cli.OneLine(c.Err)
		w.Inputs = map[string]any{}
		for name, v := range in {
			w.Inputs[name] = small(v)
		}
		out, err := p.Run(ctx, in)
		if err != nil {
			return nil // what is wrong is known
		}
		w.Outputs = map[string]any{}
		for name, v := range out {
			w.Outputs[name] = small(v)
		}
		return nil
	}
	return nil
}

// small is a value that goes into a report, or how large it is. Numbers that JSON has not are
// texts.
func small(v any) any {
	const most = 4096
	switch v := v.(type) {
	case []float32:
		if len(v) > most {
			return fmt.Sprintf("%d floats", len(v))
		}
		all := make([]any, len(v))
		for i, x := range v {
			if all[i] = x; !gpu.Finite([]float32{x}) {
				all[i] = fmt.Sprint(x)
			}
		}
		return all
	case []uint32:
		if len(v) > most {
			return fmt.Sprintf("%d whole numbers", len(v))
		}
		return v
	}
	return fmt.Sprintf("a %T on %s", v, runtime.GOARCH)
}
