// relative_position: y[i, h, r] = Σ_d x[i, h, d]·w[d, r]: what a query gives each distance
// of a key, for attention's bias (see attention_probs).
//
// Bindings
//   x  rows of p.x_stride elements, head h at element h·p.width
//   w  p.width rows of p.columns elements
//   y  f32 rows of p.heads·p.columns
//
// An invocation does a vector of columns of TM rows' heads; a workgroup does 64, the grid is
// 2-D.

const TM = 4u;
const FOUR = 4u;
const E = 8u;  // elements of a 16-byte vector (f16 8, f32 4)
const TH = 2u; // vec4 in one

alias Wide = vec4<u32>;

struct Params {
    count: u32,    // invocations: blocks of TM rows · heads · vectors
    rows: u32,
    heads: u32,
    width: u32,    // elements of a head, padded to a multiple of 8
    columns: u32,  // padded to a multiple of 8
    x_stride: u32, // elements, a multiple of 8
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Wide>;
@group(0) @binding(2) var<storage, read> w: array<Wide>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
// form f32
const E_f32 = 4u;
const TH_f32 = 1u;
alias Wide_f32 = vec4<f32>;
fn part_f32(x: Wide_f32, h: u32) -> vec4<f32> { return x; }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = p.columns / E;
    let column = i % vectors;
    let head = i / vectors % p.heads;
    let row = i / vectors / p.heads * TM;
    // unroll t TM
    let x_t = (min(row + 0u /*t*/, p.rows - 1u) * p.x_stride + head * p.width) / E;
    // unroll h TH
    var sum_t_h = vec4<f32>(0.0);
    // end
    // end
    for (var d = 0u; d < p.width; d += E) {
        // unroll t TM
        let q_t = x[x_t + d / E];
        // end
        // unroll g TH
        // unroll e FOUR
        let w_g_e = w[(d + 4u * 0u /*g*/ + 0u /*e*/) * vectors + column];
        // unroll t TM
        // unroll h TH
        sum_t_h = fma(vec4<f32>(part(q_t, 0u /*g*/)[0u /*e*/]), part(w_g_e, 0u /*h*/), sum_t_h);
        // end
        // end
        // end
        // end
    }
    // unroll t TM
    if row + 0u /*t*/ < p.rows {
        // unroll h TH
        y[((row + 0u /*t*/) * p.heads + head) * (p.columns / 4u) + column * TH + 0u /*h*/] = sum_t_h;
        // end
    }
    // end
}
