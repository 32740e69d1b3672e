package nearest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/ops"
)

// Most is the most rows that are found for a vector.
const Most = ops.MostNearest

// DefaultMemory is what a part of a table takes on the device unless options say otherwise.
const DefaultMemory = 128 << 20 // bytes

// Table is rows of halves.
type Table interface {
	Len() int
	Width() int
	// Read reads rows lo to hi, little-endian, each padded with zeros to a multiple of eight
	// values.
	Read(dst []byte, lo, hi int) error
}

// Row is a row that was found.
type Row struct {
	Index   int
	Product float32 // the cosine of rows of unit length
}

// Options bound a search.
type Options struct {
	Memory int64 // bytes of the table on the device at a time; 0: DefaultMemory
}

// Search gives for each query the k rows that have the largest product with it, the largest
// first, of equal ones the first; all rows if there are fewer. Products are sums in f32 of the
// query's floats and the table's halves.
func Search(ctx context.Context, dev *gpu.Device, t Table, queries [][]float32, k int, o Options) ([][]Row, error) {
	found := make([][]Row, len(queries))
	k = min(k, t.Len())
	if k == 0 || len(queries) == 0 {
		return found, nil
	}
	if k < 0 || k > Most {
		return nil, fmt.Errorf("the %d nearest rows; expected 1 to %d", k, Most)
	}
	for i, q := range queries {
		if len(q) != t.Width() {
			return nil, fmt.Errorf("query %d has %d values and the table's rows %d", i, len(q), t.Width())
		}
	}
	s, err := newSearch(dev, t, len(queries), k, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return found, s.run(ctx, queries, found)
}

// search is a program for one part of a table after the other.
type search struct {
	t       Table
	k, part int // rows
	bank    *gpu.Tensor
	program *gpu.Program
}

func newSearch(dev *gpu.Device, t Table, queries, k int, o Options) (*search, error) {
	memory := o.Memory
	if memory <= 0 {
		memory = DefaultMemory
	}
	row := int64(2 * gpu.Pad8(t.Width()))
	memory = min(memory, dev.Info().Limits.MaxBuffer/2)
	s := &search{t: t, k: k, part: min(t.Len(), max(k, int(memory/row)), 1<<24)}
	var err error
	if s.bank, err = dev.State("table", gpu.F16, 1, s.part, t.Width()); err != nil {
		return nil, err
	}
	r := dev.Record(gpu.F32)
	x := ops.Pack(r, r.Input("queries", gpu.F32, queries, t.Width()), 1)
	r.Output("nearest", ops.Nearest(r, x, s.bank, k, ops.Product))
	if s.program, err = r.Finish(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *search) close() {
	if s.program != nil {
		s.program.Close()
	}
	s.bank.Release()
}

// part is some rows of the table.
type part struct {
	first int
	rows  []byte
	err   error
}

// run looks through all parts. The last is as long as the others: what it has of the one
// before is found twice and counted once.
func (s *search) run(ctx context.Context, queries [][]float32, found [][]Row) error {
	ctx, cancel := context.WithCancel(ctx)
	parts := s.read(ctx)
	defer func() {
		cancel()
		for range parts { // until reading has ended
		}
	}()
	flat := slices.Concat(queries...)
	for p := range parts {
		if p.err != nil {
			return p.err
		}
		if err := s.bank.WriteRows(p.rows); err != nil {
			return err
		}
		out, err := s.program.Run(ctx, map[string]any{"queries": flat})
		if err != nil {
			return err
		}
		for i := range found {
			found[i] = s.merge(found[i], out["nearest"][2*s.k*i:][:2*s.k], p.first)
		}
	}
	return ctx.Err()
}

// read reads the parts, one ahead of what is computed.
func (s *search) read(ctx context.Context) <-chan part {
	parts := make(chan part)
	go func() {
		defer close(parts)
		buffers, row := [2][]byte{}, 2*gpu.Pad8(s.t.Width())
		for i, first := 0, 0; first < s.t.Len(); i, first = i+1, first+s.part {
			if buffers[i%2] == nil {
				buffers[i%2] = make([]byte, s.part*row)
			}
			p := part{first: min(first, s.t.Len()-s.part), rows: buffers[i%2]}
			p.err = s.t.Read(p.rows, p.first, p.first+s.part)
			select {
			case parts <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
		}
	}()
	return parts
}

// merge adds what was found in a part, pairs of a product and a row's number.
func (s *search) merge(best []Row, pairs []float32, first int) []Row {
	for i := 0; i < len(pairs); i += 2 {
		r := Row{first + int(pairs[i+1]), pairs[i]}
		if !slices.ContainsFunc(best, func(b Row) bool { return b.Index == r.Index }) {
			best = append(best, r)
		}
	}
	slices.SortFunc(best, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Product, a.Product), cmp.Compare(a.Index, b.Index))
	})
	return best[:min(s.k, len(best))]
}
