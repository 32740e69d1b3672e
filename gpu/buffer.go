package gpu

import (
	"fmt"

	"saccade/gpu/internal/wgpu"
)

// buffer is device memory that knows its size and its device.
type buffer struct {
	d    *Device
	b    *wgpu.Buffer
	size int64
}

// newBuffer makes a buffer; the caller holds d.mu or is alone.
func (d *Device) newBuffer(label string, size int64, usage wgpu.BufferUsage) (*buffer, error) {
	return d.createBuffer(label, size, usage, false)
}

func (d *Device) createBuffer(label string, size int64, usage wgpu.BufferUsage, mapped bool) (*buffer, error) {
	size = bufferSize(size)
	if size > d.info.Limits.MaxBuffer {
		return nil, fmt.Errorf("%s: a buffer of %d bytes exceeds the adapter's largest, %d", label, size, d.info.Limits.MaxBuffer)
	}
	b, err := d.dev.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(size), Usage: usage, MappedAtCreation: mapped})
	if err != nil {
		return nil, fmt.Errorf("%s: making a buffer of %d bytes: %s", label, size, oneLine(err))
	}
	d.stats.Buffers++
	d.stats.Created++
	d.stats.BufferBytes += size
	return &buffer{d: d, b: b, size: size}, nil
}

// releaseLocked frees the memory; the buffer must not be in use by work under
// way. The caller holds d.mu.
func (b *buffer) releaseLocked() {
	if b == nil || b.b == nil {
		return
	}
	b.b.Destroy()
	b.b.Release()
	b.b = nil
	b.d.stats.Buffers--
	b.d.stats.BufferBytes -= b.size
}

// alive says whether the buffer has its memory. The caller holds d.mu.
func (b *buffer) alive() bool { return b != nil && b.b != nil }

// mapRead maps a staging buffer, calls f with its bytes and unmaps it. The
// caller holds d.mu and has submitted the copy into it.
func (b *buffer) mapRead(size int64, f func([]byte)) error {
	m := wgpu.MapRead(b.b, size)
	defer m.Release()
	b.d.pollUntil(func(bool) bool { return m.Done() })
	if status, failed := m.Failed(); failed {
		return fmt.Errorf("reading %d bytes back from the GPU: mapping failed with status %d (device lost?)", size, status)
	}
	b.d.stats.Readbacks++
	b.d.stats.ReadBytes += size
	f(b.b.GetMappedRange(0, uint(size)))
	return wgpu.Unmap(b.b)
}
