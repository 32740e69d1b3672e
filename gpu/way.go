package gpu

import (
	"maps"
	"slices"
)

// Way is one of several ways to compute an operation: by another kernel, tile
// or algorithm, from the same inputs into the same output.
type Way struct {
	Name       string
	Dispatches []Dispatch
	Tolerance  float64 // NMSE that is allowed; zero means the default of the output's type
	Err        error   // why this adapter can't have it: it is not tried
}

// Choices tell which way operations take on an adapter.
type Choices interface {
	// Way names the way for the operations of a key, "" for the default.
	Way(adapter Info, key string) string
}

// Choice names the way that an operation of that key takes; "" for the default.
func (r *Recorder) Choice(key string) string {
	if c := r.dev.opts.Choices; c != nil && r.dev.opts.Tuner == nil {
		return c.Way(r.dev.info, key)
	}
	return ""
}

// Tries says that the recording wants all ways of an operation of that key, for
// a tuner to try them. It says so once: another of the key is like it.
func (r *Recorder) Tries(key string) bool {
	t := r.dev.opts.Tuner
	if t == nil || r.tries[key] || !t.wants(r.dev.info, key) {
		return false
	}
	if r.tries == nil {
		r.tries = map[string]bool{}
	}
	r.tries[key] = true
	return true
}

// checkWay finds what would be invalid, which the way then says of itself.
func (r *Recorder) checkWay(w *Way) {
	for i := range w.Dispatches {
		if w.Err == nil {
			w.Err = r.check(&w.Dispatches[i])
		}
	}
	if w.Err != nil {
		w.Dispatches = nil
	}
}

// all are the dispatches of the operation, then those of its other ways.
func (o *Op) all() []Dispatch {
	all := o.Dispatches[:len(o.Dispatches):len(o.Dispatches)]
	for _, w := range o.Others {
		all = append(all, w.Dispatches...)
	}
	return all
}

// otherWay is where the steps of another way of an operation stand.
type otherWay struct {
	op, way, lo, hi int
}

// addOthers appends the steps of all other ways. One whose kernels do not compile says so.
func (p *Program) addOthers() {
	for i := range p.ops {
		for k := range p.ops[i].Others {
			w := &p.ops[i].Others[k]
			lo := len(p.steps)
			if w.Err == nil {
				w.Err = p.addSteps(i, w.Dispatches)
			}
			p.others = append(p.others, otherWay{op: i, way: k, lo: lo, hi: len(p.steps)})
		}
	}
}

// Chosen is the way that the operations of a key take.
type Chosen struct {
	Key, Way string
	Count    int // of operations, in all programs
}

// Chosen lists, by key, the operations of all programs that were made, if they
// can be computed in several ways.
func (d *Device) Chosen() []Chosen {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Chosen
	for _, key := range slices.Sorted(maps.Keys(d.chosen)) {
		all = append(all, *d.chosen[key])
	}
	return all
}

// choose notes the ways of a program's operations. The caller holds d.mu.
func (d *Device) choose(ops []Op) {
	for _, op := range ops {
		if op.Key == "" {
			continue
		}
		c, ok := d.chosen[op.Key]
		if !ok {
			c = &Chosen{Key: op.Key, Way: op.Way}
			d.chosen[op.Key] = c
		}
		c.Count++
	}
}
