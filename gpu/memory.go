package gpu

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ErrOutOfMemory is wrapped by errors that say how much was needed and what there is.
var ErrOutOfMemory = errors.New("out of memory")

// Fits checks that bytes more of device memory can be had, before anything is
// taken: [ErrOutOfMemory] otherwise. A software adapter's memory is the
// machine's, which it would overcommit without an error; other adapters refuse
// by themselves.
func (d *Device) Fits(bytes int64) error {
	if !d.info.Software() {
		return nil
	}
	free, ok := availableMemory()
	if !ok || bytes <= free {
		return nil
	}
	return fmt.Errorf("%w: %s more are needed and the machine has %s free; use a smaller batch or picture, or -precision f16",
		ErrOutOfMemory, MiB(bytes), MiB(free))
}

// HostFits checks that an array of a shape, of so many bytes a value, fits the
// machine's free memory, before it is made: [ErrOutOfMemory] otherwise. Numbers from
// flags and files go through it.
func HostFits(shape []int, size int64) error {
	free, ok := availableMemory()
	if !ok {
		free = 1 << 46
	}
	bytes := float64(size)
	for _, d := range shape {
		bytes *= float64(d)
	}
	if bytes <= float64(free) {
		return nil
	}
	return fmt.Errorf("%w: an array %v takes %.3g GiB and the machine has %.3g free", ErrOutOfMemory, shape, bytes/(1<<30), float64(free)/(1<<30))
}

// MiB formats a size.
func MiB(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// availableMemory is what the system can hand out without swapping, where it tells.
func availableMemory() (int64, bool) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
