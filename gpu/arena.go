package gpu

import (
	"fmt"
	"slices"
	"sort"
)

// arenaAlign is the alignment of tensors in the arena: the largest offset alignment that adapters ask for.
const arenaAlign = 256

// arena is the plan for activations: a few slabs in which tensors that are
// never alive together share places. The tensors of one dispatch, where one of
// them is written, stand in different slabs, since wgpu tracks whole buffers.
type arena struct {
	slabs   []int64 // bytes
	tensors []*Tensor
	slabOf  map[*Tensor]int
	sum     int64 // of all activations, without sharing
	live    int64 // the largest sum of those alive at one dispatch
}

// bytes is the memory of all slabs.
func (a *arena) bytes() int64 {
	var n int64
	for _, s := range a.slabs {
		n += s
	}
	return n
}

// planArena finds places for the activations of ops, in which outputs stay to the end.
func planArena(ops []Op, outputs []output, maxBuffer int64) (*arena, error) {
	a := &arena{slabOf: map[*Tensor]int{}}
	conflicts := a.lifetimes(ops, outputs)
	bySize := append([]*Tensor{}, a.tensors...)
	sort.SliceStable(bySize, func(i, j int) bool { return bySize[i].bytes > bySize[j].bytes })
	for _, t := range bySize {
		if t.bytes > maxBuffer {
			return nil, fmt.Errorf("%s: %d bytes exceed the adapter's largest buffer, %d; use a smaller batch or picture", t, t.bytes, maxBuffer)
		}
		a.put(t, conflicts[t], maxBuffer)
	}
	return a, nil
}

// lifetimes finds from where to where each activation is alive, and which
// tensors may not share a slab.
func (a *arena) lifetimes(ops []Op, outputs []output) map[*Tensor]map[*Tensor]bool {
	conflicts := map[*Tensor]map[*Tensor]bool{}
	step := 0
	for _, op := range ops {
		for _, x := range op.all() {
			for i, v := range x.Bind {
				a.touch(v.Tensor, step)
				if !x.Kernel.Bindings[i].Write {
					continue
				}
				for _, u := range x.Bind {
					if u.Tensor != v.Tensor {
						link(conflicts, u.Tensor, v.Tensor)
						link(conflicts, v.Tensor, u.Tensor)
					}
				}
			}
			step++
		}
		if len(op.Dispatches) > 0 { // all stay until the whole operation is done: Verify compares them
			for _, t := range slices.Concat(op.In, op.Out) {
				a.touch(t, step-1)
			}
		}
	}
	for _, o := range outputs {
		if o.tensor.place == inArena {
			o.tensor.last = step
		}
	}
	for at := range step {
		var live int64
		for _, t := range a.tensors {
			if t.first <= at && at <= t.last {
				live += t.bytes
			}
		}
		a.live = max(a.live, live)
	}
	return conflicts
}

func (a *arena) touch(t *Tensor, step int) {
	if t.place != inArena {
		return
	}
	if _, ok := a.slabOf[t]; !ok {
		a.slabOf[t] = -1
		a.tensors = append(a.tensors, t)
		a.sum += t.bytes
		t.first = step
	}
	t.last = step
}

func link(m map[*Tensor]map[*Tensor]bool, a, b *Tensor) {
	if m[a] == nil {
		m[a] = map[*Tensor]bool{}
	}
	m[a][b] = true
}

// put takes the place that makes the arena grow least.
func (a *arena) put(t *Tensor, conflicts map[*Tensor]bool, maxBuffer int64) {
	best, bestOff, bestGrow := -1, int64(0), t.bytes+1
	for s, size := range a.slabs {
		if a.conflicting(s, conflicts) {
			continue
		}
		off := a.gap(s, t)
		grow := max(0, off+t.bytes-size)
		if off+t.bytes <= maxBuffer && grow < bestGrow {
			best, bestOff, bestGrow = s, off, grow
		}
	}
	if best < 0 {
		a.slabs = append(a.slabs, 0)
		best, bestOff = len(a.slabs)-1, 0
	}
	a.slabOf[t], t.off = best, bestOff
	a.slabs[best] = max(a.slabs[best], bestOff+t.bytes)
}

func (a *arena) conflicting(slab int, conflicts map[*Tensor]bool) bool {
	for c := range conflicts {
		if s, ok := a.slabOf[c]; ok && s == slab {
			return true
		}
	}
	return false
}

// gap is the lowest offset in slab s where t overlaps nothing alive at the same time.
func (a *arena) gap(s int, t *Tensor) int64 {
	var busy []*Tensor
	for _, u := range a.tensors {
		if a.slabOf[u] == s && u != t && u.first <= t.last && t.first <= u.last {
			busy = append(busy, u)
		}
	}
	sort.Slice(busy, func(i, j int) bool { return busy[i].off < busy[j].off })
	var off int64
	for _, u := range busy {
		if off+t.bytes <= u.off {
			break
		}
		off = max(off, (u.off+u.bytes+arenaAlign-1)/arenaAlign*arenaAlign)
	}
	return off
}
