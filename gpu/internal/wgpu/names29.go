//go:build binding29 || (linux && arm64)

package wgpu

import native "github.com/oliverbestmann/webgpu/wgpu"

type (
	Adapter                     = native.Adapter
	AdapterType                 = native.AdapterType
	BackendType                 = native.BackendType
	BindGroup                   = native.BindGroup
	BindGroupDescriptor         = native.BindGroupDescriptor
	BindGroupEntry              = native.BindGroupEntry
	BindGroupLayout             = native.BindGroupLayout
	BindGroupLayoutDescriptor   = native.BindGroupLayoutDescriptor
	BindGroupLayoutEntry        = native.BindGroupLayoutEntry
	BlendComponent              = native.BlendComponent
	BlendState                  = native.BlendState
	Buffer                      = native.Buffer
	BufferBindingLayout         = native.BufferBindingLayout
	BufferDescriptor            = native.BufferDescriptor
	BufferUsage                 = native.BufferUsage
	Color                       = native.Color
	ColorTargetState            = native.ColorTargetState
	CommandBuffer               = native.CommandBuffer
	ComputePipeline             = native.ComputePipeline
	ComputePipelineDescriptor   = native.ComputePipelineDescriptor
	Extent3D                    = native.Extent3D
	FeatureName                 = native.FeatureName
	FragmentState               = native.FragmentState
	Instance                    = native.Instance
	InstanceBackend             = native.InstanceBackend
	Limits                      = native.Limits
	MultisampleState            = native.MultisampleState
	PipelineLayout              = native.PipelineLayout
	PipelineLayoutDescriptor    = native.PipelineLayoutDescriptor
	PresentMode                 = native.PresentMode
	PrimitiveState              = native.PrimitiveState
	ProgrammableStageDescriptor = native.ProgrammableStageDescriptor
	QuerySet                    = native.QuerySet
	QuerySetDescriptor          = native.QuerySetDescriptor
	RenderPassColorAttachment   = native.RenderPassColorAttachment
	RenderPassDescriptor        = native.RenderPassDescriptor
	RenderPipeline              = native.RenderPipeline
	RenderPipelineDescriptor    = native.RenderPipelineDescriptor
	ShaderModule                = native.ShaderModule
	Surface                     = native.Surface
	SurfaceDescriptor           = native.SurfaceDescriptor
	Texture                     = native.Texture
	TextureDescriptor           = native.TextureDescriptor
	TextureFormat               = native.TextureFormat
	TextureView                 = native.TextureView
	VertexState                 = native.VertexState

	SurfaceConfiguration     = native.SurfaceConfiguration
	SurfaceSourceMetalLayer  = native.SurfaceSourceMetalLayer
	SurfaceSourceWindowsHWND = native.SurfaceSourceWindowsHWND
	SurfaceSourceXlibWindow  = native.SurfaceSourceXlibWindow
	TexelCopyBufferInfo      = native.TexelCopyBufferInfo
	TexelCopyBufferLayout    = native.TexelCopyBufferLayout
	TexelCopyTextureInfo     = native.TexelCopyTextureInfo
)

const (
	AdapterTypeCPU                   = native.AdapterTypeCPU
	AdapterTypeDiscreteGPU           = native.AdapterTypeDiscreteGPU
	AdapterTypeIntegratedGPU         = native.AdapterTypeIntegratedGPU
	BackendTypeD3D12                 = native.BackendTypeD3D12
	BackendTypeMetal                 = native.BackendTypeMetal
	BackendTypeOpenGL                = native.BackendTypeOpenGL
	BackendTypeOpenGLES              = native.BackendTypeOpenGLES
	BackendTypeVulkan                = native.BackendTypeVulkan
	BlendFactorOne                   = native.BlendFactorOne
	BlendFactorOneMinusSrcAlpha      = native.BlendFactorOneMinusSrcAlpha
	BlendOperationAdd                = native.BlendOperationAdd
	BufferBindingTypeReadOnlyStorage = native.BufferBindingTypeReadOnlyStorage
	BufferBindingTypeStorage         = native.BufferBindingTypeStorage
	BufferBindingTypeUniform         = native.BufferBindingTypeUniform
	BufferUsageCopyDst               = native.BufferUsageCopyDst
	BufferUsageCopySrc               = native.BufferUsageCopySrc
	BufferUsageMapRead               = native.BufferUsageMapRead
	BufferUsageQueryResolve          = native.BufferUsageQueryResolve
	BufferUsageStorage               = native.BufferUsageStorage
	BufferUsageUniform               = native.BufferUsageUniform
	ColorWriteMaskAll                = native.ColorWriteMaskAll
	LoadOpClear                      = native.LoadOpClear
	PresentModeFifo                  = native.PresentModeFifo
	PresentModeMailbox               = native.PresentModeMailbox
	PrimitiveTopologyTriangleStrip   = native.PrimitiveTopologyTriangleStrip
	QueryTypeTimestamp               = native.QueryTypeTimestamp
	ShaderStageCompute               = native.ShaderStageCompute
	ShaderStageFragment              = native.ShaderStageFragment
	ShaderStageVertex                = native.ShaderStageVertex
	StoreOpStore                     = native.StoreOpStore
	TextureAspectAll                 = native.TextureAspectAll
	TextureDimension2D               = native.TextureDimension2D
	TextureFormatBGRA8Unorm          = native.TextureFormatBGRA8Unorm
	TextureFormatBGRA8UnormSrgb      = native.TextureFormatBGRA8UnormSrgb
	TextureFormatRGBA8Unorm          = native.TextureFormatRGBA8Unorm
	TextureFormatRGBA8UnormSrgb      = native.TextureFormatRGBA8UnormSrgb
	TextureUsageCopySrc              = native.TextureUsageCopySrc
	TextureUsageRenderAttachment     = native.TextureUsageRenderAttachment

	// The binding has the type without its values.
	InstanceBackendVulkan InstanceBackend = 1
	InstanceBackendGL     InstanceBackend = 2
	InstanceBackendMetal  InstanceBackend = 4
	InstanceBackendDX12   InstanceBackend = 8

	QuerySize = native.QuerySize
)
