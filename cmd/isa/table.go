package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// key names a row: a kernel on a chip.
type key struct{ kernel, variant, precision, chip string }

func (k key) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{k.kernel, k.variant, k.precision, "on", k.chip}, " ")), " ")
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.kernel, b.kernel), cmp.Compare(a.variant, b.variant), cmp.Compare(a.precision, b.precision), cmp.Compare(a.chip, b.chip))
}

// row is a line of the table.
type row struct {
	key
	figures
	uses    int
	example string
}

// table is the rows sorted by key, and what compiled them.
type table struct {
	compiler string
	rows     []row
	left     []string // kernels that were not translated, for want of an extension of WGSL
}

// columns are those of a row, after which uses and the example follow.
var columns = []string{"kernel", "variant", "precision", "chip", "vgprs", "sgprs", "spills", "scratch", "lds", "occupancy", "latency", "throughput", "cycles/fma"}

// arithmetic are the kernels that are made of multiply-adds, for which those score.
var arithmetic = []string{"matmul", "matmul_few", "matmul_shared", "conv2d", "conv2d_shared", "conv2d_depthwise", "attention", "attention_flash"}

func (r row) cells() []string {
	score := "-"
	if s := r.perFMA(); s > 0 && slices.Contains(arithmetic, r.kernel) {
		score = strconv.FormatFloat(s, 'f', 2, 64)
	}
	cells := []string{r.kernel, cmp.Or(r.variant, "-"), r.precision, r.chip}
	for _, n := range []int{r.VGPRs, r.SGPRs, r.Spills, r.Scratch, r.LDS, r.Occupancy, r.Latency, r.Throughput} {
		cells = append(cells, strconv.Itoa(n))
	}
	return append(cells, score)
}

// print writes the table for a reader.
func (t table) print(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, strings.Join(columns, "\t")+"\tuses\texample")
	for _, r := range t.rows {
		fmt.Fprintf(tab, "%s\t%d\t%s\n", strings.Join(r.cells(), "\t"), r.uses, r.example)
	}
	return tab.Flush()
}

// save writes the accepted table, without uses and examples, which change with
// every case that is added.
func (t table) save(path string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n%s\n", t.compiler, strings.Join(columns, "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(&b, strings.Join(r.cells(), "\t"))
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// accepted is what of the accepted table is compared.
type accepted struct {
	compiler  string
	occupancy map[key]int
}

// readAccepted reads what save wrote.
func readAccepted(r io.Reader) (accepted, error) {
	a := accepted{occupancy: map[key]int{}}
	s := bufio.NewScanner(r)
	for line := 1; s.Scan(); line++ {
		f := strings.Split(s.Text(), "\t")
		switch {
		case strings.HasPrefix(s.Text(), "# "):
			a.compiler = s.Text()[2:]
		case len(f) != len(columns):
			return a, fmt.Errorf("line %d has %d columns, expected %d", line, len(f), len(columns))
		case f[0] == columns[0]:
			// the heading
		default:
			n, err := strconv.Atoi(f[9])
			if err != nil {
				return a, fmt.Errorf("line %d: occupancy %q is no number", line, f[9])
			}
			if f[1] == "-" {
				f[1] = ""
			}
			a.occupancy[key{f[0], f[1], f[2], f[3]}] = n
		}
	}
	return a, s.Err()
}

// problems are what is wrong with the table: spills, and occupancy below the
// accepted. A kernel that is new can only spill.
func (t table) problems(a accepted) []string {
	var found []string
	for _, r := range t.rows {
		if r.Spills > 0 {
			found = append(found, fmt.Sprintf("%s spills %d registers", r.key, r.Spills))
		}
		if was, ok := a.occupancy[r.key]; ok && r.Occupancy < was {
			found = append(found, fmt.Sprintf("%s: occupancy fell from %d to %d (VGPRs %d, workgroup memory %d bytes)", r.key, was, r.Occupancy, r.VGPRs, r.LDS))
		}
	}
	return found
}

// summary is a line for each chip: how far occupancy goes.
func (t table) summary() string {
	var b strings.Builder
	for _, c := range chips {
		count, spilling := 0, 0
		var least row
		for _, r := range t.rows {
			if r.chip != c.name {
				continue
			}
			if count++; r.Spills > 0 {
				spilling++
			}
			if least.Occupancy == 0 || r.Occupancy < least.Occupancy {
				least = r
			}
		}
		fmt.Fprintf(&b, "%s: %d kernels, %d spill, least occupancy %d (%s)\n", c.name, count, spilling, least.Occupancy, least.key)
	}
	return b.String()
}
