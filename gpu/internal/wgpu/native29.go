//go:build binding29 || (linux && arm64)

package wgpu

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Of wgpu-native's C interface (webgpu.h, wgpu.h), which the binding links.

typedef struct { const char *data; size_t length; } saccade_text;
typedef void (*saccade_callback)(void);
typedef struct { void *next; uint32_t mode; saccade_callback callback; void *user1, *user2; } saccade_answer;
typedef struct { uint64_t id; } saccade_future;

// A structure WGPULimits, of which only its adapter and its device need to know the members:
// room for them and for some more.
typedef struct { void *next; uint32_t members[126]; } saccade_limits;

typedef struct {
	void *next;
	saccade_text label;
	size_t featureCount;
	const uint32_t *features;
	const saccade_limits *limits;
	struct { void *next; saccade_text label; } queue;
	saccade_answer lost;
	struct { void *next; saccade_callback callback; void *user1, *user2; } uncaptured;
} saccade_device;

typedef struct {
	void *next;
	saccade_text vendor, architecture, device, description;
	uint32_t backend, type, vendorID, deviceID, subgroupMin, subgroupMax;
} saccade_info;

extern uint32_t wgpuAdapterGetInfo(void *adapter, saccade_info *info);
extern void wgpuAdapterInfoFreeMembers(saccade_info info);
extern uint32_t wgpuAdapterGetLimits(void *adapter, saccade_limits *limits);
extern saccade_future wgpuAdapterRequestDevice(void *adapter, const saccade_device *descriptor, saccade_answer answer);
extern saccade_future wgpuBufferMapAsync(void *buffer, uint64_t mode, size_t offset, size_t size, saccade_answer answer);
extern void wgpuCommandEncoderWriteTimestamp(void *encoder, void *set, uint32_t index);

enum { saccade_spontaneous = 3 };

typedef struct { void *device; char message[1024]; } saccade_opened;

static void saccade_requested(uint32_t status, void *device, saccade_text message, void *user1, void *user2) {
	saccade_opened *o = user1;
	if (status == 1) {
		o->device = device;
		return;
	}
	size_t n = message.data == NULL ? 0 : message.length == SIZE_MAX ? strlen(message.data) : message.length;
	if (n >= sizeof o->message) n = sizeof o->message - 1;
	memcpy(o->message, message.data, n);
}

// The binding's own drops two limits, so that they become zero: maxColorAttachmentBytesPerSample,
// without which nothing can be drawn, and maxBindGroupsPlusVertexBuffers.
static saccade_opened *saccade_open(void *adapter, uint32_t *features, size_t count) {
	saccade_opened *o = calloc(1, sizeof *o);
	saccade_limits limits = {0};
	wgpuAdapterGetLimits(adapter, &limits);
	limits.next = NULL;
	saccade_device d = {0};
	d.featureCount = count;
	d.features = features;
	d.limits = &limits;
	saccade_answer a = {NULL, saccade_spontaneous, (saccade_callback)saccade_requested, o, NULL};
	wgpuAdapterRequestDevice(adapter, &d, a);
	return o;
}

// The binding's own leaves the subgroups out.
static void saccade_subgroups(void *adapter, uint32_t *min, uint32_t *max) {
	saccade_info info = {0};
	if (wgpuAdapterGetInfo(adapter, &info) != 1) return;
	*min = info.subgroupMin;
	*max = info.subgroupMax;
	wgpuAdapterInfoFreeMembers(info);
}

static void saccade_mapped(uint32_t status, saccade_text message, void *user1, void *user2) { *(int *)user1 = (int)status; }

// The binding's own would need a callback into Go.
static void saccade_map_read(void *buffer, size_t size, int *status) {
	saccade_answer a = {NULL, saccade_spontaneous, (saccade_callback)saccade_mapped, status, NULL};
	wgpuBufferMapAsync(buffer, 1, 0, size, a);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	native "github.com/oliverbestmann/webgpu/wgpu"
)

// Module is the binding's Go module.
const Module = "github.com/oliverbestmann/webgpu"

// mapped is the status of a mapping that succeeded.
const mapped = 1

// Features of wgpu's own, which the binding does not name.
const (
	featureSubgroups          FeatureName = 0x00030021
	featureSubgroupBarrier    FeatureName = 0x00030023
	featureTimestampsEncoders FeatureName = 0x00030024
	featureCooperativeMatrix  FeatureName = 0x0003003B
)

// The list that the binding gives is freed by the wrong allocator on Windows, so each is asked for.
var features = []feature{
	{"timestamp-query", native.FeatureNameTimestampQuery},
	{"timestamp-query-inside-encoders", featureTimestampsEncoders},
	{"shader-f16", native.FeatureNameShaderF16},
	{"subgroups", featureSubgroups},
	{"subgroup-barrier", featureSubgroupBarrier},
	{"cooperative-matrix", featureCooperativeMatrix},
}

// Each object of the binding begins with its handle.
func ref[T any](object *T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(object)) }

// NewInstance makes an instance that says nothing, with DirectX 12's newer shader compiler
// where it is given; this version finds its validator by itself.
func NewInstance(backends InstanceBackend, compiler, _ string) *Instance {
	native.SetLogLevel(native.LogLevelOff)
	desc := &native.InstanceDescriptor{Backends: backends}
	if compiler != "" {
		desc.Dx12ShaderCompiler, desc.DxcPath = native.Dx12CompilerDxc, compiler
	}
	return native.CreateInstance(desc)
}

// EnumerateAdapters lists the adapters of some backends.
func EnumerateAdapters(inst *Instance, backends InstanceBackend) []*Adapter {
	return inst.EnumerateAdapters(&native.InstanceEnumerateAdapterOptons{Backends: backends})
}

// PropertiesOf describes an adapter.
func PropertiesOf(a *Adapter) Properties {
	p := a.GetInfo()
	var least, most C.uint32_t
	C.saccade_subgroups(ref(a), &least, &most)
	return Properties{
		Name: p.Device, VendorID: p.VendorId, Driver: strings.TrimSpace(p.Vendor + " " + p.Description),
		BackendType: p.BackendType, AdapterType: p.AdapterType,
		Features: named(a), Timestamps: timestamps(a), Extensions: extensionsOf(a),
		SubgroupMin: int(least), SubgroupMax: int(most),
	}
}

// extensions are those of WGSL, with the feature that a device needs for each.
var extensions = map[string]FeatureName{"f16": native.FeatureNameShaderF16, "subgroups": featureSubgroups}

func extensionsOf(a *Adapter) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if a.HasFeature(extensions[name]) {
			all = append(all, name)
		}
	}
	return all
}

func timestamps(a *Adapter) bool {
	return a.HasFeature(native.FeatureNameTimestampQuery) && a.HasFeature(featureTimestampsEncoders)
}

// LimitsOf are an adapter's own limits.
func LimitsOf(a *Adapter) Limits { return a.GetLimits() }

// Device is the binding's, whose methods return their errors.
type Device struct {
	*native.Device
	IntegerHalves bool // kernels take and give halves by integers
}

// RequestDevice opens an adapter with all of its limits, and with timestamps and extensions of
// WGSL where it has them.
func RequestDevice(a *Adapter) (*Device, error) {
	wanted := []FeatureName{}
	for _, name := range extensionsOf(a) {
		wanted = append(wanted, extensions[name])
	}
	if timestamps(a) {
		wanted = append(wanted, native.FeatureNameTimestampQuery, featureTimestampsEncoders)
	}
	o := C.saccade_open(ref(a), (*C.uint32_t)(unsafe.Pointer(unsafe.SliceData(wanted))), C.size_t(len(wanted)))
	defer C.free(unsafe.Pointer(o))
	if o.device == nil {
		return nil, errors.New(C.GoString(&o.message[0]))
	}
	d := &native.Device{}
	*(*unsafe.Pointer)(unsafe.Pointer(d)) = o.device
	runtime.KeepAlive(a)
	return &Device{d, lacksHalves(d)}, nil
}

// CreateBindGroup makes a bind group.
func (d *Device) CreateBindGroup(desc *BindGroupDescriptor) (*BindGroup, error) {
	return d.TryCreateBindGroup(desc)
}

// CreateBindGroupLayout makes the layout of bind groups.
func (d *Device) CreateBindGroupLayout(desc *BindGroupLayoutDescriptor) (*BindGroupLayout, error) {
	return d.TryCreateBindGroupLayout(desc)
}

// CreateBuffer makes a buffer.
func (d *Device) CreateBuffer(desc *BufferDescriptor) (*Buffer, error) {
	return d.TryCreateBuffer(desc)
}

// CreateCommandEncoder makes an encoder of commands.
func (d *Device) CreateCommandEncoder(*native.CommandEncoderDescriptor) (*CommandEncoder, error) {
	e, err := d.TryCreateCommandEncoder(nil)
	return &CommandEncoder{e}, err
}

// CreateComputePipeline makes a pipeline that computes.
func (d *Device) CreateComputePipeline(desc *ComputePipelineDescriptor) (*ComputePipeline, error) {
	return d.TryCreateComputePipeline(desc)
}

// CreatePipelineLayout makes the layout of pipelines.
func (d *Device) CreatePipelineLayout(desc *PipelineLayoutDescriptor) (*PipelineLayout, error) {
	return d.TryCreatePipelineLayout(desc)
}

// CreateQuerySet makes queries.
func (d *Device) CreateQuerySet(desc *QuerySetDescriptor) (*QuerySet, error) {
	return d.TryCreateQuerySet(desc)
}

// CreateRenderPipeline makes a pipeline that draws.
func (d *Device) CreateRenderPipeline(desc *RenderPipelineDescriptor) (*RenderPipeline, error) {
	return d.TryCreateRenderPipeline(desc)
}

// CreateTexture makes a texture.
func (d *Device) CreateTexture(desc *TextureDescriptor) (*Texture, error) {
	return d.TryCreateTexture(desc)
}

// GetQueue is the device's queue.
func (d *Device) GetQueue() *Queue { return &Queue{d.Device.GetQueue()} }

// CreateShaderModule compiles WGSL. This naga has the functions of subgroups, but refuses the
// line that WGSL demands of whoever calls them.
func CreateShaderModule(d *Device, label, wgsl string) (*ShaderModule, error) {
	wgsl = strings.Replace(wgsl, "enable subgroups;\n", "", 1)
	if d.IntegerHalves {
		wgsl += integerHalves
	}
	return d.TryCreateShaderModule(&native.ShaderModuleDescriptor{Label: label, WGSLSource: &native.ShaderSourceWGSL{Code: wgsl}})
}

// CreateView is a view of a whole texture.
func CreateView(t *Texture) (*TextureView, error) { return t.TryCreateView(nil) }

// Unmap ends a mapping.
func Unmap(b *Buffer) error { return b.TryUnmap() }

func mapRead(b *Buffer, size int64, status *int32) {
	C.saccade_map_read(ref(b), C.size_t(size), (*C.int)(unsafe.Pointer(status)))
}

// Queue is the binding's, whose methods return their errors.
type Queue struct{ *native.Queue }

// WriteBuffer copies bytes to a buffer, before what is submitted later.
func (q *Queue) WriteBuffer(b *Buffer, offset uint64, data []byte) error {
	return q.TryWriteBuffer(b, offset, data)
}

// CommandEncoder is the binding's, whose methods return their errors.
type CommandEncoder struct{ *native.CommandEncoder }

// BeginComputePass begins a pass that computes.
func (e *CommandEncoder) BeginComputePass(*native.ComputePassDescriptor) *ComputePassEncoder {
	return &ComputePassEncoder{e.CommandEncoder.BeginComputePass(nil)}
}

// CopyBufferToBuffer copies within the device.
func (e *CommandEncoder) CopyBufferToBuffer(from *Buffer, fromOffset uint64, to *Buffer, toOffset, size uint64) error {
	return e.TryCopyBufferToBuffer(from, fromOffset, to, toOffset, size)
}

// CopyTextureToBuffer copies within the device.
func (e *CommandEncoder) CopyTextureToBuffer(from *TexelCopyTextureInfo, to *TexelCopyBufferInfo, size *Extent3D) error {
	return e.TryCopyTextureToBuffer(from, to, size)
}

// ResolveQuerySet writes what queries gave to a buffer.
func (e *CommandEncoder) ResolveQuerySet(q *QuerySet, first, count uint32, to *Buffer, offset uint64) error {
	return e.TryResolveQuerySet(q, first, count, to, offset)
}

// WriteTimestamp has a query take the time, which the binding has no method for. Errors show
// when the encoder is finished.
func (e *CommandEncoder) WriteTimestamp(q *QuerySet, index uint32) error {
	C.wgpuCommandEncoderWriteTimestamp(ref(e.CommandEncoder), ref(q), C.uint32_t(index))
	return nil
}

// Finish ends the encoding.
func (e *CommandEncoder) Finish(*native.CommandBufferDescriptor) (*CommandBuffer, error) {
	return e.TryFinish(nil)
}

// ComputePassEncoder is the binding's, whose methods return their errors.
type ComputePassEncoder struct{ *native.ComputePassEncoder }

// End ends the pass.
func (p *ComputePassEncoder) End() error { return p.TryEnd() }

// RenderPassEncoder is the binding's, whose methods return their errors.
type RenderPassEncoder struct{ *native.RenderPassEncoder }

// BeginRenderPass begins a pass that draws.
func BeginRenderPass(e *CommandEncoder, desc *RenderPassDescriptor) (*RenderPassEncoder, error) {
	p, err := e.TryBeginRenderPass(desc)
	return &RenderPassEncoder{p}, err
}

// End ends the pass.
func (p *RenderPassEncoder) End() error { return p.TryEnd() }

// SwapChain gives a surface's pictures in turn.
type SwapChain struct {
	s *Surface
	t *Texture // acquired and not yet presented
}

// CreateSwapChain has a surface give pictures of a size to draw on.
func CreateSwapChain(d *Device, s *Surface, c *SurfaceConfiguration) (*SwapChain, error) {
	s.Configure(d.Device, c)
	return &SwapChain{s: s}, nil
}

// GetCurrentTextureView acquires the next picture.
func (c *SwapChain) GetCurrentTextureView() (*TextureView, error) {
	t, err := c.s.TryGetCurrentTexture()
	if err != nil {
		return nil, err
	}
	if !t.IsStatusSuccess() {
		t.Texture.Release()
		return nil, fmt.Errorf("acquiring a picture of the surface: status %d", t.Status)
	}
	view, err := t.Texture.TryCreateView(nil)
	if err != nil {
		t.Texture.Release()
		return nil, err
	}
	c.t = t.Texture
	return view, nil
}

// Present shows what was acquired.
func (c *SwapChain) Present() {
	c.s.Present()
	c.t.Release()
	c.t = nil
}

// Release has nothing to free: the surface keeps its configuration until it gets another.
func (c *SwapChain) Release() {}
