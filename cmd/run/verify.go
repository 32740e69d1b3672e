package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/verify"
)

// goldenJSON is the comparison of one golden. NMSE is that of its outputs,
// Used the fraction of the tolerance that its worst tensor needs.
type goldenJSON struct {
	Name      string   `json:"name"`
	Precision string   `json:"precision"`
	NMSE      *float64 `json:"nmse"` // null if it is no number
	Allowed   float64  `json:"allowed"`
	Used      *float64 `json:"used"`
	OK        bool     `json:"ok"`
	First     string   `json:"first,omitempty"` // the first tensor that diverges
	Error     string   `json:"error,omitempty"`
	Files     string   `json:"files,omitempty"` // folder of what was got and wanted
}

// verifyGoldens compares all embedded goldens with what this adapter computes.
func (a *app) verifyGoldens(ctx context.Context) error {
	if err := a.open(); err != nil {
		return err
	}
	precisions := []gpu.DType{gpu.F16, gpu.F32}
	if a.given["precision"] {
		precisions = []gpu.DType{a.precision}
	}
	results, failed, err := a.checkGoldens(ctx, precisions, func(g goldenJSON) {
		if !a.json {
			a.printGolden(g)
		}
	})
	if err != nil {
		return err
	}
	if a.json {
		doc := struct {
			Adapter adapterJSON  `json:"adapter"`
			OK      bool         `json:"ok"`
			Goldens []goldenJSON `json:"goldens"`
		}{a.adapterJSON(), len(failed) == 0, results}
		if err := a.stdout.document(doc); err != nil {
			return err
		}
	}
	return a.verified(failed, fmt.Sprintf("all %d comparisons with PyTorch's goldens hold", len(results)))
}

// checkGoldens compares all goldens, and tells each; failed are those that are wrong.
func (a *app) checkGoldens(ctx context.Context, precisions []gpu.DType, tell func(goldenJSON)) (results []goldenJSON, failed []error, err error) {
	checks, err := verify.Checks()
	if err != nil {
		return nil, nil, err
	}
	for _, c := range checks {
		for _, p := range precisions {
			g, err := a.verifyGolden(ctx, c, p)
			if err != nil && !errors.Is(err, cli.ErrMismatch) {
				return nil, nil, err
			}
			if err != nil {
				failed = append(failed, err)
			}
			results = append(results, g)
			tell(g)
		}
	}
	return results, failed, nil
}

// verified sums up: the first mismatch, where it happened, and how many there are.
func (a *app) verified(failed []error, fine string) error {
	if len(failed) > 0 {
		more := ""
		if n := len(failed) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more)", n)
		}
		return fmt.Errorf("%w, on %s%s", failed[0], a.dev.Info(), more)
	}
	if !a.json {
		fmt.Fprintf(a.stderr, "%s, on %s\n", fine, a.dev.Info())
	}
	return nil
}

// verifyGolden computes and compares one golden. A model that cannot be loaded
// or gives no numbers fails like one that gives wrong ones.
func (a *app) verifyGolden(ctx context.Context, c verify.Check, p gpu.DType) (goldenJSON, error) {
	g := goldenJSON{Name: c.Name, Precision: p.String()}
	report, err := c.Run(ctx, a.dev, p)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, gpu.ErrOutOfMemory) {
			return g, err
		}
		g.Error = cli.OneLine(err)
		return g, fmt.Errorf("%w: %s: %w", cli.ErrMismatch, g.Precision, err)
	}
	g.measure(report, c.Outputs)
	first, diverges := report.First()
	if !diverges {
		return g, nil
	}
	g.OK, g.First = false, first.Name
	saved := ""
	if g.Files, err = os.MkdirTemp("", "saccade-"+strings.ReplaceAll(c.Name, "/", "-")+"-"); err == nil {
		if err = report.Write(g.Files, a.dev.Info().String()); err == nil {
			saved = "; got and wanted are in " + g.Files
		}
	}
	if err != nil {
		return g, err
	}
	what := fmt.Sprintf("by NMSE %.2e, allowed %.0e, largest difference %.2e of the largest value, allowed %.0e", first.NMSE, first.Tol.NMSE, first.MaxAbs, first.Tol.MaxAbs)
	if first.Err != nil {
		what = cli.OneLine(first.Err)
	}
	return g, fmt.Errorf("%w: golden %s (%s): %s diverges first, %s%s", cli.ErrMismatch, c.Name, p, first.Name, what, saved)
}

// measure takes the worst errors out of a report.
func (g *goldenJSON) measure(report *golden.Report, outputs []string) {
	g.OK = true
	nmse, used := 0.0, 0.0
	for _, r := range report.Results {
		used = math.Max(used, r.Used())
		for _, o := range outputs {
			if r.Name == o {
				nmse, g.Allowed = math.Max(nmse, r.NMSE), r.Tol.NMSE
			}
		}
	}
	g.NMSE, g.Used = cli.Number(nmse), cli.Number(used)
}

func (a *app) printGolden(g goldenJSON) {
	switch {
	case g.Error != "":
		a.stdout.printf("%-31s %s  FAIL  %s\n", g.Name, g.Precision, g.Error)
	case g.NMSE == nil || g.Used == nil:
		a.stdout.printf("%-31s %s  FAIL  NMSE is no number; %s diverges first\n", g.Name, g.Precision, g.First)
	case !g.OK:
		a.stdout.printf("%-31s %s  FAIL  NMSE %8.2e  %s diverges first\n", g.Name, g.Precision, *g.NMSE, g.First)
	default:
		a.stdout.printf("%-31s %s  ok    NMSE %8.2e  %5.1f %% of the tolerance used\n", g.Name, g.Precision, *g.NMSE, 100**g.Used)
	}
	_ = a.stdout.flush() // its error shows at the end
}

// opJSON is the comparison of one operation with its CPU twin.
type opJSON struct {
	Op      string   `json:"op"`
	Label   string   `json:"label"`
	Kernel  string   `json:"kernel"`
	NMSE    *float64 `json:"nmse"`
	Allowed float64  `json:"allowed"`
	Rows    int      `json:"rows,omitempty"` // compared, where not all were
	Error   string   `json:"error,omitempty"`
}

// verifyModel recomputes every operation of a forward pass on the CPU.
func (a *app) verifyModel(ctx context.Context, m *models.Model) error {
	in, err := a.sample(ctx, m)
	if err != nil {
		return err
	}
	checks, err := m.Verify(ctx, in, false)
	if err != nil {
		return err
	}
	return a.showChecks(a.head(m), checks)
}

// showChecks prints the operations of a model and how they compare with the CPU.
func (a *app) showChecks(h head, checks []gpu.OpCheck) error {
	var failed []error
	for _, c := range checks {
		if c.Err != nil {
			failed = append(failed, fmt.Errorf("%w: %s (%s): %w", cli.ErrMismatch, h.Model, h.Precision, c.Err))
		}
	}
	if !a.json {
		a.printChecks(checks)
	} else if err := a.documentChecks(h, checks, len(failed) == 0); err != nil {
		return err
	}
	return a.verified(failed, fmt.Sprintf("%s (%s), %s: all %d operations agree with the CPU", h.Model, h.Weights, h.Precision, len(checks)))
}

func (a *app) documentChecks(h head, checks []gpu.OpCheck, ok bool) error {
	doc := struct {
		head
		OK  bool     `json:"ok"`
		Ops []opJSON `json:"ops"`
	}{head: h, OK: ok}
	for _, c := range checks {
		o := opJSON{Op: c.Op, Label: c.Label, Kernel: c.Kernel, NMSE: cli.Number(c.NMSE), Allowed: c.Allowed, Rows: c.Rows}
		if c.Err != nil {
			o.Error = cli.OneLine(c.Err)
		}
		doc.Ops = append(doc.Ops, o)
	}
	return a.stdout.document(doc)
}

// printChecks prints a line for each kind of operation, then the wrong ones.
func (a *app) printChecks(checks []gpu.OpCheck) {
	type sum struct {
		n, wrong       int
		sampled        int
		worst, allowed float64
	}
	sums := map[string]*sum{}
	var kinds []string
	for _, c := range checks {
		s := sums[c.Op]
		if s == nil {
			s = &sum{}
			sums[c.Op], kinds = s, append(kinds, c.Op)
		}
		s.n++
		s.worst, s.allowed = math.Max(s.worst, c.NMSE), math.Max(s.allowed, c.Allowed)
		if c.Err != nil {
			s.wrong++
		}
		if c.Rows > 0 {
			s.sampled++
		}
	}
	var rows [][]string
	for _, kind := range kinds {
		s := sums[kind]
		state := "ok"
		if s.sampled > 0 {
			state = fmt.Sprintf("ok (%d in a sample of rows)", s.sampled)
		}
		if s.wrong > 0 {
			state = fmt.Sprintf("FAIL (%d of %d)", s.wrong, s.n)
		}
		rows = append(rows, []string{kind, fmt.Sprint(s.n), fmt.Sprintf("%.2e", s.worst), fmt.Sprintf("%.0e", s.allowed), state})
	}
	a.stdout.table([]string{"op", ">count", ">worst NMSE", ">allowed", ""}, rows)
	for _, c := range checks {
		if c.Err != nil {
			a.stdout.printf("wrong: %s\n", cli.OneLine(c.Err))
		}
	}
}
