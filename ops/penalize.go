package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Impossible is the score of a token that must not be chosen. It stands for −∞, which
// compilers of shaders may take for granted not to occur (Metal's does). Scores below
// [LeastPossible], −∞ among them, have probability zero.
const Impossible = -3e38

// LeastPossible is between Impossible and every score, also after the sums of beams.
const LeastPossible = -1e38

// Penalties say how [Penalize] changes scores. What is nil or zero changes nothing.
// Lists are u32 [R, L], a row for each of the scores, or [1, L] or [L] for all rows;
// they may be inputs or constants. [NoRow] and other numbers from V on stand for nothing.
type Penalties struct {
	// Repetition divides the scores above zero of the ids in Repeated and multiplies
	// the others by itself: RepetitionPenaltyLogitsProcessor of transformers. It needs Repeated.
	Repetition float64
	Repeated   *gpu.Tensor // the ids that have occurred, each once in a row
	// Ids in Banned, Suppressed and Ranges become [Impossible].
	Banned     *gpu.Tensor
	Suppressed *gpu.Tensor // a second list, such as a constant of generation_config's suppress_tokens
	Ranges     *gpu.Tensor // u32 [R, K, 2], [1, K, 2] or [K, 2]: from the first id up to, not including, the second
}

// Penalize changes scores x [..., V], logits or log-probabilities, before a token is
// chosen: first the penalty of repetitions, then the bans, as transformers orders its
// processors. The result is f32.
func Penalize(r *gpu.Recorder, x *gpu.Tensor, p Penalties) *gpu.Tensor {
	y := r.NewTyped("penalize", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	c := penalizeCall{x: x, y: y, p: p}
	op := gpu.Op{Kind: "penalize", Label: r.Label("penalize"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Judge: c.judge}
	for _, list := range c.lists() {
		if list != nil {
			op.In = append(op.In, list)
		}
	}
	err := c.check()
	if err == nil {
		op.Dispatches, err = c.record(r)
	}
	if err != nil {
		r.Fail(fmt.Errorf("penalize: %w", err))
		return y
	}
	r.Do(op)
	return y
}

// penalizeCall is one use of [Penalize].
type penalizeCall struct {
	x, y *gpu.Tensor
	p    Penalties
}

// lists are those of the penalties, nil where there is none.
func (c penalizeCall) lists() [4]*gpu.Tensor {
	return [4]*gpu.Tensor{c.p.Ranges, c.p.Repeated, c.p.Banned, c.p.Suppressed}
}

func (c penalizeCall) check() error {
	if err := checkLogits(c.x); err != nil {
		return err
	}
	switch {
	case !(c.p.Repetition >= 0):
		return fmt.Errorf("a repetition penalty of %g, expected one above 0, or 0 for none", c.p.Repetition)
	case c.p.Repetition == 0 && c.p.Repeated != nil:
		return fmt.Errorf("the repeated ids %s without a penalty", c.p.Repeated)
	case c.p.Repetition != 0 && c.p.Repetition != 1 && c.p.Repeated == nil:
		return fmt.Errorf("a repetition penalty of %g without the ids that have occurred", c.p.Repetition)
	}
	for i, list := range c.lists() {
		if list == nil {
			continue
		}
		if list.Type != gpu.U32 || !list.Dense() || c.length(list)*c.listRows(list) != list.Rows()*list.Width() || i == 0 && list.Width() != 2 {
			return fmt.Errorf("the list %s (%s) does not fit %s, expected u32 [%d L] or [L], of ranges with a last dimension of 2", list, list.Type, c.x, c.x.Rows())
		}
	}
	return nil
}

// listRows is how many rows a list has: those of x, or one for all.
func (c penalizeCall) listRows(list *gpu.Tensor) int {
	dims := len(list.Shape)
	if list == c.p.Ranges {
		dims--
	}
	if dims == 1 || list.Shape[0] == 1 {
		return 1
	}
	return c.x.Rows()
}

// length is the numbers of a row of a list.
func (c penalizeCall) length(list *gpu.Tensor) int {
	return list.Rows() * list.Width() / c.listRows(list)
}

// record copies the scores, with bans of ranges, then has a thread for each number of the lists.
func (c penalizeCall) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	var dispatches []gpu.Dispatch
	steps := []struct {
		step int // as in the kernel
		list *gpu.Tensor
	}{{0, c.p.Ranges}, {1, c.p.Repeated}, {2, c.p.Banned}, {2, c.p.Suppressed}}
	names := []string{"copy", "repetition", "ban"}
	vectors := c.x.Stride() / 4
	for i, s := range steps {
		if s.list == nil && i > 0 {
			continue
		}
		k, err := kernel("penalize", fmt.Sprintf("%s %s", names[s.step], c.x.Type), shaders.Spec{Const: map[string]int{"STEP": s.step}, Forms: forms(c.x.Type)})
		if err != nil {
			return nil, err
		}
		length, each, list := 0, 0, r.Device().Dummy()
		if s.list != nil {
			length, list = c.length(s.list), s.list
			if c.listRows(list) > 1 {
				each = length
			}
		}
		for _, rows := range rowChunks(r.Device(), c.x.Rows(), c.x, c.y) {
			row := vectors // threads of a row
			bytes := float64(vectors) * 4 * float64(c.x.Type.Size()+4)
			if s.step > 0 {
				row, bytes = length, float64(length)*12
			}
			count := (rows[1] - rows[0]) * row
			dispatches = append(dispatches, gpu.Dispatch{
				Kernel: k,
				Params: gpu.Params{"count": count, "row": row, "vectors": vectors, "width": c.x.Width(), "length": length, "each": each, "first": rows[0] * each, "penalty": c.p.Repetition},
				Bind:   []gpu.View{rowView(c.x, rows[0], rows[1]), gpu.All(list), rowView(c.y, rows[0], rows[1])},
				Groups: elementwise(count), Bytes: bytes * float64(rows[1]-rows[0]),
			})
		}
	}
	return dispatches, nil
}

// judge compares what is possible by numbers, the rest as it is: beside Impossible no
// other number would count.
func (c penalizeCall) judge(in [][]float32, out []float32) (got []float32, want []float64, err error) {
	width := c.x.Width()
	for i, v := range c.twin(in) {
		possible := out[i] > LeastPossible || out[i] != out[i] // NaN stays
		if possible != (v > LeastPossible || v != v) || v == Impossible && out[i] != Impossible {
			return nil, nil, fmt.Errorf("id %d of row %d is %g, the twin's is %g", i%width, i/width, out[i], v)
		}
		if possible {
			got, want = append(got, out[i]), append(want, v)
		}
	}
	return got, want, nil
}

func (c penalizeCall) twin(in [][]float32) []float64 {
	y, width := widen(in[0]), c.x.Width()
	next := 1
	each := func(list *gpu.Tensor, f func(row []float64, numbers []float32)) {
		if list == nil {
			return
		}
		numbers, length := in[next], c.length(list)
		next++
		for r := range c.x.Rows() {
			at := 0
			if c.listRows(list) > 1 {
				at = r * length
			}
			f(y[r*width:(r+1)*width], numbers[at:at+length])
		}
	}
	ban := func(row []float64, ids []float32) {
		for _, id := range ids {
			if int(id) < width {
				row[int(id)] = Impossible
			}
		}
	}
	ranges := func(row []float64, ends []float32) {
		for i := 0; i < len(ends); i += 2 {
			for id := int(ends[i]); id < min(int(ends[i+1]), width); id++ {
				row[id] = Impossible
			}
		}
	}
	repeated := func(row []float64, ids []float32) {
		for _, id := range ids {
			if int(id) >= width || row[int(id)] <= LeastPossible {
				continue
			}
			if row[int(id)] < 0 {
				row[int(id)] *= c.p.Repetition
			} else {
				row[int(id)] /= c.p.Repetition
			}
		}
	}
	each(c.p.Ranges, ranges)
	each(c.p.Repeated, repeated)
	each(c.p.Banned, ban)
	each(c.p.Suppressed, ban)
	return y
}
