package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// MostReordered is the most beams that [Reorder] takes.
const MostReordered = 16

// Reorder gives the beams of a state [N·beams, S, C], a cache of keys or values, those of
// their parents: row (n, b) becomes what row (n, parents[n, b]) was, in its first filled
// tokens; the others are left. The parents are a u32 input [N·beams] of numbers from 0 to
// beams − 1, as [Beams] gives them, filled is a u32 input [1]. It takes no second state,
// and its cost follows the filled length.
func Reorder(r *gpu.Recorder, state, parents, filled *gpu.Tensor, beams int) {
	if r.Err() != nil {
		return
	}
	if err := checkReorder(state, parents, filled, beams); err != nil {
		r.Fail(fmt.Errorf("reorder: %w", err))
		return
	}
	k, err := kernel("reorder", fmt.Sprint(beams), shaders.Spec{Const: map[string]int{"BEAMS": beams}})
	if err != nil {
		r.Fail(err)
		return
	}
	n, room, width := state.Shape[0]/beams, state.Shape[1], state.Width()
	chunks, err := itemChunks(r.Device(), n, state)
	if err != nil {
		r.Fail(fmt.Errorf("reorder: %w", err))
		return
	}
	op := gpu.Op{Kind: "reorder", Label: r.Label("reorder"), In: []*gpu.Tensor{parents, filled, state}, Out: []*gpu.Tensor{state},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{reorderTwin(in[2], in[0], min(int(in[1][0]), room), beams, room, width)}
		}}
	// Threads take tokens in turn, so that there are none for the room that is not filled.
	lanes := 8
	if r.Device().Traits().ManyThreads {
		lanes = 64
	}
	lanes = min(lanes, room)
	vectors := state.Stride() * int(state.Type.Size()) / 16
	for _, c := range chunks {
		count := (c[1] - c[0]) * lanes * vectors
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "lanes": lanes, "room": room, "first": c[0] * beams},
			Bind:   []gpu.View{itemView(state, n, c[0], c[1]), gpu.All(parents), gpu.All(filled)},
			Groups: elementwise(count), Bytes: 32 * float64((c[1]-c[0])*beams*room*vectors), Turns: ceilDiv(room, lanes),
		})
	}
	r.Do(op)
}

func checkReorder(state, parents, filled *gpu.Tensor, beams int) error {
	if beams < 1 || beams > MostReordered || len(state.Shape) != 3 || state.Dense() || state.Shape[0]%beams != 0 {
		return fmt.Errorf("the state %s of items with %d beams, expected [items·beams tokens columns] and 1 to %d beams", state, beams, MostReordered)
	}
	if parents.Type != gpu.U32 || !parents.Dense() || parents.Rows()*parents.Width() != state.Shape[0] {
		return fmt.Errorf("the parents %s (%s) do not fit %s, expected u32 [%d]", parents, parents.Type, state, state.Shape[0])
	}
	if filled.Type != gpu.U32 || filled.Rows()*filled.Width() != 1 {
		return fmt.Errorf("the filled length %s (%s), expected u32 [1]", filled, filled.Type)
	}
	return nil
}

func reorderTwin(state, parents []float32, filled, beams, room, width int) []float64 {
	y, row := widen(state), room*width
	for i, parent := range parents {
		from := (i/beams*beams + min(int(parent), beams-1)) * row
		copy(y[i*row:i*row+filled*width], widen(state[from:from+filled*width]))
	}
	return y
}
