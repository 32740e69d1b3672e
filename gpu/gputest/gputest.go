package gputest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// Open opens a device that is closed with the test. What the environment says of
// the backend, the adapter and debugging holds besides o.
func Open(t testing.TB, o gpu.Options) *gpu.Device {
	t.Helper()
	d, err := open(o)
	require.NoError(t, err, "the tests need an adapter; on Debian: mesa-vulkan-drivers")
	t.Cleanup(func() {
		requirePoison(t, d)
		d.Close()
	})
	return d
}

// Shared is a device for all tests of a package, opened by the first one, since the
// driver compiles every kernel anew for each device. It ends with the process.
type Shared struct{ get func() (*gpu.Device, error) }

// Share declares such a device.
func Share(o gpu.Options) Shared {
	return Shared{sync.OnceValues(func() (*gpu.Device, error) { return open(o) })}
}

// Open gives the device to one more test.
func (s Shared) Open(t testing.TB) *gpu.Device {
	t.Helper()
	d, err := s.get()
	require.NoError(t, err, "the tests need an adapter; on Debian: mesa-vulkan-drivers")
	t.Cleanup(func() { requirePoison(t, d) })
	return d
}

func open(o gpu.Options) (*gpu.Device, error) {
	o, err := options(o, os.Getenv)
	if err != nil {
		return nil, err
	}
	return gpu.Open(o)
}

// options adds to o what the environment says.
func options(o gpu.Options, getenv func(string) string) (gpu.Options, error) {
	debug, err := gpu.ParseDebug(getenv("SACCADE_DEBUG"))
	if err != nil {
		return o, fmt.Errorf("SACCADE_DEBUG: %w", err)
	}
	debug.Poison = debug.Poison || o.Debug.Poison
	o.Debug = debug
	o.Backend, o.Adapter = getenv("WGPU_BACKEND"), getenv("WGPU_ADAPTER_NAME")
	if o.Log == nil {
		o.Log = os.Stderr
	}
	return o, nil
}

// poisoned are the bytes of arenas that devices poisoned.
var poisoned struct {
	sync.Mutex
	bytes map[*gpu.Device]int64
}

// requirePoison fails a test that was asked to poison the arena and ran programs
// without.
func requirePoison(t testing.TB, d *gpu.Device) {
	s := d.Stats()
	poisoned.Lock()
	defer poisoned.Unlock()
	if poisoned.bytes == nil {
		poisoned.bytes = map[*gpu.Device]int64{}
	}
	poisoned.bytes[d] = s.Poisoned
	if asked() && s.Poisoned == 0 && s.FLOPs+s.Bytes > 0 {
		t.Error("SACCADE_DEBUG has poison, and programs ran on an arena that was not poisoned")
	}
}

// asked tells whether the environment wants arenas poisoned.
func asked() bool {
	debug, err := gpu.ParseDebug(os.Getenv("SACCADE_DEBUG"))
	return err == nil && debug.Poison
}

// Main runs the tests of a package, from its TestMain, and gives the exit code.
// Where the environment asks for a poisoned arena, a package in which nothing was
// poisoned fails: its tests have tested nothing that they do not test without.
func Main(m *testing.M) int {
	code := m.Run()
	if !asked() {
		return code
	}
	total := int64(0)
	for _, n := range poisoned.bytes {
		total += n
	}
	code, line := verdict(code, total)
	fmt.Fprintln(os.Stderr, line)
	return code
}

// verdict is the exit code of tests that were to poison the arena and did so with
// that many bytes.
func verdict(code int, poisoned int64) (int, string) {
	if poisoned == 0 {
		return max(code, 1), "SACCADE_DEBUG has poison, and no test of this package ran a program on a poisoned arena"
	}
	return code, gpu.MiB(poisoned) + " of arenas poisoned"
}
