package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/tuning"
)

// Tuning says what is done with the ways that operations can be computed in.
type Tuning struct {
	Tune   bool          // by -tune
	Budget time.Duration // by -tune-budget
	Why    bool          // by -why
	File   string        // by -tuning; "" if that was not given

	table *tuning.Table // set by open; nil: none
	tuner *gpu.Tuner    // set by open for -tune
	found []gpu.Tuned
	saved error // the first failure to save what was found
}

// defaultBudget is the time that -tune takes at most, for a model or two.
const defaultBudget = 2 * time.Minute

// NoTuning in place of a file's name leaves the table out.
const NoTuning = "off"

// flags defines -tune, -tune-budget, -tuning and -why.
func (t *Tuning) flags(f *flag.FlagSet) {
	f.BoolVar(&t.Tune, "tune", false, "first try all ways to compute each operation on this adapter, and keep the fastest that are right for later calls")
	t.Budget = defaultBudget
	f.Func("tune-budget", "`DURATION`: of -tune (default 2m): such as 30s; what is left is done by the next -tune", func(s string) (err error) {
		if t.Budget, err = time.ParseDuration(s); err != nil || t.Budget <= 0 {
			return errors.New("expected a time such as 30s or 5m")
		}
		return nil
	})
	f.StringVar(&t.File, "tuning", "", "`FILE|off`: where -tune keeps what it found (or SACCADE_TUNING; default tuning.json in the user's cache folder)")
	f.BoolVar(&t.Why, "why", false, "print, on stderr at the end, which way each operation took and what the others took when they were tuned")
}

// open reads the table and sets what the device needs of it.
func (t *Tuning) open(o *gpu.Options, getenv func(string) string, log io.Writer) error {
	path := t.File
	if path == "" {
		path = getenv("SACCADE_TUNING")
	}
	t.table, t.tuner, t.found = nil, nil, nil
	if path == NoTuning {
		if t.Tune {
			return Usagef("-tune has nowhere to keep what it finds: -tuning is off; give a file")
		}
		return nil
	}
	if path == "" {
		var err error
		if path, err = tuning.DefaultPath(); err != nil {
			if t.Tune {
				return fmt.Errorf("%w; give one with -tuning", err)
			}
			return nil // without a home there is nothing to read
		}
	}
	var err error
	if t.table, err = tuning.Open(path, shaders.Hash()); err != nil {
		fmt.Fprintln(log, OneLine(err))
	}
	o.Choices = t.table
	if t.Tune {
		t.tuner = &gpu.Tuner{Budget: t.Budget, Known: t.table.Known, Report: func(adapter gpu.Info, found gpu.Tuned) { t.take(adapter, found, log) }}
		o.Tuner = t.tuner
	}
	return nil
}

// take keeps what was found of one operation, so that an interrupt loses nothing.
func (t *Tuning) take(adapter gpu.Info, found gpu.Tuned, log io.Writer) {
	t.found = append(t.found, found)
	t.table.Add(adapter, found)
	if err := t.table.Save(); err != nil && t.saved == nil {
		t.saved = err
	}
	if IsTerminal(log) {
		fmt.Fprintf(log, "\r\x1b[Ktuned %d: %s", len(t.found), summary(found))
	}
}

// summary is what won, in a line.
func summary(r gpu.Tuned) string {
	if r.Best < 0 {
		return r.Key + ": no way of computing it is right on this adapter"
	}
	standard, best := r.Trials[0], r.Trials[r.Best]
	switch {
	case r.Best == 0:
		return fmt.Sprintf("%s: %s stays", r.Key, best.Way)
	case standard.Err != nil:
		return fmt.Sprintf("%s: %s, since %s is wrong on this adapter", r.Key, best.Way, standard.Way)
	}
	return fmt.Sprintf("%s: %s takes %.0f %% of the time of %s", r.Key, best.Way, 100*best.Ratio, standard.Way)
}

// Finish tells on log what -tune found and what -why asks for, of the device that
// Open opened.
func (t *Tuning) Finish(d *gpu.Device, log io.Writer) error {
	if t.tuner != nil {
		if IsTerminal(log) {
			fmt.Fprint(log, "\r\x1b[K")
		}
		changed := 0
		for _, r := range t.found {
			if r.Best != 0 {
				changed++
				fmt.Fprintln(log, summary(r))
			}
		}
		left := ""
		if n := t.tuner.Left(); n > 0 {
			left = fmt.Sprintf("; %d are left, for the next -tune or a longer -tune-budget", n)
		}
		fmt.Fprintf(log, "tuned %d operations, of which %d take another way than by default%s\n", len(t.found), changed, left)
	}
	if t.Why && d != nil {
		t.explain(d, log)
	}
	return t.saved
}

// Tuned is how many of the operations that a device has had take their way from the table.
func (t *Tuning) Tuned(d *gpu.Device) int {
	n := 0
	for _, c := range d.Chosen() {
		if t.table != nil && t.table.Known(d.Info(), c.Key) {
			n++
		}
	}
	return n
}

// explain prints a paragraph of each operation that has several ways.
func (t *Tuning) explain(d *gpu.Device, log io.Writer) {
	for _, c := range d.Chosen() {
		var e tuning.Entry
		known := false
		if t.table != nil {
			e, known = t.table.Entry(d.Info(), c.Key)
		}
		if !known {
			fmt.Fprintf(log, "%s (%d×): %s, by default: it was not tuned\n", c.Key, c.Count, c.Way)
			continue
		}
		fmt.Fprintf(log, "%s (%d×): %s, tuned:\n", c.Key, c.Count, e.Way)
		w := tabwriter.NewWriter(log, 0, 0, 2, ' ', 0)
		for i, x := range e.Trials {
			fmt.Fprintf(w, "  %s\t%s\n", x.Way, verdict(x, i == 0, x.Way == e.Way))
		}
		_ = w.Flush() // its writer's error shows elsewhere
	}
}

// verdict says what became of a trial: its time, what of the default's it is, and why it lost.
func verdict(x tuning.Trial, standard, won bool) string {
	notes := ""
	if standard {
		notes += " the default"
	}
	if won {
		notes += " the fastest that is right"
	}
	if x.Error != "" {
		return fmt.Sprintf("-\t-\t%s out: %s", notes, x.Error)
	}
	if x.Stopped {
		notes += " hopeless, stopped early"
	}
	ratio := "-"
	if x.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", x.Ratio)
	}
	return fmt.Sprintf("%.1f µs\t%s\t%s", x.US, ratio, notes)
}
