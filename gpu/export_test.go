package gpu

import "time"

// What the tests of this package see beyond its interface. They stand outside it,
// since the helper that opens their devices imports it.

const (
	LeastRows   = leastRows
	MostFLOPs   = mostFLOPs
	MostOfAll   = mostOfAll
	ParamStride = paramStride
)

// WriteRaw fills a state with what its memory is to hold, padding included.
func (t *Tensor) WriteRaw(raw []byte) error {
	t.dev.mu.Lock()
	defer t.dev.mu.Unlock()
	return t.dev.queue.WriteBuffer(t.buf.b, 0, raw)
}

// Size is that of what a quad shows, in pixels.
func (q *Quad) Size() (w, h int) { return q.size() }

// Rename has a device pass for another.
func (d *Device) Rename(name string) {
	d.info.Name = name
	d.traits = d.info.Traits()
}

// Spend takes time from a tuner's budget.
func (t *Tuner) Spend(spent time.Duration) { t.spent += spent }

// Hold keeps a program from running, as another run of it would, until what it returns is called.
func (p *Program) Hold() (release func()) {
	p.mu.Lock()
	return p.mu.Unlock
}

// Busy locks the device as who waits for the GPU: the binding is lent until what it returns is
// called.
func (d *Device) Busy() (release func()) {
	d.mu.Lock()
	d.mu.binding.Unlock()
	return func() {
		d.mu.binding.Lock()
		d.mu.Unlock()
	}
}

// Uploads is Stats().Uploads of a device that is busy.
func (d *Device) Uploads() int {
	d.mu.binding.Lock()
	defer d.mu.binding.Unlock()
	return d.stats.Uploads
}
