package sensors

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"saccade/weights"
)

// Table is the readings: of each row its name, and values that may be missing, which are
// NaN.
type Table struct {
	Columns []string // of values; a column of series has one for each of its features
	Names   []string // of rows
	Values  [][]float64
	Missing int // cells
}

// missing are cells without a value, in small letters.
var missing = []string{"", "na", "n/a", "nan", "null", "none", "-"}

// mostRows and mostColumns bound a file, mostSeries a series.
const (
	mostRows    = 1 << 20
	mostColumns = 1 << 12
	mostSeries  = 1 << 20
)

// Read reads a CSV file: a heading, then rows of a name and readings, with commas or, where
// the heading has none, semicolons between. A reading is a number, or a series of numbers
// with spaces between; a column is of one of them. A byte-order mark, quotes and cells
// without a value (empty, NA, NaN, null) are fine; text is refused with its place.
func Read(r io.Reader) (*Table, error) {
	in := bufio.NewReader(r)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(3)
	}
	c := csv.NewReader(in)
	if line, _ := in.Peek(4096); !strings.Contains(firstLine(line), ",") && strings.Contains(firstLine(line), ";") {
		c.Comma = ';'
	}
	c.TrimLeadingSpace, c.ReuseRecord = true, true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty; expected a heading and rows of a name and readings")
	}
	if err != nil {
		return nil, err
	}
	head = slices.Clone(head)
	if len(head) < 2 || len(head) > mostColumns {
		return nil, fmt.Errorf("its heading has %d columns; expected a name and readings, at most %d", len(head), mostColumns)
	}
	rows, err := readRows(c)
	if err != nil {
		return nil, err
	}
	return tableOf(head, rows)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// readRows takes all rows but the heading; the reader wants as many cells of each.
func readRows(c *csv.Reader) ([][]string, error) {
	var rows [][]string
	for {
		row, err := c.Read()
		switch {
		case errors.Is(err, io.EOF):
			if len(rows) == 0 {
				return nil, errors.New("it has a heading and no rows")
			}
			return rows, nil
		case err != nil:
			return nil, err
		case len(rows) == mostRows:
			return nil, fmt.Errorf("it has more than %d rows", mostRows)
		}
		rows = append(rows, slices.Clone(row))
	}
}

// tableOf makes features of cells, column by column.
func tableOf(head []string, rows [][]string) (*Table, error) {
	t := &Table{Values: make([][]float64, len(rows))}
	seen := map[string]int{}
	for i, row := range rows {
		name := strings.TrimSpace(row[0])
		if at, twice := seen[name]; twice || name == "" {
			return nil, fmt.Errorf("row %d is of %q, as row %d is; expected a name of each", i+2, weights.Printable(name), at+2)
		}
		seen[name] = i
		t.Names = append(t.Names, name)
	}
	for k := 1; k < len(head); k++ {
		if err := t.add(strings.TrimSpace(head[k]), rows, k); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// add adds column k, of numbers or of series.
func (t *Table) add(name string, rows [][]string, k int) error {
	cells, isSeries := make([][]float64, len(rows)), false
	for i, row := range rows {
		values, err := parse(row[k])
		if err != nil {
			return fmt.Errorf("row %d, column %s: %w", i+2, weights.Printable(name), err)
		}
		cells[i], isSeries = values, isSeries || len(values) > 1
	}
	if isSeries {
		for _, feature := range seriesFeatures {
			t.Columns = append(t.Columns, name+" "+feature)
		}
	} else {
		t.Columns = append(t.Columns, name)
	}
	for i, values := range cells {
		switch {
		case len(values) == 0:
			t.Missing++
			n := 1
			if isSeries {
				n = len(seriesFeatures)
			}
			t.Values[i] = append(t.Values[i], slices.Repeat([]float64{math.NaN()}, n)...)
		case isSeries && len(values) < leastSeries:
			return fmt.Errorf("row %d, column %s: a series of %d values among others; expected %d or more", i+2, weights.Printable(name), len(values), leastSeries)
		case isSeries:
			t.Values[i] = append(t.Values[i], describe(values)...)
		default:
			t.Values[i] = append(t.Values[i], values[0])
		}
	}
	return nil
}

// parse reads a cell: nothing where it has no value.
func parse(cell string) ([]float64, error) {
	words := strings.Fields(cell)
	if len(words) <= 1 && slices.Contains(missing, strings.ToLower(strings.TrimSpace(cell))) {
		return nil, nil
	}
	if len(words) > mostSeries {
		return nil, fmt.Errorf("a series of %d values; expected at most %d", len(words), mostSeries)
	}
	values := make([]float64, len(words))
	for i, w := range words {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%q is no number", weights.Printable(w))
		}
		values[i] = v
	}
	return values, nil
}
