package gpu

import "sync"

// mutex guards every call of the binding: its error scopes are one stack per device. Who holds it
// and only waits for the GPU lends the binding to uploads, which go on beside the work.
type mutex struct {
	turn    sync.Mutex // who holds it is the next to lock: see lockInTurn
	use     sync.Mutex // the device's state, and the right to submit
	binding sync.Mutex // calls of the binding
}

func (m *mutex) Lock() {
	m.use.Lock()
	m.binding.Lock()
}

func (m *mutex) Unlock() {
	m.binding.Unlock()
	m.use.Unlock()
}

// lockInTurn locks for those who do so time after time: a program's chunks, a window's drawings.
// Who just had it stands behind who waits, which with a mutex alone would miss another turn, and
// so another submit.
func (m *mutex) lockInTurn() {
	m.turn.Lock()
	m.Lock()
	m.turn.Unlock()
}

// lend lets others call the binding during f. The caller has locked.
func (m *mutex) lend(f func()) {
	m.binding.Unlock()
	f()
	m.binding.Lock()
}

// beside calls f, which writes to buffers that no work under way uses and counts that it did, at
// once or as soon as who has locked lends the binding.
func (m *mutex) beside(f func() error) error {
	m.binding.Lock()
	defer m.binding.Unlock()
	return f()
}
