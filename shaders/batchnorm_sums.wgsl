// The gradients of a batch norm's gamma and beta over a slice of the rows: Σ dy·x̂ and Σ dy with
// x̂ = (x − mean)/√(variance + eps).
//
// x, dy: rows of `vectors` vectors of four elements, a Packed each; mean, variance: f32 [vectors]
// vectors; scaled, plain: [slices, vectors] vectors, to be summed. A thread has a vector of
// columns of a slice; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    slice: u32,   // rows of a slice
    slices: u32,
    vectors: u32, // of a row
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> scaled: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> plain: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let c = i % vectors;
    let s = i / vectors;
    let inside = s < p.slices;
    let end = select(0u, min(p.rows, (s + 1u) * p.slice), inside);
    let level = mean[c];
    var tilt = vec4<f32>(0.0);
    var sum = vec4<f32>(0.0);
    for (var m = s * p.slice; m < end; m += 1u) {
        let g = unpack(dy[m * vectors + c]);
        tilt += g * (unpack(x[m * vectors + c]) - level);
        sum += g;
    }
    if inside {
        scaled[i] = tilt / sqrt(variance[c] + p.eps);
        plain[i] = sum;
    }
}
