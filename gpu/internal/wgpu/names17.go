//go:build !binding29 && !(linux && arm64)

package wgpu

import native "github.com/rajveermalviya/go-webgpu/wgpu"

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

	// Named otherwise here than in WebGPU.
	CommandEncoder           = native.CommandEncoder
	ComputePassEncoder       = native.ComputePassEncoder
	Device                   = native.Device
	Queue                    = native.Queue
	RenderPassEncoder        = native.RenderPassEncoder
	SurfaceConfiguration     = native.SwapChainDescriptor
	SurfaceSourceMetalLayer  = native.SurfaceDescriptorFromMetalLayer
	SurfaceSourceWindowsHWND = native.SurfaceDescriptorFromWindowsHWND
	SurfaceSourceXlibWindow  = native.SurfaceDescriptorFromXlibWindow
	SwapChain                = native.SwapChain
	TexelCopyBufferInfo      = native.ImageCopyBuffer
	TexelCopyBufferLayout    = native.TextureDataLayout
	TexelCopyTextureInfo     = native.ImageCopyTexture
)

const (
	AdapterTypeCPU                   = native.AdapterType_CPU
	AdapterTypeDiscreteGPU           = native.AdapterType_DiscreteGPU
	AdapterTypeIntegratedGPU         = native.AdapterType_IntegratedGPU
	BackendTypeD3D12                 = native.BackendType_D3D12
	BackendTypeMetal                 = native.BackendType_Metal
	BackendTypeOpenGL                = native.BackendType_OpenGL
	BackendTypeOpenGLES              = native.BackendType_OpenGLES
	BackendTypeVulkan                = native.BackendType_Vulkan
	BlendFactorOne                   = native.BlendFactor_One
	BlendFactorOneMinusSrcAlpha      = native.BlendFactor_OneMinusSrcAlpha
	BlendOperationAdd                = native.BlendOperation_Add
	BufferBindingTypeReadOnlyStorage = native.BufferBindingType_ReadOnlyStorage
	BufferBindingTypeStorage         = native.BufferBindingType_Storage
	BufferBindingTypeUniform         = native.BufferBindingType_Uniform
	BufferUsageCopyDst               = native.BufferUsage_CopyDst
	BufferUsageCopySrc               = native.BufferUsage_CopySrc
	BufferUsageMapRead               = native.BufferUsage_MapRead
	BufferUsageQueryResolve          = native.BufferUsage_QueryResolve
	BufferUsageStorage               = native.BufferUsage_Storage
	BufferUsageUniform               = native.BufferUsage_Uniform
	ColorWriteMaskAll                = native.ColorWriteMask_All
	LoadOpClear                      = native.LoadOp_Clear
	PresentModeFifo                  = native.PresentMode_Fifo
	PresentModeMailbox               = native.PresentMode_Mailbox
	PrimitiveTopologyTriangleStrip   = native.PrimitiveTopology_TriangleStrip
	QueryTypeTimestamp               = native.QueryType_Timestamp
	ShaderStageCompute               = native.ShaderStage_Compute
	ShaderStageFragment              = native.ShaderStage_Fragment
	ShaderStageVertex                = native.ShaderStage_Vertex
	StoreOpStore                     = native.StoreOp_Store
	TextureAspectAll                 = native.TextureAspect_All
	TextureDimension2D               = native.TextureDimension_2D
	TextureFormatBGRA8Unorm          = native.TextureFormat_BGRA8Unorm
	TextureFormatBGRA8UnormSrgb      = native.TextureFormat_BGRA8UnormSrgb
	TextureFormatRGBA8Unorm          = native.TextureFormat_RGBA8Unorm
	TextureFormatRGBA8UnormSrgb      = native.TextureFormat_RGBA8UnormSrgb
	TextureUsageCopySrc              = native.TextureUsage_CopySrc
	TextureUsageRenderAttachment     = native.TextureUsage_RenderAttachment

	InstanceBackendDX12   = native.InstanceBackend_DX12
	InstanceBackendGL     = native.InstanceBackend_GL
	InstanceBackendMetal  = native.InstanceBackend_Metal
	InstanceBackendVulkan = native.InstanceBackend_Vulkan

	QuerySize = native.QuerySize
)
