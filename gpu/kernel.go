package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Kernel is a compute shader with what its text declares: the bindings with
// their access modes, the fields of its parameters and the workgroup size.
// None of that is ever typed a second time in Go.
type Kernel struct {
	Name    string // the operation, as the WGSL file is called
	Variant string // how it was specialised, for tables and logs
	WGSL    string
	// Base, if not empty, is the name of a kernel, as String gives it, that does what
	// this one does with the same parameters and buffers, of which activates is 0 if there
	// is one; where that is i, this one applies the i-th of Activations. A recording that
	// has both runs this one alone, and in place of one that has fewer of these activations
	// too, so that there are fewer to compile.
	Base        string
	Activations []string
	Bindings    []KernelBinding
	Params      []KernelParam
	Workgroup   [3]int
}

// extends says whether k does all that of does, a kernel of the same base.
func (k *Kernel) extends(of *Kernel) bool {
	n := len(of.Activations)
	return len(k.Activations) >= n && slices.Equal(k.Activations[:n], of.Activations)
}

// KernelBinding is a buffer that a kernel declares: a storage buffer, or a
// uniform one, which is an array of Length vectors of 16 bytes.
type KernelBinding struct {
	Index  uint32
	Name   string
	Write  bool
	Length int // of a uniform array; 0 for a storage buffer
}

// least is the smallest window in bytes that the binding accepts.
func (b KernelBinding) least() int64 { return int64(b.Length) * 16 }

// KernelParam is a four-byte field of the kernel's uniform struct.
type KernelParam struct {
	Name string
	Type string // u32, i32 or f32
}

var (
	reStorage   = regexp.MustCompile(`@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:`)
	reArray     = regexp.MustCompile(`@group\(0\)\s*@binding\((\d+)\)\s*var<uniform>\s*(\w+)\s*:\s*array<vec4<[uf]32>,\s*(\d+)>`)
	reUniform   = regexp.MustCompile(`@group\(0\)\s*@binding\(0\)\s*var<uniform>\s*p\s*:\s*Params\s*;`)
	reParams    = regexp.MustCompile(`(?s)struct\s+Params\s*\{(.*?)\}`)
	reField     = regexp.MustCompile(`(\w+)\s*:\s*(u32|i32|f32)\s*,?`)
	reWorkgroup = regexp.MustCompile(`@workgroup_size\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?\)`)
	reComment   = regexp.MustCompile(`//[^\n]*|(?s:/\*.*?\*/)`)
)

// ParseKernel reads the interface of a shader whose entry point is main, whose
// binding 0 is `var<uniform> p: Params` and whose buffers follow from 1.
func ParseKernel(name, variant, wgsl string) (*Kernel, error) {
	k, err := parseBindings(name, variant, wgsl)
	if err != nil {
		return nil, err
	}
	w := reWorkgroup.FindStringSubmatch(reComment.ReplaceAllString(wgsl, ""))
	if w == nil {
		return nil, fmt.Errorf("kernel %s: found no @workgroup_size with literal sizes", name)
	}
	for i := range k.Workgroup {
		if w[i+1] != "" {
			k.Workgroup[i], _ = strconv.Atoi(w[i+1])
		}
	}
	return k, nil
}

// parseBindings reads what all shaders declare alike, also those that draw.
func parseBindings(name, variant, wgsl string) (*Kernel, error) {
	k := &Kernel{Name: name, Variant: variant, WGSL: wgsl, Workgroup: [3]int{1, 1, 1}}
	code := reComment.ReplaceAllString(wgsl, "")
	params := reParams.FindStringSubmatch(code)
	if params == nil || !reUniform.MatchString(code) {
		return nil, fmt.Errorf("kernel %s: found no `@group(0) @binding(0) var<uniform> p: Params;` with its struct", name)
	}
	for _, f := range reField.FindAllStringSubmatch(params[1], -1) {
		k.Params = append(k.Params, KernelParam{Name: f[1], Type: f[2]})
	}
	if strings.Count(params[1], ":") != len(k.Params) {
		return nil, fmt.Errorf("kernel %s: Params may hold only u32, i32 and f32", name)
	}
	for _, b := range reStorage.FindAllStringSubmatch(code, -1) {
		i, _ := strconv.ParseUint(b[1], 10, 32)
		k.Bindings = append(k.Bindings, KernelBinding{Index: uint32(i), Name: b[3], Write: b[2] == "read_write"})
	}
	for _, b := range reArray.FindAllStringSubmatch(code, -1) {
		i, _ := strconv.ParseUint(b[1], 10, 32)
		length, _ := strconv.Atoi(b[3])
		k.Bindings = append(k.Bindings, KernelBinding{Index: uint32(i), Name: b[2], Length: length})
	}
	sort.Slice(k.Bindings, func(i, j int) bool { return k.Bindings[i].Index < k.Bindings[j].Index })
	for i, b := range k.Bindings {
		if b.Index != uint32(i+1) {
			return nil, fmt.Errorf("kernel %s: bindings must be numbered 1, 2, …; found %d at place %d", name, b.Index, i+1)
		}
	}
	return k, nil
}

// String is the name and the variant.
func (k *Kernel) String() string {
	if k.Variant == "" {
		return k.Name
	}
	return k.Name + "/" + k.Variant
}

func (k *Kernel) invocations() int { return k.Workgroup[0] * k.Workgroup[1] * k.Workgroup[2] }

// paramBytes is the size of the uniform block, a multiple of 16.
func (k *Kernel) paramBytes() int64 { return max(16, int64(len(k.Params)*4+15)&^15) }

// Params are the values of a kernel's uniform struct by field name: int,
// uint32 or bool for integer fields, float32 or float64 for f32.
type Params map[string]any

// Encode lays the values out as the shader declares them. Every field must be
// given and every value must be a field.
func (k *Kernel) Encode(p Params) ([]byte, error) {
	out := make([]byte, k.paramBytes())
	for i, f := range k.Params {
		v, ok := p[f.Name]
		if !ok {
			return nil, fmt.Errorf("kernel %s: parameter %s is not given", k, f.Name)
		}
		bits, err := paramBits(f.Type, v)
		if err != nil {
			return nil, fmt.Errorf("kernel %s: parameter %s: %w", k, f.Name, err)
		}
		binary.LittleEndian.PutUint32(out[i*4:], bits)
	}
	if len(p) != len(k.Params) {
		for name := range p {
			if !k.hasParam(name) {
				return nil, fmt.Errorf("kernel %s has no parameter %s", k, name)
			}
		}
	}
	return out, nil
}

func (k *Kernel) hasParam(name string) bool {
	for _, f := range k.Params {
		if f.Name == name {
			return true
		}
	}
	return false
}

func paramBits(typ string, v any) (uint32, error) {
	var f float64
	switch v := v.(type) {
	case int:
		f = float64(v)
	case uint32:
		f = float64(v)
	case bool:
		if v {
			f = 1
		}
	case float32:
		f = float64(v)
	case float64:
		f = v
	default:
		return 0, fmt.Errorf("a value of type %T is not a number", v)
	}
	switch {
	case typ == "f32":
		return math.Float32bits(float32(f)), nil
	case f != math.Trunc(f) || typ == "u32" && (f < 0 || f > math.MaxUint32) || typ == "i32" && math.Abs(f) > math.MaxInt32:
		return 0, fmt.Errorf("%v does not fit %s", v, typ)
	case typ == "i32":
		return uint32(int32(f)), nil
	}
	return uint32(f), nil
}
