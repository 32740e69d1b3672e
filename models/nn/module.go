package nn

import (
	"fmt"
	"sync"
	"time"

	"saccade/gpu"
	"saccade/ops"
	"saccade/weights"
)

// Module is the layers of a checkpoint on a device, with the networks that they
// make. Weights come to the device when they are first used, and Drop takes them
// from it. It may be used from several goroutines: forward passes take turns.
type Module struct {
	Name      string // in errors
	Precision gpu.DType
	// CompileTime is what the first program took from recording to ready, with the
	// upload of the weights beside it.
	CompileTime time.Duration

	dev  *gpu.Device
	src  weights.Source
	make Make

	mu       sync.Mutex
	b        *ops.Builder // nil: not on the device
	layers   *Layers
	resident bool // the weights are on the device
	programs []*program
	asked    int // calls of acquire
}

// NewModule is the module that a checkpoint describes. d.Tensors must stay open
// until Close; they are nil in a module that is recorded and never run.
func NewModule(dev *gpu.Device, name string, precision gpu.DType, d *Description) *Module {
	return &Module{Name: name, Precision: precision, dev: dev, src: d.Tensors, make: d.Make}
}

// With is the same module in another precision, on the device a second time.
func (m *Module) With(precision gpu.DType) *Module {
	return &Module{Name: m.Name, Precision: precision, dev: m.dev, src: m.src, make: m.make}
}

// Device is what the module runs on.
func (m *Module) Device() *gpu.Device { return m.dev }

// Layers are the module's, made and bound to the checkpoint at the first call;
// their weights are not on the device before a program needs them.
func (m *Module) Layers() (*Layers, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bind()
}

// bind is Layers with the lock held.
func (m *Module) bind() (*Layers, error) {
	if m.b != nil {
		return m.layers, nil
	}
	b := ops.NewBuilder(m.dev, m.Precision)
	l, err := m.make(b)
	if err == nil && m.src != nil {
		err = b.Bind(l.Parameters, m.src)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	m.b, m.layers = b, l
	return l, nil
}

// Network is one of the module's; its layers must have been made.
func (m *Module) Network(name string) (*Network, error) {
	l, err := m.Layers()
	if err != nil {
		return nil, err
	}
	n := l.Network(name)
	if n == nil {
		return nil, fmt.Errorf("%s: it has no network %q", m.Name, name)
	}
	return n, nil
}

// Upload brings the weights to the device, and what recordings asked for.
func (m *Module) Upload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.bind(); err != nil {
		return err
	}
	err := m.b.Upload()
	m.resident = m.resident || err == nil
	return err
}

// Drop takes the module from the device; its next use brings it back. No use may
// be under way.
func (m *Module) Drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.programs {
		p.close()
	}
	m.programs, m.resident = nil, false
	if m.b != nil {
		m.b.Close()
		m.b, m.layers = nil, nil
	}
}

// Bytes is what the weights take on the device, or will take once they are there.
func (m *Module) Bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.b == nil {
		return 0
	}
	return m.b.Bytes()
}

// Resident is what the weights take on the device now.
func (m *Module) Resident() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.resident {
		return 0
	}
	return m.b.Bytes()
}

// Parameters is the number of trained values.
func (m *Module) Parameters() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.b == nil {
		return 0
	}
	return m.b.Parameters()
}
