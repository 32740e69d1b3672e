// y[j, c] = scale·Σ_m u[m, j]·x[m, first + c] in f32: the gradient of a trained matrix, a sum
// of outer products in the order of the rows.
//
// u, x: rows of u_stride and x_stride vectors of four elements, a Packed each; y: [count] rows
// of `width` vectors. A thread has four rows and four columns of y, for one of the slices of
// the rows m; slice s stands at row s·count of y, to be summed. The grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    slice: u32,    // rows m of a slice
    slices: u32,
    count: u32,    // rows of y
    width: u32,
    first: u32,    // vector of a row of x that belongs to the first of y
    u_stride: u32,
    x_stride: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> u: array<Packed>;
@group(0) @binding(2) var<storage, read> x: array<Packed>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let width = max(p.width, 1u);
    let blocks = max((p.count + 3u) / 4u, 1u);
    let column = i % width;
    let j = i / width % blocks;
    let s = i / width / blocks;
    let inside = s < p.slices;
    let end = select(0u, min(p.rows, (s + 1u) * p.slice), inside);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    for (var m = s * p.slice; m < end; m += 1u) {
        let v = unpack(u[m * p.u_stride + j]);
        let t = unpack(x[m * p.x_stride + p.first + column]);
        a += v.x * t;
        b += v.y * t;
        c += v.z * t;
        d += v.w * t;
    }
    let row = j * 4u;
    let to = (s * p.count + row) * width + column;
    if inside {
        y[to] = a * p.scale;
    }
    if inside && row + 1u < p.count {
        y[to + width] = b * p.scale;
    }
    if inside && row + 2u < p.count {
        y[to + 2u * width] = c * p.scale;
    }
    if inside && row + 3u < p.count {
        y[to + 3u * width] = d * p.scale;
    }
}
