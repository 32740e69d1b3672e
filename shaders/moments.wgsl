// The mean of each column of x over a slice of its rows, and the sum of the squares of what
// differs from it: what moments_merge makes mean and variance of.
//
// x: rows of `vectors` vectors of four elements, a Packed each; parts: f32 [2·slices, vectors]
// vectors, of slice s the mean in row 2s and the sum in row 2s + 1. A thread has a vector of
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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let c = i % vectors;
    let s = i / vectors;
    let inside = s < p.slices;
    let first = s * p.slice;
    let end = select(first, min(p.rows, first + p.slice), inside);
    let n = f32(max(end - first, 1u));
    var sum = vec4<f32>(0.0);
    for (var m = first; m < end; m += 1u) {
        sum += unpack(x[m * vectors + c]);
    }
    let mean = sum / n;
    var rest = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var m = first; m < end; m += 1u) {
        let d = unpack(x[m * vectors + c]) - mean;
        rest += d;
        squares += d * d;
    }
    if inside {
        parts[2u * s * vectors + c] = mean + rest / n;
        parts[(2u * s + 1u) * vectors + c] = squares - rest * rest / n;
    }
}
