//go:build binding29 || (linux && arm64)

package wgpu

import native "github.com/oliverbestmann/webgpu/wgpu"

// integerHalves are WGSL's two functions of halves by integers, to the bit: wgpu-native 29 refuses
// the language's own where a driver of Mesa's lacks shader-f16, such as those of ARM's processors
// and of the Raspberry Pi. They stand in front of the language's own by their names.
const integerHalves = `
fn unpack2x16float(word: u32) -> vec2<f32> {
    let h = vec2<u32>(word & 0xffffu, word >> 16u);
    let bits = (h & vec2<u32>(0x7fffu)) << vec2<u32>(13u);
    let exponent = bits & vec2<u32>(0x0f800000u);
    // the exponent's bias is 15 in halves, 127 in floats; of infinities it is all ones
    let biased = bits + select(vec2<u32>(0x38000000u), vec2<u32>(0x70000000u), exponent == vec2<u32>(0x0f800000u));
    // below 2⁻¹⁴ there is no leading one, which is added and taken away
    let small = bitcast<vec2<f32>>(bits + vec2<u32>(0x38800000u)) - vec2<f32>(6.103515625e-5);
    let size = select(biased, bitcast<vec2<u32>>(small), exponent == vec2<u32>(0u));
    return bitcast<vec2<f32>>(size | ((h & vec2<u32>(0x8000u)) << vec2<u32>(16u)));
}

fn pack2x16float(v: vec2<f32>) -> u32 {
    let bits = bitcast<vec2<u32>>(v);
    let size = bits & vec2<u32>(0x7fffffffu);
    // to the nearest, of two as near to the even one; a carry goes into the exponent
    let near = ((size + vec2<u32>(0xfffu) + ((size >> vec2<u32>(13u)) & vec2<u32>(1u))) >> vec2<u32>(13u)) - vec2<u32>(0x1c000u);
    // below 2⁻¹⁴ the sum with a half rounds to multiples of 2⁻²⁴
    let small = bitcast<vec2<u32>>(bitcast<vec2<f32>>(size) + vec2<f32>(0.5)) - vec2<u32>(0x3f000000u);
    var h = select(near, small, size < vec2<u32>(0x38800000u));
    h = select(h, vec2<u32>(0x7c00u), size >= vec2<u32>(0x47800000u));
    h = select(h, vec2<u32>(0x7e00u), size > vec2<u32>(0x7f800000u)); // NaN
    h |= (bits >> vec2<u32>(16u)) & vec2<u32>(0x8000u);
    return h.x | (h.y << 16u);
}
`

// lacksHalves says that a device refuses WGSL's functions of halves.
func lacksHalves(d *native.Device) bool {
	const both = "var<private> x: u32;\n@compute @workgroup_size(1) fn main() { x = pack2x16float(unpack2x16float(x)); }"
	module, err := d.TryCreateShaderModule(&native.ShaderModuleDescriptor{Label: "halves", WGSLSource: &native.ShaderSourceWGSL{Code: both}})
	if err != nil {
		return true
	}
	module.Release()
	return false
}
