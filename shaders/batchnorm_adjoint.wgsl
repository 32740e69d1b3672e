// grad of a batch norm: gamma/√(variance + eps)·(dy − share·(dbeta + x̂·dgamma)), where share is one
// by the rows if mean and variance are the batch's own, and zero if they are constants.
//
// x, dy, grad: rows of `vectors` vectors of four elements, a Packed each; gamma, mean, variance,
// dgamma, dbeta: f32 [vectors] vectors. A workgroup does 64 Packed; the grid is 2-D.

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
    vectors: u32, // of a row
    eps: f32,
    share: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> dgamma: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> dbeta: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> grad: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let c = i % max(p.vectors, 1u);
        let r = vec4<f32>(1.0) / sqrt(variance[c] + p.eps);
        let shift = p.share * (dbeta[c] + (unpack(x[i]) - mean[c]) * r * dgamma[c]);
        grad[i] = pack(gamma[c] * r * (unpack(dy[i]) - shift));
    }
}
