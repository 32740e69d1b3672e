// y[m, o] = scale·Σ_c x[m, first + c]·w[o, c] + bias[o] + residual[m, o]: a product with the
// rows of a trained matrix, which is f32 and not packed.
//
// x, y, residual: rows of x_stride and y_stride vectors of four elements, a Packed each;
// w: [columns, depth] vectors; bias: y_stride vectors. Columns of y from `columns` on are
// padding and stay zero. A thread has TM rows and four columns of y; the grid is 2-D.

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
    columns: u32,  // of y that hold values: rows of w
    depth: u32,    // vectors of a row of w
    x_stride: u32,
    y_stride: u32,
    first: u32,    // vector of a row of x that belongs to the first of w
    biased: u32,   // whether there is a bias
    added: u32,    // whether there is a residual
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Packed>;
@group(0) @binding(5) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.y_stride, 1u);
    let block = i / vectors * TM;
    let column = i % vectors;
    let last = max(p.rows, 1u) - 1u;
    let end = max(p.columns, 1u) - 1u;
    let at = min(vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(end)) * p.depth;
    // unroll r TM
    let x_r = min(block + 0u /*r*/, last) * p.x_stride + p.first;
    var sum_r = vec4<f32>(0.0);
    // end
    // Were the bound a uniform alone, lavapipe would compile anew for each value.
    let depth = select(0u, p.depth, block < p.rows);
    for (var k = 0u; k < depth; k += 1u) {
        let a = w[at.x + k];
        let b = w[at.y + k];
        let c = w[at.z + k];
        let d = w[at.w + k];
        // unroll r TM
        let v_r = unpack(x[x_r + k]);
        sum_r += vec4<f32>(dot(v_r, a), dot(v_r, b), dot(v_r, c), dot(v_r, d));
        // end
    }
    let values = vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.columns);
    // unroll r TM
    if block + 0u /*r*/ < p.rows {
        let to_r = (block + 0u /*r*/) * p.y_stride + column;
        var y_r = sum_r * p.scale;
        if p.biased == 1u {
            y_r += bias[column];
        }
        if p.added == 1u {
            y_r += unpack(residual[to_r]);
        }
        y[to_r] = pack(select(vec4<f32>(0.0), y_r, values));
    }
    // end
}
