// y[j, c] = scale·Σ_m u[m, j]·x[m, first + c] in f32: the gradient of a trained matrix, a sum
// of outer products in the order of the rows.
//
// u, x: rows of u_stride and x_stride vectors of four elements, a Packed each; y: [count] rows
// of `width` vectors. A thread has TR vectors of rows and TC of columns of y, for one of the
// slices of the rows m; slice s stands at row s·count of y, to be summed. A workgroup has LANES
// threads; the grid is 2-D.

const TR = 1u;
const TC = 1u;
const LANES = 64u;

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

fn store(slice: u32, row: u32, column: u32, sum: vec4<f32>) {
    if slice < p.slices && row < p.count && column < p.width {
        y[(slice * p.count + row) * p.width + column] = sum * p.scale;
    }
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * LANES;
    let across = max((p.width + TC - 1u) / TC, 1u);
    let blocks = max((p.count + 4u * TR - 1u) / (4u * TR), 1u);
    let column = i % across * TC;
    let row = i / across % blocks * TR;
    let s = i / across / blocks;
    let end = select(0u, min(p.rows, (s + 1u) * p.slice), s < p.slices);
    // Vectors beyond the last are the last again, whose sums are not kept.
    // unroll r TR
    let u_r = min(row + 0u /*r*/, (max(p.count, 1u) - 1u) / 4u);
    // end
    // unroll c TC
    let x_c = p.first + min(column + 0u /*c*/, max(p.width, 1u) - 1u);
    // end
    // unroll r TR
    // unroll c TC
    var a_r_c = vec4<f32>(0.0);
    var b_r_c = vec4<f32>(0.0);
    var c_r_c = vec4<f32>(0.0);
    var d_r_c = vec4<f32>(0.0);
    // end
    // end
    for (var m = s * p.slice; m < end; m += 1u) {
        // unroll c TC
        let t_c = unpack(x[m * p.x_stride + x_c]);
        // end
        // unroll r TR
        let v_r = unpack(u[m * p.u_stride + u_r]);
        // unroll c TC
        a_r_c = fma(vec4<f32>(v_r.x), t_c, a_r_c);
        b_r_c = fma(vec4<f32>(v_r.y), t_c, b_r_c);
        c_r_c = fma(vec4<f32>(v_r.z), t_c, c_r_c);
        d_r_c = fma(vec4<f32>(v_r.w), t_c, d_r_c);
        // end
        // end
    }
    // unroll r TR
    // unroll c TC
    store(s, 4u * (row + 0u /*r*/), column + 0u /*c*/, a_r_c);
    store(s, 4u * (row + 0u /*r*/) + 1u, column + 0u /*c*/, b_r_c);
    store(s, 4u * (row + 0u /*r*/) + 2u, column + 0u /*c*/, c_r_c);
    store(s, 4u * (row + 0u /*r*/) + 3u, column + 0u /*c*/, d_r_c);
    // end
    // end
}
