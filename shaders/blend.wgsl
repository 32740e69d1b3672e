// y = mask·a + (1 − mask)·b, element by element.
//
// a, b, mask, y: arrays of one layout, four elements in a vector. Padding is zero in a
// and b, and so in y. A workgroup does 64 vectors; the grid is 2-D.

alias Packed = vec2<u32>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32, // vectors in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Packed>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read> mask: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let m = unpack(mask[i]);
        y[i] = pack(m * unpack(a[i]) + (vec4<f32>(1.0) - m) * unpack(b[i]));
    }
}
