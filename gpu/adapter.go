package gpu

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"saccade/gpu/internal/wgpu"
)

// ErrNoAdapter is wrapped by Open when no adapter, or none that was asked for, can be used.
var ErrNoAdapter = errors.New("no usable GPU adapter")

// Class is a row of the table of traits: see [Traits].
type Class string

// The adapter classes, told apart by type and PCI vendor.
const (
	ClassCPU      Class = "cpu" // software: lavapipe, SwiftShader, WARP
	ClassNVIDIA   Class = "nvidia"
	ClassAMD      Class = "amd"
	ClassIntel    Class = "intel"
	ClassApple    Class = "apple"
	ClassQualcomm Class = "qualcomm"
	ClassOther    Class = "other"
	ClassFXC      Class = "fxc" // any whose shaders DirectX 12's older compiler translates
)

// Limits are the adapter's own limits, in bytes or counts.
type Limits struct {
	MaxBinding          int64 `json:"max_binding_bytes"`
	MaxUniform          int64 `json:"max_uniform_bytes"` // largest binding of a uniform buffer
	MaxBuffer           int64 `json:"max_buffer_bytes"`
	MaxWorkgroupStorage int   `json:"max_workgroup_storage_bytes"`
	MaxInvocations      int   `json:"max_invocations_per_workgroup"`
	MaxWorkgroups       int   `json:"max_workgroups_per_dimension"`
	MaxStorageBindings  int   `json:"max_storage_buffers_per_stage"`
	OffsetAlignment     int64 `json:"min_storage_offset_alignment"`
	UniformAlignment    int64 `json:"min_uniform_offset_alignment"`
}

// Info describes an adapter.
type Info struct {
	Name       string `json:"name"`
	Vendor     string `json:"vendor"`
	VendorID   uint32 `json:"vendor_id"`
	Driver     string `json:"driver"`
	Backend    string `json:"backend"` // vulkan, metal, dx12 or gl
	Type       string `json:"type"`    // discrete, integrated, cpu or unknown
	Class      Class  `json:"class"`
	Timestamps bool   `json:"timestamps"`
	Limits     Limits `json:"limits"`

	// Binding is the Go module, and its version, that speaks to the drivers and translates kernels.
	Binding string `json:"binding"`

	// Features are those that the adapter and the binding have and that matter to compute, by
	// WebGPU's names.
	Features []string `json:"features"`

	// Extensions are those of WGSL that kernels may enable: f16 and subgroups, where the adapter
	// has them and the binding translates them.
	Extensions []string `json:"wgsl_extensions,omitempty"`

	// SubgroupMin and SubgroupMax are invocations that run together, 0 where the binding does not tell.
	SubgroupMin int `json:"subgroup_min,omitempty"`
	SubgroupMax int `json:"subgroup_max,omitempty"`

	// ShaderCompiler is DirectX 12's, dxc or fxc.
	ShaderCompiler string `json:"shader_compiler,omitempty"`
}

// Software says whether the adapter computes on the CPU.
func (i Info) Software() bool { return i.Type == "cpu" }

// driver is what the texts of name and driver tell beyond the type; nothing else
// parses them.
type driver struct {
	llvmpipe bool
	lanes    int // llvmpipe's, which are a subgroup
	mesa     int // major version, 0 for other drivers
}

var (
	mesaVersion  = regexp.MustCompile(`Mesa (\d+)\.`)
	llvmpipeBits = regexp.MustCompile(`llvmpipe \(.*, (\d+) bits\)`)
)

func (i Info) driver() driver {
	d := driver{llvmpipe: strings.Contains(strings.ToLower(i.Name), "llvmpipe")}
	if m := mesaVersion.FindStringSubmatch(i.Driver); m != nil {
		d.mesa, _ = strconv.Atoi(m[1])
	}
	if m := llvmpipeBits.FindStringSubmatch(i.Name); m != nil {
		d.lanes, _ = strconv.Atoi(m[1])
		d.lanes /= 32
	}
	return d
}

// String is one line: name, driver, backend and type.
func (i Info) String() string {
	parts := []string{i.Name, i.Driver, i.Backend, i.Type}
	if i.Driver == "" { // OpenGL does not tell
		parts = slices.Delete(parts, 1, 2)
	}
	s := strings.Join(parts, ", ")
	if i.Software() {
		s += " (software adapter)"
	}
	return s
}

// instanceBackends maps a backend's name to wgpu's flag. OpenGL is used only
// when asked for: with it a machine without a Vulkan driver would still yield
// a software adapter of lesser limits.
func instanceBackends(name string) (wgpu.InstanceBackend, error) {
	switch strings.ToLower(name) {
	case "", "primary":
		return wgpu.InstanceBackendVulkan | wgpu.InstanceBackendMetal | wgpu.InstanceBackendDX12, nil
	case "vulkan":
		return wgpu.InstanceBackendVulkan, nil
	case "metal":
		return wgpu.InstanceBackendMetal, nil
	case "dx12":
		return wgpu.InstanceBackendDX12, nil
	case "gl":
		return wgpu.InstanceBackendGL, nil
	}
	return 0, fmt.Errorf("backend %q is unknown: vulkan, metal, dx12 and gl are known", name)
}

// newInstance silences the drivers' and the binding's chatter and makes an instance.
func newInstance(backend string) (*wgpu.Instance, wgpu.InstanceBackend, error) {
	flags, err := instanceBackends(backend)
	if err != nil {
		return nil, 0, err
	}
	if runtime.GOOS == "linux" && os.Getenv("XDG_RUNTIME_DIR") == "" {
		// Mesa and libwayland print a line on stderr when it is unset.
		if err := os.Setenv("XDG_RUNTIME_DIR", os.TempDir()); err != nil {
			return nil, 0, fmt.Errorf("setting XDG_RUNTIME_DIR: %w", err)
		}
	}
	compiler, validator := dxc()
	return wgpu.NewInstance(flags, compiler, validator), flags, nil
}

// releaseInstance lets an instance go, unless it is of OpenGL: that would end
// the display that all instances of the process share, under their devices.
func releaseInstance(inst *wgpu.Instance, flags wgpu.InstanceBackend) {
	if flags != wgpu.InstanceBackendGL {
		inst.Release()
	}
}

// Adapters lists the adapters of a backend ("" for the native ones, see [Options]).
func Adapters(backend string) ([]Info, error) {
	inst, flags, err := newInstance(backend)
	if err != nil {
		return nil, err
	}
	defer releaseInstance(inst, flags)
	var infos []Info
	for _, a := range wgpu.EnumerateAdapters(inst, flags) {
		infos = append(infos, describe(a))
		a.Release()
	}
	return infos, nil
}

func describe(a *wgpu.Adapter) Info {
	p := wgpu.PropertiesOf(a)
	l := wgpu.LimitsOf(a)
	i := Info{
		Name:       p.Name,
		VendorID:   p.VendorID,
		Driver:     p.Driver,
		Backend:    backendName(p.BackendType),
		Type:       typeName(p.AdapterType),
		Timestamps: p.Timestamps,
		Features:   p.Features,
		Extensions: p.Extensions,
		Binding:    Binding(),

		SubgroupMin: p.SubgroupMin,
		SubgroupMax: p.SubgroupMax,
		Limits: Limits{
			MaxBinding:          clampLimit(l.MaxStorageBufferBindingSize),
			MaxUniform:          clampLimit(l.MaxUniformBufferBindingSize),
			MaxBuffer:           clampLimit(l.MaxBufferSize),
			MaxWorkgroupStorage: int(l.MaxComputeWorkgroupStorageSize),
			MaxInvocations:      int(l.MaxComputeInvocationsPerWorkgroup),
			MaxWorkgroups:       int(l.MaxComputeWorkgroupsPerDimension),
			MaxStorageBindings:  int(l.MaxStorageBuffersPerShaderStage),
			OffsetAlignment:     int64(l.MinStorageBufferOffsetAlignment),
			UniformAlignment:    int64(l.MinUniformBufferOffsetAlignment),
		},
	}
	if i.Backend == "gl" {
		i.Timestamps = false // it may stamp before the work is done
	}
	if i.Backend == "gl" && i.driver().llvmpipe {
		i.Type = "cpu" // OpenGL does not tell; the name does
	}
	if i.Backend == "dx12" {
		i.ShaderCompiler = "fxc"
		if compiler, _ := dxc(); compiler != "" {
			i.ShaderCompiler = "dxc"
		}
	}
	i.Vendor, i.Class = vendor(p.VendorID, i)
	if i.ShaderCompiler == "fxc" {
		i.Class = ClassFXC
	}
	return i
}

// clampLimit keeps a limit below 2 GiB: larger buffers fail inside the binding.
func clampLimit(n uint64) int64 { return int64(min(n, 1<<31-256)) }

func vendor(id uint32, i Info) (string, Class) {
	names := map[uint32]struct {
		name  string
		class Class
	}{
		0x10de: {"NVIDIA", ClassNVIDIA}, 0x1002: {"AMD", ClassAMD}, 0x8086: {"Intel", ClassIntel},
		0x106b: {"Apple", ClassApple}, 0x5143: {"Qualcomm", ClassQualcomm}, 0x13b5: {"ARM", ClassOther},
		0x10005: {"Mesa", ClassOther}, 0x1ae0: {"Google", ClassOther}, 0x1414: {"Microsoft", ClassOther},
	}
	v, ok := names[id]
	if !ok {
		v.name, v.class = fmt.Sprintf("0x%x", id), ClassOther
	}
	if i.Software() {
		v.class = ClassCPU
	} else if i.Backend == "metal" && strings.HasPrefix(i.Name, "Apple") {
		v.name, v.class = "Apple", ClassApple
	}
	return v.name, v.class
}

func backendName(b wgpu.BackendType) string {
	switch b {
	case wgpu.BackendTypeVulkan:
		return "vulkan"
	case wgpu.BackendTypeMetal:
		return "metal"
	case wgpu.BackendTypeD3D12:
		return "dx12"
	case wgpu.BackendTypeOpenGL, wgpu.BackendTypeOpenGLES:
		return "gl"
	}
	return "unknown"
}

func typeName(t wgpu.AdapterType) string {
	switch t {
	case wgpu.AdapterTypeDiscreteGPU:
		return "discrete"
	case wgpu.AdapterTypeIntegratedGPU:
		return "integrated"
	case wgpu.AdapterTypeCPU:
		return "cpu"
	}
	return "unknown"
}

// rank orders adapters, the best first: discrete before integrated, or the other way round for low
// power, software last; among those alike the ones of Vulkan or Metal before those of DirectX 12.
func rank(i Info, power string) int {
	order := []string{"discrete", "integrated", "unknown", "cpu"}
	if power == "low" {
		order = []string{"integrated", "discrete", "unknown", "cpu"}
	}
	r := 2 * slices.Index(order, i.Type)
	if i.Backend == "dx12" {
		r++
	}
	return r
}

// choose picks an adapter: of those that match the name, if one is given, the one of the best rank.
func choose(adapters []*wgpu.Adapter, o Options) (int, error) {
	best, bestRank, names := -1, 0, []string{}
	for k, a := range adapters {
		i := describe(a)
		names = append(names, i.Name)
		if o.Adapter != "" && !strings.Contains(strings.ToLower(i.String()), strings.ToLower(o.Adapter)) {
			continue
		}
		if r := rank(i, o.PowerPreference); best < 0 || r < bestRank {
			best, bestRank = k, r
		}
	}
	switch {
	case best >= 0:
		return best, nil
	case len(adapters) == 0:
		return 0, fmt.Errorf("%w: no %s driver answered; install one (on Debian and Ubuntu: mesa-vulkan-drivers)", ErrNoAdapter, orNative(o.Backend))
	}
	return 0, fmt.Errorf("%w: none matches %q; there are: %s", ErrNoAdapter, o.Adapter, strings.Join(names, "; "))
}

func orNative(backend string) string {
	if backend != "" {
		return backend
	}
	switch runtime.GOOS {
	case "darwin":
		return "Metal"
	case "windows":
		return "Vulkan or DirectX 12"
	}
	return "Vulkan"
}
