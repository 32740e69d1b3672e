//go:build binding29 || (linux && arm64)

package gpu

// IntegerHalves has kernels take and give halves as where the language's own functions are refused.
func (d *Device) IntegerHalves() { d.dev.IntegerHalves = true }
