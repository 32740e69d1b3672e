package gpu

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// Of wgpu-native's C interface, which the binding links: its own MapAsync leaves
// a pointer into Go's heap in C, where a garbage collection between the call
// and the poll invalidates it. Here the user data is C's own.
extern void wgpuBufferMapAsync(void *buffer, uint32_t mode, size_t offset, size_t size, void (*callback)(int status, void *user), void *user);

static void saccade_mapped(int status, void *user) { *(int *)user = status; }

static void saccade_map_read(void *buffer, size_t size, int *status) {
	*status = -1;
	wgpuBufferMapAsync(buffer, 1, 0, size, saccade_mapped, status);
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/rajveermalviya/go-webgpu/wgpu"
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
	status := (*C.int)(C.calloc(1, C.sizeof_int))
	defer C.free(unsafe.Pointer(status))
	raw := (*struct{ device, ref unsafe.Pointer })(unsafe.Pointer(b.b)).ref
	C.saccade_map_read(raw, C.size_t(size), status)
	b.d.pollUntil(func(bool) bool { return *status != -1 })
	if *status != 0 {
		return fmt.Errorf("reading %d bytes back from the GPU: mapping failed with status %d (device lost?)", size, int(*status))
	}
	b.d.stats.Readbacks++
	b.d.stats.ReadBytes += size
	f(b.b.GetMappedRange(0, uint(size)))
	return b.b.Unmap()
}
