// y[c] = Σ_m x[m, c] in f32: the sum of rows, in their order.
//
// x: rows of `stride` vectors of four elements, a Packed each; y: one row. Rows may be the
// slices of [outer], of which every `step`-th is summed for each of y. A thread has four columns.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    count: u32, // vectors of y
    terms: u32, // that each is the sum of
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    var sum = vec4<f32>(0.0);
    let terms = select(0u, p.terms, i < p.count);
    for (var t = 0u; t < terms; t += 1u) {
        sum += unpack(x[t * p.count + i]);
    }
    if i < p.count {
        y[i] = sum;
    }
}
