package tuning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"saccade/gpu"
	"saccade/weights"
)

// format names the file's layout.
const format = "saccade tuning 1"

// file is the JSON document.
type file struct {
	Format  string  `json:"format"`
	Entries []Entry `json:"entries"`
}

// Entry is what was found for one operation on one adapter.
type Entry struct {
	Adapter string  `json:"adapter"` // with driver, backend and binding
	Kernels string  `json:"kernels"` // the hash of the kernels that were tried
	Key     string  `json:"key"`     // operation, shape and precision
	Way     string  `json:"way"`     // the fastest of those that are right
	Trials  []Trial `json:"trials"`  // the standard way first
}

// Trial is one way that was tried.
type Trial struct {
	Way     string  `json:"way"`
	US      float64 `json:"us"`      // microseconds of a run, the median; 0: not timed
	Ratio   float64 `json:"ratio"`   // of the standard way's time, the median of the rounds; 0: none
	NMSE    float64 `json:"nmse"`    // against the CPU
	Stopped bool    `json:"stopped"` // too slow to be timed to the end
	Error   string  `json:"error"`   // why it could not win; "" if it is right
}

// id tells entries apart.
func (e Entry) id() string { return e.Adapter + "\n" + e.Kernels + "\n" + e.Key }

// Table is the file's content, as of its opening, with what was added since. It
// may be used from several goroutines.
type Table struct {
	path, kernels string

	mu      sync.Mutex
	entries map[string]Entry
	added   map[string]Entry
}

// DefaultPath is the file in the user's cache folder.
func DefaultPath() (string, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder for tuning.json: %w", err)
	}
	return filepath.Join(folder, "saccade", "tuning.json"), nil
}

// Open reads a table for a set of kernels. The table can be used even with an
// error, which says why the file was taken for an empty one; a file that is not
// there is none.
func Open(path, kernels string) (*Table, error) {
	t := &Table{path: path, kernels: kernels, entries: map[string]Entry{}, added: map[string]Entry{}}
	entries, err := read(path)
	for _, e := range entries {
		t.entries[e.id()] = e
	}
	if err != nil {
		err = fmt.Errorf("the tuning in %s is ignored: %w; -tune makes it anew", path, err)
	}
	return t, err
}

func read(path string) ([]Entry, error) {
	raw, err := weights.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("it is no JSON as this program writes it (%w)", err)
	}
	if f.Format != format {
		return nil, fmt.Errorf("its format is %q, expected %q", f.Format, format)
	}
	return f.Entries, nil
}

// maxFile is far above the size of any real table, in bytes.
const maxFile = 16 << 20

// adapter identifies an adapter with its driver.
func adapter(i gpu.Info) string {
	return strings.Join([]string{i.Name, i.Driver, i.Backend, i.Binding}, " | ")
}

// Entry is what is known of an operation.
func (t *Table) Entry(i gpu.Info, key string) (e Entry, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok = t.entries[Entry{Adapter: adapter(i), Kernels: t.kernels, Key: key}.id()]
	return e, ok
}

// Way is [gpu.Choices].
func (t *Table) Way(i gpu.Info, key string) string {
	e, _ := t.Entry(i, key)
	return e.Way
}

// Known says whether an operation was tuned.
func (t *Table) Known(i gpu.Info, key string) bool {
	_, ok := t.Entry(i, key)
	return ok
}

// Add takes what a tuner found. An operation of which no way was right is left
// to the standard one.
func (t *Table) Add(i gpu.Info, r gpu.Tuned) {
	if r.Best < 0 {
		return
	}
	e := Entry{Adapter: adapter(i), Kernels: t.kernels, Key: r.Key, Way: r.Trials[r.Best].Way}
	for _, x := range r.Trials {
		trial := Trial{Way: x.Way, US: float64(x.Took.Nanoseconds()) / 1e3, Ratio: x.Ratio, Stopped: x.Stopped}
		if x.NMSE-x.NMSE == 0 { // JSON has no NaN
			trial.NMSE = x.NMSE
		}
		if x.Err != nil {
			trial.Error = strings.Join(strings.Fields(x.Err.Error()), " ")
		}
		e.Trials = append(e.Trials, trial)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries[e.id()], t.added[e.id()] = e, e
}

// Save adds what is new to the file, beside what other processes have put there
// meanwhile. Of this adapter, entries for other kernels are dropped.
func (t *Table) Save() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.added) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return fmt.Errorf("saving the tuning: %w", err)
	}
	lock := flock.New(t.path + ".lock")
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("saving the tuning to %s: waiting for other processes: %w", t.path, err)
	}
	defer func() { _ = lock.Unlock() }() // the process's end does it, too
	if err := t.write(); err != nil {
		return fmt.Errorf("saving the tuning to %s: %w", t.path, err)
	}
	t.added = map[string]Entry{}
	return nil
}

// maxWait is how long other processes, which hold the lock for milliseconds, are
// waited for.
const maxWait = 10 * time.Second

// write merges and replaces the file, which readers see whole at any time.
func (t *Table) write() error {
	all := maps.Clone(t.added)
	others, _ := read(t.path) // a damaged one is replaced
	for _, e := range others {
		if _, ok := all[e.id()]; !ok && !t.outdated(e) {
			all[e.id()] = e
		}
	}
	f := file{Format: format}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		f.Entries = append(f.Entries, all[id])
	}
	raw, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(t.path), "tuning-*.tmp")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone where the rename took it
	_, err = temp.Write(append(raw, '\n'))
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), t.path)
}

// outdated says that an entry is of an adapter that was tuned with other kernels since.
func (t *Table) outdated(e Entry) bool {
	if e.Kernels == t.kernels {
		return false
	}
	for _, a := range t.added {
		if a.Adapter == e.Adapter {
			return true
		}
	}
	return false
}
