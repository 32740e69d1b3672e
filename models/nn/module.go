package nn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"saccade/gpu"
	"saccade/ops"
	"saccade/weights"
)

// maxPrograms bounds the programs that a module keeps: one for each network, shape
// of inputs and set of outputs, each with memory for its activations.
const maxPrograms = 4

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

// program is a recording, which becomes a program when it is first run.
type program struct {
	*gpu.Program // nil until then
	recorder     *gpu.Recorder
	network      *Network
	key          string
	feed         Feed // whose shapes it is for
	wants        gpu.Wants
	users        int
	last         int // when it was last asked for, by a count of the askings
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

// Train has all layers be trained as a whole: see [ops.Builder.Train].
func (m *Module) Train(t ops.Training) ([]ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return nil, err
	}
	return m.b.Train(l.Parameters, t)
}

// TrainContext has a context of texts be trained, and adds the network that classifies by them:
// see [Layers].
func (m *Module) TrainContext(texts [][]uint32, n int) (*Network, ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return nil, ops.Trained{}, err
	}
	if l.Context == nil {
		return nil, ops.Trained{}, errors.New("it compares no texts, of which a context could be learned")
	}
	network, t, err := l.Context(texts, n)
	if err == nil {
		l.Networks = append(l.Networks, network)
	}
	return network, t, err
}

// TrainTokens has the embeddings of token ids be trained: see [Layers].
func (m *Module) TrainTokens(first, n int) (ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return ops.Trained{}, err
	}
	if l.Tokens == nil {
		return ops.Trained{}, errors.New("it reads no texts, of which a token could be learned")
	}
	return l.Tokens(first, n)
}

// TrainPrompts has the layers' prompts be trained.
func (m *Module) TrainPrompts() (ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return ops.Trained{}, err
	}
	if l.Prompts == nil {
		return ops.Trained{}, errors.New("it has no prompts to train")
	}
	return m.b.TrainParameter(l.Prompts)
}

// Network finds one by name, nil if there is none.
func (l *Layers) Network(name string) *Network {
	for _, n := range l.Networks {
		if n.Name == name {
			return n
		}
	}
	return nil
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

// key tells programs of a network apart.
func key(f Feed, w gpu.Wants) string { return fmt.Sprint(f, w.Only, w.Names) }

// find gives the recording of a network for inputs and outputs, made at the first
// use. The lock is held.
func (m *Module) find(n *Network, f Feed, w gpu.Wants) (*program, error) {
	m.asked++
	k := key(f, w)
	for _, p := range m.programs {
		if p.network == n && p.key == k {
			p.last = m.asked
			return p, nil
		}
	}
	m.evict(maxPrograms - 1)
	r := n.record(m.dev, m.Precision, f, w)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%s: inputs %s: %w", m.Name, f, err)
	}
	p := &program{recorder: r, network: n, key: k, feed: f.shapes(), wants: w, last: m.asked}
	m.programs = append(m.programs, p)
	return p, nil
}

// finish makes a program of a recording. The lock is held.
func (m *Module) finish(p *program) (err error) {
	if p.Program != nil {
		return nil
	}
	if p.Program, err = m.program(p.recorder); err != nil {
		m.programs = slices.DeleteFunc(m.programs, func(x *program) bool { return x == p })
		return fmt.Errorf("%s: inputs %s: %w", m.Name, p.feed, err)
	}
	return nil
}

// program brings what the recording needs to the device. The driver compiles the
// first program's pipelines while the weights are uploaded.
func (m *Module) program(r *gpu.Recorder) (*gpu.Program, error) {
	if m.resident {
		if err := m.b.Prepare(); err != nil {
			return nil, err
		}
		return r.Finish()
	}
	began := time.Now()
	p, err := m.b.Program(r)
	if err == nil {
		m.dev.Wait()
		m.CompileTime, m.resident = time.Since(began), true
	}
	return p, err
}

// acquire gives the program of a network, which the caller releases.
func (m *Module) acquire(n *Network, f Feed, w gpu.Wants) (*program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(n, f, w)
	if err == nil {
		err = m.finish(p)
	}
	if err != nil {
		return nil, err
	}
	p.users++
	return p, nil
}

func (m *Module) release(p *program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.users--
}

// evict closes the programs that were not used for longest, as far as nobody uses
// them, until at most n are left.
func (m *Module) evict(n int) {
	for len(m.programs) > n {
		oldest := -1
		for i, p := range m.programs {
			if p.users == 0 && (oldest < 0 || p.last < m.programs[oldest].last) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		m.programs[oldest].close()
		m.programs = slices.Delete(m.programs, oldest, oldest+1)
	}
}

func (p *program) close() {
	if p.Program != nil {
		p.Program.Close()
	}
}

// Program makes a program of what its owner recorded with the module's layers, and
// closes itself.
func (m *Module) Program(r *gpu.Recorder) (*gpu.Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.bind(); err != nil {
		return nil, err
	}
	return m.program(r)
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

// Free closes the programs that nobody uses. The weights stay.
func (m *Module) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.evict(0)
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

// Memory is what the programs take on the device, together.
func (m *Module) Memory() gpu.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum gpu.Memory
	for _, p := range m.programs {
		if p.Program == nil {
			continue
		}
		x := p.Memory()
		sum.Arena += x.Arena
		sum.Live += x.Live
		sum.Sum += x.Sum
		sum.IO += x.IO
	}
	return sum
}

// Shapes are those of an input of a network for which there are programs with
// those outputs.
func (m *Module) Shapes(n *Network, input string, w gpu.Wants) [][]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [][]int
	for _, p := range m.programs {
		if p.network == n && key(Feed{}, p.wants) == key(Feed{}, w) {
			all = append(all, p.feed.Shape(input))
		}
	}
	return all
}

// Use is a network whose inputs are there.
type use struct {
	n *Network
	f Feed
}

// uses are the networks of which all inputs are given. An input that none of them
// takes is refused.
func (m *Module) uses(in map[string]Array) ([]use, error) {
	l, err := m.Layers()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(l.Networks, func(n *Network) bool { return n.Input(name) != nil && n.Input(name).From == nil }) {
			return nil, fmt.Errorf("%s: found an input %s; it takes %s", m.Name, name, l.takes())
		}
	}
	var all []use
	taken := map[string]bool{}
	for _, n := range l.Networks {
		if len(l.Networks) > 1 && !n.has(in) {
			continue
		}
		f, err := n.Prepare(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		all = append(all, use{n, f})
		for _, d := range n.Inputs {
			taken[d.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !taken[name] {
			return nil, fmt.Errorf("%s: found an input %s without what belongs to it; it takes %s", m.Name, name, l.takes())
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no input; it takes %s", m.Name, l.takes())
	}
	return all, nil
}

// takes names the inputs of all networks.
func (l *Layers) takes() string {
	var ways []string
	for _, n := range l.Networks {
		var names []string
		for _, d := range n.Inputs {
			if d.From == nil {
				names = append(names, d.Name)
			}
		}
		ways = append(ways, strings.Join(names, ", "))
	}
	return strings.Join(ways, "; or ")
}

// each calls f with the program of every network whose inputs are there and of
// which outputs are wanted. A name for which none of them has anything is refused.
func (m *Module) each(in map[string]Array, w gpu.Wants, f func(*program, use) error) error {
	all, err := m.uses(in)
	if err != nil {
		return err
	}
	var programs []*program
	var offered []string
	for _, u := range all {
		p, err := m.plan(u, w)
		if err != nil {
			return err
		}
		programs = append(programs, p)
		offered = append(offered, p.recorder.Offered()...)
	}
	if missing := w.Missing(offered); len(missing) > 0 {
		return fmt.Errorf("%s: it gives no output %s; of these inputs it gives %s", m.Name, strings.Join(missing, ", "), strings.Join(offered, ", "))
	}
	for i, u := range all {
		if w.Only && len(w.Missing(programs[i].recorder.Offered())) == len(w.Names) {
			continue
		}
		if err := f(programs[i], u); err != nil {
			return err
		}
	}
	return nil
}

// plan finds or makes the recording of a network.
func (m *Module) plan(u use, w gpu.Wants) (*program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(u.n, u.f, w)
}

// run calls f with each program that inputs and outputs ask for, ready to run.
func (m *Module) run(in map[string]Array, w gpu.Wants, f func(*program, use) error) error {
	return m.each(in, w, func(_ *program, u use) error {
		p, err := m.acquire(u.n, u.f, w)
		if err != nil {
			return err
		}
		defer m.release(p)
		return f(p, u)
	})
}

// Forward runs the networks whose inputs are given and gives their outputs by name.
func (m *Module) Forward(ctx context.Context, in map[string]Array, w gpu.Wants) (map[string]Array, error) {
	out := map[string]Array{}
	err := m.run(in, w, func(p *program, u use) error {
		raw, err := p.Run(ctx, u.f.Values())
		if err != nil {
			return err
		}
		own := map[string]Array{}
		for name, data := range raw {
			own[name] = Array{Shape: p.OutputShape(name), Data: data}
		}
		if u.n.Finish != nil {
			u.n.Finish(in, own)
		}
		maps.Copy(out, own)
		return m.finite(ctx, p, u, raw)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// finite refuses outputs that hold NaN or Inf, and says where they come from.
func (m *Module) finite(ctx context.Context, p *program, u use, out map[string][]float32) error {
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if gpu.Finite(out[name]) {
			continue
		}
		e := &NonFiniteError{What: "output " + name + " holds NaN or Inf", Input: u.f.NonFinite(), F16: m.Precision == gpu.F16}
		var err error
		if e.Input == "" {
			e.Op, err = p.FindNonFinite(ctx, u.f.Values())
		}
		if err != nil {
			return err
		}
		return e
	}
	return nil
}

// NonFiniteError is what holds NaN or Inf.
type NonFiniteError struct {
	What  string // "output logits holds NaN or Inf"
	Input string // the input that holds some, or
	Op    string // the first operation that made one
	F16   bool
}

func (e *NonFiniteError) Error() string {
	if e.Input != "" {
		return fmt.Sprintf("%s; the first is in the input %s", e.What, e.Input)
	}
	s := fmt.Sprintf("%s; the first is made by %s", e.What, e.Op)
	if e.F16 {
		s += "; halves overflow beyond 65504: try -precision f32"
	}
	return s
}

// Recorded is the program of a network and its inputs as that takes them, for
// callers that time it. It is the module's, which closes it.
func (m *Module) Recorded(n *Network, in map[string]Array) (*gpu.Program, map[string]any, error) {
	f, err := n.Prepare(in)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	values := f.Values()
	p, err := m.acquire(n, f, gpu.Wants{})
	if err != nil {
		return nil, nil, err
	}
	return p.Program, values, nil
}

// Ready brings the module to the device with the program of a network for inputs.
func (m *Module) Ready(in map[string]Array, w gpu.Wants) error {
	return m.run(in, w, func(*program, use) error { return nil })
}

// Outputs are the names of all outputs and intermediates of those inputs, and the
// shapes of those that are wanted.
func (m *Module) Outputs(in map[string]Array, w gpu.Wants) (names []string, shapes map[string][]int, err error) {
	shapes = map[string][]int{}
	err = m.each(in, w, func(p *program, _ use) error {
		names = append(names, p.recorder.Offered()...)
		maps.Copy(shapes, p.recorder.OutputShapes())
		return nil
	})
	return names, shapes, err
}

// Plan is the memory of the largest program that those inputs take, without
// weights. It records, and takes no memory of the device.
func (m *Module) Plan(in map[string]Array, w gpu.Wants) (gpu.Memory, error) {
	var most gpu.Memory
	err := m.each(in, w, func(p *program, _ use) error {
		x, err := p.recorder.Plan()
		if err == nil && x.Arena >= most.Arena {
			most = x
		}
		return err
	})
	return most, err
}

// FLOPs is the arithmetic of a forward pass as the operations are defined, a
// multiply-add counted as two.
func (m *Module) FLOPs(in map[string]Array, w gpu.Wants) (float64, error) {
	var all float64
	err := m.each(in, w, func(p *program, _ use) error {
		for _, op := range p.recorder.Ops() {
			for _, d := range op.Dispatches {
				all += d.FLOPs
			}
		}
		return nil
	})
	return all, err
}

// Profile times each dispatch of a forward pass.
func (m *Module) Profile(ctx context.Context, in map[string]Array, w gpu.Wants) ([]gpu.Timing, error) {
	var all []gpu.Timing
	err := m.run(in, w, func(p *program, u use) error {
		some, err := p.Profile(ctx, u.f.Values())
		all = append(all, some...)
		return err
	})
	return all, err
}

// Verify recomputes every operation of a forward pass on the CPU from the GPU's
// own inputs; see [gpu.Program.Verify].
func (m *Module) Verify(ctx context.Context, in map[string]Array, w gpu.Wants, stopAtFirst bool) ([]gpu.OpCheck, error) {
	var all []gpu.OpCheck
	wrong := func(c gpu.OpCheck) bool { return c.Err != nil }
	err := m.run(in, w, func(p *program, u use) error {
		if stopAtFirst && slices.ContainsFunc(all, wrong) {
			return nil
		}
		some, err := p.Verify(ctx, u.f.Values(), stopAtFirst)
		all = append(all, some...)
		return err
	})
	return all, err
}
