// dgates[n] = Σ x[n, t]·dy[n, t] over the pixels of an item, channel by channel: the gradient of
// the gates of scale.
//
// x, dy: [N, pixels, vectors] of four elements, dgates: [N, vectors], a Packed each. A thread has
// a Packed of dgates; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,  // Packed in all of dgates
    pixels: u32, // of an item
    vectors: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read_write> dgates: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let start = i / vectors * p.pixels * vectors + i % vectors;
    var sum = vec4<f32>(0.0);
    let pixels = select(0u, p.pixels, i < p.count);
    for (var t = 0u; t < pixels; t += 1u) {
        sum += unpack(x[start + t * vectors]) * unpack(dy[start + t * vectors]);
    }
    if i < p.count {
        dgates[i] = pack(sum);
    }
}
