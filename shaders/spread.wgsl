// grad[n, t] = dy[n]/(end − first) for first ≤ t < end, else zero: the adjoint of mean.
//
// dy: [N, vectors], grad: [N·tokens, vectors] of four elements, a Packed each.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all of grad
    vectors: u32, // of a row
    tokens: u32,
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<Packed>;
@group(0) @binding(2) var<storage, read_write> grad: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = max(p.vectors, 1u);
    let row = i / vectors;
    let token = row % max(p.tokens, 1u);
    var v = vec4<f32>(0.0);
    if token >= p.first && token < p.end {
        v = unpack(dy[row / max(p.tokens, 1u) * vectors + i % vectors]) / f32(p.end - p.first);
    }
    grad[i] = pack(v);
}
