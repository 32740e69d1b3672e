// y = sigmoid(gates' first half)·a + sigmoid(gates' second half)·b.
//
// a, b, y: rows of one layout, four elements in a Packed; gates: rows of two groups of
// `vectors` Packed, as many as a row of a has. The padding of a and b is zero.
// A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed of y in all
    vectors: u32, // a row of y
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Packed>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read> gates: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

// Beyond ±80 the sigmoid is 0 or 1 to all digits, and exp would not stay finite.
fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(x, vec4<f32>(-80.0), vec4<f32>(80.0))));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let first = i + i / p.vectors * p.vectors;
        y[i] = pack(sigmoid(unpack(gates[first])) * unpack(a[i]) + sigmoid(unpack(gates[first + p.vectors])) * unpack(b[i]));
    }
}
