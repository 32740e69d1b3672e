package anomaly

import (
	"context"
	"fmt"
	"math"
	"sort"

	"saccade/gpu"
	"saccade/ops"
)

// neighbours is how many rows of the bank PatchCore weighs a score by.
const neighbours = 9

// Detector is a bank on a device.
type Detector struct {
	*Bank
	dev      *gpu.Device
	builder  *ops.Builder // of the memory, or nil
	table    *ops.Table
	programs map[int]*gpu.Program // by the number of patches
}

// Detector brings the bank to a device.
func (b *Bank) Detector(dev *gpu.Device) (*Detector, error) {
	d := &Detector{Bank: b, dev: dev, programs: map[int]*gpu.Program{}}
	if b.Method == PaDiM {
		return d, nil
	}
	d.builder = ops.NewBuilder(dev, gpu.F32)
	d.table = d.builder.Table("bank", len(b.memory)/b.width, b.width)
	if err := d.table.Upload(b.memory); err != nil {
		return nil, fmt.Errorf("anomaly: %w", err)
	}
	return d, nil
}

// Close frees the memory.
func (d *Detector) Close() {
	for _, p := range d.programs {
		p.Close()
	}
	if d.builder != nil {
		d.builder.Close()
	}
}

// Found is what a picture has.
type Found struct {
	Score float64
	// Patches are the scores of the patches, Heat those of the network's pixels [H, W].
	Patches, Heat []float32
}

// Score scores a picture's patches. PatchCore's score is the largest of a patch, weighed by
// how crowded the bank is there; AnomalyDINO's the mean of the largest hundredth; PaDiM's
// the largest of the heat map.
func (d *Detector) Score(ctx context.Context, p Patches) (f Found, err error) {
	if d.Method == PaDiM {
		if f.Patches, err = d.mahalanobis(p); err != nil {
			return f, err
		}
		f.Heat = heat(f.Patches, p.Rows, p.Columns, p.H, p.W)
		for _, v := range f.Heat {
			f.Score = max(f.Score, float64(v))
		}
		return f, nil
	}
	nearest, err := d.nearest(ctx, p)
	if err != nil {
		return f, err
	}
	f.Patches = make([]float32, p.Count())
	for i := range f.Patches {
		if v := float64(nearest[2*i]); d.Method == DINO {
			f.Patches[i] = float32(v / 2)
		} else {
			f.Patches[i] = float32(math.Sqrt(v))
		}
	}
	if d.Method == DINO {
		f.Score = topMean(f.Patches)
	} else {
		f.Score = d.weighed(p, f.Patches, nearest)
	}
	f.Heat = heat(f.Patches, p.Rows, p.Columns, p.H, p.W)
	return f, nil
}

// mahalanobis are the distances of patches from what is normal at their places.
func (d *Detector) mahalanobis(p Patches) ([]float32, error) {
	if p.Rows != d.Rows || p.Columns != d.Columns || p.Width <= d.Channels[len(d.Channels)-1] {
		return nil, fmt.Errorf("anomaly: found %d×%d patches of %d values, the bank has %d×%d; give the -size that it was made with", p.Rows, p.Columns, p.Width, d.Rows, d.Columns)
	}
	p = p.pick(d.Channels)
	out := make([]float32, p.Count())
	for i := range out {
		out[i] = float32(d.distance(i, p.row(i)))
	}
	return out, nil
}

// nearest are the squared distance and the number of the row of the bank that is nearest to
// each patch.
func (d *Detector) nearest(ctx context.Context, p Patches) ([]float32, error) {
	if p.Width != d.width {
		return nil, fmt.Errorf("anomaly: found patches of %d values, the bank's have %d", p.Width, d.width)
	}
	program, err := d.program(p.Count())
	if err != nil {
		return nil, err
	}
	out, err := program.Run(ctx, map[string]any{"patches": p.Data})
	if err != nil {
		return nil, err
	}
	if !gpu.Finite(out["nearest"]) {
		return nil, fmt.Errorf("anomaly: the features hold NaN or Inf")
	}
	return out["nearest"], nil
}

// program is the one for so many patches.
func (d *Detector) program(patches int) (*gpu.Program, error) {
	if p, ok := d.programs[patches]; ok {
		return p, nil
	}
	r := d.dev.Record(gpu.F32)
	x := ops.Pack(r, r.Input("patches", gpu.F32, patches, d.width), 1)
	r.Output("nearest", d.table.Nearest(r, x, 1, ops.Distance))
	p, err := d.builder.Program(r)
	if err == nil {
		d.programs[patches] = p
	}
	return p, err
}

// Verify recomputes the operations for a picture's patches on the CPU.
func (d *Detector) Verify(ctx context.Context, p Patches) ([]gpu.OpCheck, error) {
	program, err := d.program(p.Count())
	if err != nil {
		return nil, err
	}
	return program.Verify(ctx, map[string]any{"patches": p.Data}, false)
}

// weighed is PatchCore's score: the largest distance s of a patch from the bank, times one
// less softmax's part of it among the distances of that patch from the nine rows that are
// nearest to the bank's row.
func (d *Detector) weighed(p Patches, scores, nearest []float32) float64 {
	worst := 0
	for i, v := range scores {
		if v > scores[worst] {
			worst = i
		}
	}
	rows := len(d.memory) / d.width
	row := func(i int) []float32 { return d.memory[i*d.width:][:d.width] }
	at := row(int(nearest[2*worst+1]))
	type near struct {
		row      int
		distance float64
	}
	all := make([]near, rows)
	for i := range all {
		all[i] = near{i, squared(at, row(i))}
	}
	sort.SliceStable(all, func(a, b int) bool { return all[a].distance < all[b].distance })
	all = all[:min(neighbours, rows)]
	if rows == 1 {
		return float64(scores[worst])
	}
	distances, most := make([]float64, len(all)), 0.0
	for i, n := range all {
		distances[i] = math.Sqrt(squared(p.row(worst), row(n.row)))
		most = max(most, distances[i])
	}
	sum := 0.0
	for _, v := range distances {
		sum += math.Exp(v - most)
	}
	return (1 - math.Exp(distances[0]-most)/sum) * float64(scores[worst])
}

// topMean is the mean of the largest hundredth of the scores, one at least.
func topMean(scores []float32) float64 {
	sorted := append([]float32(nil), scores...)
	sort.Slice(sorted, func(a, b int) bool { return sorted[a] > sorted[b] })
	n, sum := max(1, len(sorted)/100), 0.0
	for _, v := range sorted[:n] {
		sum += float64(v)
	}
	return sum / float64(n)
}
