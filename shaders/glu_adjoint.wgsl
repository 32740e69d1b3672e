// grad of y = activate(gate)·other, the two halves of a row of x: of the gate dy·other·slope(gate),
// of the other dy·activate(gate).
//
// x, grad: rows of two groups of `vectors` Packed, dy: rows of one; a Packed is four elements.
// dy's padding is zero, and so stays grad's. A workgroup does 64 Packed of dy; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn slope(x: vec4<f32>) -> vec4<f32> { return vec4<f32>(1.0); }

struct Params {
    count: u32,   // Packed of dy in all
    vectors: u32, // Packed a row of dy
    gate: u32,    // where the gate begins in a row of x, Packed: 0 or vectors
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read_write> grad: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let first = i + i / max(p.vectors, 1u) * p.vectors;
        let gate = first + p.gate;
        let other = first + p.vectors - p.gate;
        let d = unpack(dy[i]);
        grad[gate] = pack(d * unpack(x[other]) * slope(unpack(x[gate])));
        grad[other] = pack(d * activate(unpack(x[gate])));
    }
}
