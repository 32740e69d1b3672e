package cli

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models"
)

// Choice says which adapter is wanted. What flags leave open the environment
// decides: WGPU_ADAPTER_NAME, WGPU_BACKEND, WGPU_POWER_PREFERENCE.
type Choice struct {
	Adapter string // by -adapter; "" if that was not given
	Backend string // by -backend, one of Backends; "" if that was not given
	Tuning
}

// Backends are the names that -backend and WGPU_BACKEND take.
func Backends() []string { return []string{"vulkan", "metal", "dx12", "gl"} }

// Flags defines -adapter and -backend, and those of Tuning.
func (c *Choice) Flags(f *flag.FlagSet) {
	f.StringVar(&c.Adapter, "adapter", "", "`TEXT`: a part of the name or driver of the adapter to use (or WGPU_ADAPTER_NAME)")
	f.Func("backend", "`vulkan|metal|dx12|gl`: which to use (or WGPU_BACKEND); OpenGL only when asked for", func(s string) error {
		c.Backend = strings.ToLower(s)
		return check(c.Backend)
	})
	c.Tuning.flags(f)
}

func check(backend string) error {
	if slices.Contains(Backends(), backend) {
		return nil
	}
	return fmt.Errorf("expected vulkan, metal, dx12 or gl; the nearest is %s", models.Nearest(backend, Backends()))
}

// AdapterText is the wanted part of the adapter's name, "" for any.
func (c *Choice) AdapterText(getenv func(string) string) string {
	if c.Adapter != "" {
		return c.Adapter
	}
	return getenv("WGPU_ADAPTER_NAME")
}

// BackendName is the wanted backend, "" for the platform's.
func (c *Choice) BackendName(getenv func(string) string) (string, error) {
	if c.Backend != "" {
		return c.Backend, nil
	}
	name := strings.ToLower(getenv("WGPU_BACKEND"))
	if name == "" || name == "primary" {
		return "", nil
	}
	if err := check(name); err != nil {
		return "", Usagef("WGPU_BACKEND %q: %w", name, err)
	}
	return name, nil
}

// Open opens the chosen device, with the words of SACCADE_DEBUG; what those
// print goes to log, and a note on what makes the adapter slow to start.
func (c *Choice) Open(getenv func(string) string, log io.Writer) (*gpu.Device, error) {
	o := gpu.Options{Adapter: c.AdapterText(getenv), Log: log}
	var err error
	if o.Backend, err = c.BackendName(getenv); err != nil {
		return nil, err
	}
	switch p := strings.ToLower(getenv("WGPU_POWER_PREFERENCE")); p {
	case "", "none", "low", "high":
		o.PowerPreference = p
	default:
		return nil, Usagef("WGPU_POWER_PREFERENCE %q: expected low, high or none", p)
	}
	if o.Debug, err = gpu.ParseDebug(getenv("SACCADE_DEBUG")); err != nil {
		return nil, Usagef("SACCADE_DEBUG: %w", err)
	}
	if err := c.Tuning.open(&o, getenv, log); err != nil {
		return nil, err
	}
	d, err := gpu.Open(o)
	if err == nil && d.Info().Slow() != "" {
		fmt.Fprintln(log, "note:", d.Info().Slow())
	}
	return d, err
}
