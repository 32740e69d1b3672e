package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"saccade/cmd/internal/cli"
)

// Markers in a Markdown file between which the table of results stands.
const (
	leaderboardBegin = "<!-- leaderboard: written by make leaderboard -->"
	leaderboardEnd   = "<!-- end of leaderboard -->"
)

// keep writes the report into a folder, under a name of the adapter's, whole or
// not at all, and gives its path.
func (r *Report) keep(folder string) (path string, err error) {
	path = filepath.Join(folder, r.fileName())
	var out bytes.Buffer
	if err = writeJSON(&out, r); err == nil {
		err = cli.WriteWhole(path, out.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("keeping the report: %w", err)
	}
	return path, nil
}

// fileName is made of the adapter's name and backend: "nvidia-geforce-rtx-4090-vulkan.json".
func (r *Report) fileName() string {
	words := strings.FieldsFunc(strings.ToLower(r.Adapter.Name+" "+r.Adapter.Backend), func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	return strings.Join(words, "-") + ".json"
}

// writeLeaderboard writes the table of the reports between the markers of a file.
func (b *bench) writeLeaderboard() error {
	reports, err := readReports(b.files)
	if err != nil {
		return err
	}
	for i, r := range reports {
		for _, row := range r.Rows {
			if !row.Verified {
				return fmt.Errorf("leaderboard: %s: %s is not verified; only right results count", b.files[i], row.Name)
			}
		}
		if err := r.plausible(); err != nil {
			return fmt.Errorf("leaderboard: %s: %w", b.files[i], err)
		}
	}
	text, err := os.ReadFile(b.leaderboard)
	if err != nil {
		return fmt.Errorf("leaderboard: %w", err)
	}
	text, err = replaceLeaderboard(text, leaderboard(reports))
	if err == nil {
		err = cli.WriteWhole(b.leaderboard, text)
	}
	if err != nil {
		return fmt.Errorf("leaderboard: writing %s: %w", b.leaderboard, err)
	}
	return nil
}

// replaceLeaderboard puts a table between the markers.
func replaceLeaderboard(text []byte, g *grid) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(leaderboardBegin))
	_, after, closed := bytes.Cut(rest, []byte(leaderboardEnd))
	if !ok || !closed {
		return nil, fmt.Errorf("found no line %q with %q after it, expected the place of the table between them", leaderboardBegin, leaderboardEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(leaderboardBegin + "\n")
	if err := g.write(&out, "md"); err != nil {
		return nil, err
	}
	out.WriteString("\n" + leaderboardEnd)
	out.Write(after)
	return out.Bytes(), nil
}

// leaderboard has a line for each adapter, the fastest first, software last, and a
// column for each subject that the first report has: the fastest warm time and the
// fraction of the adapter's peak.
func leaderboard(reports []*Report) *grid {
	reports = slices.Clone(reports)
	slices.SortStableFunc(reports, func(a, b *Report) int {
		if a.Software != b.Software {
			if a.Software {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Peak.GFLOPS, a.Peak.GFLOPS)
	})
	g := &grid{header: []string{"adapter", "GFLOP/s", "GB/s"}, left: map[int]bool{0: true}}
	all := matches(reports)
	for _, m := range all {
		name := m.Name
		if m.Kind != kindModel {
			name += " " + m.Kind
		}
		if m.Batch > 1 {
			name += fmt.Sprint(" ×", m.Batch)
		}
		g.header = append(g.header, name+" "+m.Precision+", ms")
	}
	for i, r := range reports {
		cells := []string{r.Adapter.String(), fmt.Sprintf("%.4g", r.Peak.GFLOPS), fmt.Sprintf("%.4g", r.Peak.GBPS)}
		for _, m := range all {
			cell := "–"
			if row := m.Rows[i]; row != nil {
				cell = fmt.Sprintf("%s (%.0f %%)", milliseconds(&row.MSMin), 100*row.PeakFraction)
			}
			cells = append(cells, cell)
		}
		g.rows = append(g.rows, cells)
	}
	return g
}
