//go:build !binding29 && !(linux && arm64)

package wgpu

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
	wgpuBufferMapAsync(buffer, 1, 0, size, saccade_mapped, status);
}
*/
import "C"

import (
	"strings"
	"unsafe"

	native "github.com/rajveermalviya/go-webgpu/wgpu"
)

// Module is the binding's Go module.
const Module = "github.com/rajveermalviya/go-webgpu/wgpu"

// mapped is the status of a mapping that succeeded.
const mapped = 0

var features = []feature{
	{"timestamp-query", native.FeatureName_TimestampQuery},
	{"shader-f16", native.FeatureName_ShaderF16},
}

// NewInstance makes an instance that says nothing, with DirectX 12's newer shader compiler
// where its two libraries are given.
func NewInstance(backends InstanceBackend, compiler, validator string) *Instance {
	native.SetLogLevel(native.LogLevel_Off)
	desc := &native.InstanceDescriptor{Backends: backends}
	if compiler != "" {
		desc.Dx12ShaderCompiler, desc.DxcPath, desc.DxilPath = native.Dx12Compiler_Dxc, compiler, validator
	}
	return native.CreateInstance(desc)
}

// EnumerateAdapters lists the adapters of some backends.
func EnumerateAdapters(inst *Instance, backends InstanceBackend) []*Adapter {
	return inst.EnumerateAdapters(&native.InstanceEnumerateAdapterOptons{Backends: backends})
}

// PropertiesOf describes an adapter.
func PropertiesOf(a *Adapter) Properties {
	p := a.GetProperties()
	return Properties{
		Name: p.Name, VendorID: p.VendorId, Driver: strings.TrimSpace(p.VendorName + " " + p.DriverDescription),
		BackendType: p.BackendType, AdapterType: p.AdapterType,
		Features: named(a), Timestamps: a.HasFeature(native.FeatureName_TimestampQuery),
	}
}

// LimitsOf are an adapter's own limits.
func LimitsOf(a *Adapter) Limits { return a.GetLimits().Limits }

// RequestDevice opens an adapter with all of its limits, and with timestamps where it has them.
func RequestDevice(a *Adapter) (*Device, error) {
	desc := &native.DeviceDescriptor{RequiredLimits: &native.RequiredLimits{Limits: LimitsOf(a)}}
	if a.HasFeature(native.FeatureName_TimestampQuery) {
		desc.RequiredFeatures = []FeatureName{native.FeatureName_TimestampQuery}
	}
	return a.RequestDevice(desc)
}

// CreateShaderModule compiles WGSL.
func CreateShaderModule(d *Device, label, wgsl string) (*ShaderModule, error) {
	return d.CreateShaderModule(&native.ShaderModuleDescriptor{Label: label, WGSLDescriptor: &native.ShaderModuleWGSLDescriptor{Code: wgsl}})
}

// CreateSwapChain has a surface give pictures of a size to draw on.
func CreateSwapChain(d *Device, s *Surface, c *SurfaceConfiguration) (*SwapChain, error) {
	return d.CreateSwapChain(s, c)
}

// CreateView is a view of a whole texture.
func CreateView(t *Texture) (*TextureView, error) { return t.CreateView(nil) }

// BeginRenderPass begins a pass that draws.
func BeginRenderPass(e *CommandEncoder, desc *RenderPassDescriptor) (*RenderPassEncoder, error) {
	return e.BeginRenderPass(desc), nil
}

// Unmap ends a mapping.
func Unmap(b *Buffer) error { return b.Unmap() }

func mapRead(b *Buffer, size int64, status *int32) {
	ref := (*struct{ device, ref unsafe.Pointer })(unsafe.Pointer(b)).ref
	C.saccade_map_read(ref, C.size_t(size), (*C.int)(unsafe.Pointer(status)))
}
