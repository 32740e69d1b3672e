// y[m, c] = residual[m, c], plus scale·Σ_j u[m, j]·w[j, c − first] in the columns that w has:
// sums of the rows of a trained matrix, which is f32 and not packed. Without a residual the
// other columns are zero.
//
// u, y, residual: rows of u_stride and y_stride vectors of four elements, a Packed each;
// w: [depth] rows of `width` vectors, whose padding is zero. A thread has TM rows and four
// columns of y; the grid is 2-D.

const TM = 4u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    rows: u32,
    depth: u32,    // rows of w
    width: u32,    // vectors of one
    first: u32,    // vector of a row of y that belongs to the first of w
    u_stride: u32,
    y_stride: u32,
    added: u32,    // whether there is a residual
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> u: array<Packed>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.y_stride, 1u);
    let block = i / vectors * TM;
    let column = i % vectors;
    let last = max(p.rows, 1u) - 1u;
    let end = max(p.depth, 1u) - 1u;
    let within = column >= p.first && column < p.first + p.width;
    let at = select(0u, column - p.first, within);
    // unroll r TM
    let u_r = min(block + 0u /*r*/, last) * p.u_stride;
    var sum_r = vec4<f32>(0.0);
    // end
    // Rows of w beyond the last meet u's padding, which is zero.
    let depth = select(0u, (p.depth + 3u) / 4u, within && block < p.rows);
    for (var k = 0u; k < depth; k += 1u) {
        let a = w[min(4u * k, end) * p.width + at];
        let b = w[min(4u * k + 1u, end) * p.width + at];
        let c = w[min(4u * k + 2u, end) * p.width + at];
        let d = w[min(4u * k + 3u, end) * p.width + at];
        // unroll r TM
        let v_r = unpack(u[u_r + k]);
        sum_r += v_r.x * a + v_r.y * b + v_r.z * c + v_r.w * d;
        // end
    }
    // unroll r TM
    if block + 0u /*r*/ < p.rows {
        let to_r = (block + 0u /*r*/) * p.y_stride + column;
        var y_r = sum_r * p.scale;
        if p.added == 1u {
            y_r += unpack(residual[to_r]);
        }
        y[to_r] = pack(y_r);
    }
    // end
}
