package gpu

import (
	"fmt"
	"io"
	"strings"
	"time"

	"saccade/gpu/internal/wgpu"
)

// Options choose and configure a device. The zero value takes the best adapter.
type Options struct {
	// Adapter is a part of the wanted adapter's name or driver, in any case.
	Adapter string
	// Backend is vulkan, metal, dx12, gl, or "" for the platform's native ones without OpenGL.
	Backend string
	// PowerPreference is "low" or "high" (default).
	PowerPreference string
	// MaxBinding, if positive, lowers the adapter's largest storage binding, in
	// bytes: operations then split as they would on a smaller adapter.
	MaxBinding int64
	// Class, if set, has operations choose their kernels by the traits of another
	// class of adapter: to verify and compare those that this one would not get.
	Class Class
	// Extensions of WGSL, if not nil, are taken for the adapter's own: to record kernels, for
	// others to look at, that it or the binding does not compile.
	Extensions []string
	// SubmitBudget is the longest time that one submit should take; 50 ms if
	// zero. Drivers reset devices whose submits run for seconds.
	SubmitBudget time.Duration
	// Choices, if not nil, tell which way operations take that can be computed in
	// several; else they take what ops has for the class of adapter.
	Choices Choices
	// Tuner, if not nil, has programs try all ways of their operations when they
	// run, and the choices are not asked.
	Tuner *Tuner
	// Debug are the words of [ParseDebug].
	Debug Debug
	// Log receives what Debug asks for; nothing else is ever printed.
	Log io.Writer
}

// Device is an opened adapter. It is safe for concurrent use: work of several
// goroutines is interleaved submit by submit.
type Device struct {
	info   Info
	traits Traits
	opts   Options

	mu        mutex
	inst      *wgpu.Instance
	flags     wgpu.InstanceBackend // inst's
	adapter   *wgpu.Adapter
	dev       *wgpu.Device
	queue     *wgpu.Queue
	pipelines map[string]*pipeline
	chosen    map[string]*Chosen // by key
	dummy     *buffer
	pace      pace
	period    float64 // nanoseconds per timestamp tick, 0 before calibration
	stats     Stats
	closed    bool
}

// Stats counts what a device has done since it was opened.
type Stats struct {
	Buffers     int   // alive now
	BufferBytes int64 // alive now
	Created     int   // buffers ever made
	Pipelines   int
	Submits     int
	Uploads     int // uploads after creation: the inputs
	UploadBytes int64
	Readbacks   int
	ReadBytes   int64
	Poisoned    int64 // bytes of arenas filled with NaN before runs: see Debug

	// The work of all dispatches that ran, as in Dispatch; Profile's are not counted.
	FLOPs, Saved, Bytes float64
}

// Open opens an adapter and asks for all of its limits. The error wraps
// [ErrNoAdapter] when there is none.
func Open(o Options) (*Device, error) {
	inst, flags, err := newInstance(o.Backend)
	if err != nil {
		return nil, err
	}
	adapters := wgpu.EnumerateAdapters(inst, flags)
	k, err := choose(adapters, o)
	for i, a := range adapters {
		if err != nil || i != k {
			a.Release()
		}
	}
	if err != nil {
		releaseInstance(inst, flags)
		return nil, err
	}
	d := &Device{opts: o, inst: inst, flags: flags, adapter: adapters[k], info: describe(adapters[k]), pipelines: map[string]*pipeline{}, chosen: map[string]*Chosen{}}
	if err := d.open(); err != nil {
		d.Close()
		return nil, fmt.Errorf("%w: opening %s: %v", ErrNoAdapter, d.info.Name, err)
	}
	return d, nil
}

func (d *Device) open() error {
	if d.opts.SubmitBudget <= 0 {
		d.opts.SubmitBudget = 50 * time.Millisecond
	}
	dev, err := wgpu.RequestDevice(d.adapter)
	if err != nil {
		return err
	}
	d.dev, d.queue = dev, dev.GetQueue()
	if d.opts.MaxBinding > 0 {
		d.info.Limits.MaxBinding = min(d.info.Limits.MaxBinding, d.opts.MaxBinding)
	}
	if d.opts.Class != "" {
		d.info.Class = d.opts.Class
	}
	if d.opts.Extensions != nil {
		d.info.Extensions = d.opts.Extensions
	}
	d.traits = d.info.Traits()
	d.pace = newPace(d.info.Software())
	d.dummy, err = d.newBuffer("dummy", UniformWindow, wgpu.BufferUsageStorage|wgpu.BufferUsageUniform|wgpu.BufferUsageCopyDst)
	return err
}

// Info describes the adapter; its limits are those in force.
func (d *Device) Info() Info { return d.info }

// Traits are the reasons by which operations choose; those of Options.Class, if it is set.
func (d *Device) Traits() Traits { return d.traits }

// Stats returns the counters.
func (d *Device) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// Close releases the device. Programs and constants made from it must be closed before.
func (d *Device) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	if d.dev != nil {
		d.settle()
	}
	for _, p := range d.pipelines {
		p.release()
	}
	if d.dummy != nil {
		d.dummy.releaseLocked()
	}
	if d.queue != nil {
		d.queue.Release()
	}
	if d.dev != nil {
		d.dev.Release()
	}
	d.adapter.Release()
	releaseInstance(d.inst, d.flags)
}

// logf writes a debug line.
func (d *Device) logf(format string, args ...any) {
	if d.opts.Log != nil {
		fmt.Fprintf(d.opts.Log, format+"\n", args...)
	}
}

// oneLine makes an error of the binding, which spans lines, a single one.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
