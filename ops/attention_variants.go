package ops

import (
	"fmt"
	"math"
	"strings"

	"saccade/gpu"
	"saccade/shaders"
)

// attentionVariant is a kernel file with its constants.
type attentionVariant struct {
	Family string // "attention" (barrier-free) or "attention_flash" (workgroup memory)
	TR     int    // queries a lane (attention only)
	TD     int    // vectors in a chunk of the head
	Chunks int    // of the head; each has workgroups of its own, in attention_flash a thread for each query
	Form   string // attention_flash: inHalves, or none
}

func (v attentionVariant) String() string {
	if v.Family == "attention_flash" {
		return strings.TrimRight(fmt.Sprintf("%dx%d %s", v.TD, v.Chunks, v.Form), " ")
	}
	return fmt.Sprintf("%dx%dx%d", v.TR, v.TD, v.Chunks)
}

// blocks is the workgroups in x for tq queries.
func (v attentionVariant) blocks(tq int) int {
	if v.Family == "attention_flash" {
		return ceilDiv(tq, v.queries())
	}
	return ceilDiv(tq, 8*v.TR) * v.Chunks
}

// queries of a workgroup of attention_flash, which has 256 threads at most.
func (v attentionVariant) queries() int { return min(64, 256/v.Chunks) }

// sharedStorage is the workgroup memory, in bytes, that every adapter has.
const sharedStorage = 16 << 10

// tile is the keys that attention_flash stages at once, as many up to 16 as the
// workgroup memory holds that every adapter has, with the scores.
func (v attentionVariant) tile() int {
	keys := 16
	for keys > 1 && keys*v.keyStorage() > sharedStorage {
		keys /= 2
	}
	return keys
}

// keyStorage is the bytes of workgroup memory that attention_flash takes for each key of a tile.
func (v attentionVariant) keyStorage() int { return v.Chunks * (16*v.TD + 4*v.queries()) }

// flashKeys is how many keys a turn of attention_flash's loops over a tile takes.
const flashKeys = 4

// turns counts what the kernel's loops turn for so many keys in rows of columns.
// attention_flash has for each tile of keys two loops that load it and four over its
// keys, or three if a thread has a query to itself; of the other kernel, each block of four
// keys is visited twice, and where the head is in chunks, once more per chunk for its keys
// and queries.
func (v attentionVariant) turns(keys, columns int) int {
	if v.Family == "attention_flash" {
		tile, loops := v.tile(), 4
		if v.Chunks == 1 {
			loops = 3
		}
		return ceilDiv(keys, tile) * (1 + 2*(1+ceilDiv(tile*v.TD, v.queries())) + loops*(1+ceilDiv(tile, flashKeys)))
	}
	queries := v.TR
	if v.Chunks == 1 {
		queries = 0
	}
	fours := ceilDiv(columns, 4)
	return fours*(1+ceilDiv(keys, columns)*(v.Chunks*(1+queries+4)+4+1)) + 2*v.TR
}

// flash is the specification of attention_flash.
func (v attentionVariant) flash() shaders.Spec {
	threads, tile := v.Chunks*v.queries(), v.tile()
	at := min(tile, flashKeys)
	return shaders.Spec{
		Const: map[string]int{
			"TD": v.TD, "PARTS": v.Chunks, "QUERIES": v.queries(), "THREADS": threads,
			"TB": tile, "AT": at, "TURNS": tile / at, "SHARE": ceilDiv(at, v.Chunks), "TILE": tile * v.Chunks * v.TD,
		},
		Workgroup: [3]int{threads, 1, 1},
	}
}

func (v attentionVariant) kernel(r *gpu.Recorder, c *attentionCall) (*gpu.Kernel, error) {
	precision := r.Precision
	spec, bias := shaders.Spec{Const: map[string]int{"TR": v.TR, "TD": v.TD, "CHUNKS": v.Chunks}}, biasByColumns
	if v.Family == "attention_flash" {
		spec, bias = v.flash(), biasTaken
	}
	spec, err := c.spec(precision, spec, bias)
	if err != nil {
		return nil, err
	}
	if v.Form != "" {
		spec.Forms = append(spec.Forms, v.Form)
	}
	k := gpu.Kernel{Name: v.Family, Variant: fmt.Sprintf("%s %s%s", precision, v, c.suffix())}
	if base := c.bias.base(); base != "" && r.Device().Traits().SlowCompiler {
		k.Base = fmt.Sprintf("%s/%s %s%s %s", v.Family, precision, v, c.mask.suffix(), base)
	}
	return kernelOn(k, spec)
}

// flashVectors is the most of a head that a thread of attention_flash holds: by
// `make isa`, with more of them a thread takes so many registers that AMD's GPUs
// run a few at once, and spills from 14 on.
const flashVectors = 10

// flashVariant is attention_flash for heads of hd elements with at most so many
// vectors a thread, as far as 16 threads share a query.
func flashVariant(hd, most int) attentionVariant {
	v := attentionVariant{Family: "attention_flash", Chunks: 1}
	for v.Chunks < 16 && ceilDiv(hd/4, v.Chunks) > most {
		v.Chunks *= 2
	}
	v.TD = ceilDiv(hd/4, v.Chunks)
	return v
}

// chooseAttention picks a variant for tq queries of heads of hd elements,
// padding included.
func chooseAttention(t gpu.Traits, precision gpu.DType, tq, hd int) attentionVariant {
	if t.CheapBarriers {
		return flashVariant(hd, flashVectors)
	}
	// A chunk is a divisor of the head, of at most 8 vectors. Few tokens take
	// half of that, since what counts then is the time to compile.
	vectors := hd * int(precision.Size()) / 16
	most, queries := 8, queriesPerLane(tq)
	if tq <= 80 || !t.CheapSpills {
		most = 4
	}
	if !t.CheapSpills {
		queries = 1
	}
	td := divisor(vectors, most)
	return attentionVariant{Family: "attention", TR: queries, TD: td, Chunks: vectors / td}
}

// divisor is the largest divisor of n up to most.
func divisor(n, most int) int {
	d := min(n, most)
	for n%d != 0 {
		d--
	}
	return d
}

// queriesPerLane takes, of 1 to 5 and for many of 8, the number that wastes
// fewest of the eight lanes, the larger of equals.
func queriesPerLane(tq int) int {
	counts := []int{1, 2, 3, 4, 5}
	if tq >= 512 {
		counts = append(counts, 8) // takes the driver longer to compile
	}
	best, waste := 1, math.Inf(1)
	for _, n := range counts {
		rows := (tq + 8*n - 1) / (8 * n) * 8 * n
		w := float64(rows) / float64(tq) * (1 + 0.5/float64(n)) // few queries a lane load each key more often
		if w <= waste {
			best, waste = n, w
		}
	}
	return best
}
