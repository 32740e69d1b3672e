// grad = dy·a + x·b + c, the factors by item and channel: the last pass of the adjoint of a group
// norm, whose factors groupnorm_adjoint_sums computes.
//
// x, dy, grad: [N, T, stride], four channels in a Packed; factors: f32 [N, 3·stride], zero for
// padding. A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all
    item: u32,    // Packed of an item: T · vectors
    vectors: u32, // Packed of a pixel
    first: u32,   // item of factors that belongs to the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> grad: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let vectors = max(p.vectors, 1u);
        let at = (p.first + i / max(p.item, 1u)) * 3u * vectors + i % vectors;
        grad[i] = pack(unpack(dy[i]) * factors[at] + unpack(x[i]) * factors[at + vectors] + factors[at + 2u * vectors]);
    }
}
