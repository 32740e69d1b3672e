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
var ErrOutOfMemory = errors.New("out of GPU memory")

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
