// relative_position: y[n, h, b, i] = Σ_d x[n, i, h, d]·w[distance, d] of four keys: what
// query i gives the rows, or the columns, of keys on a map, for attention's bias (see
// attention_probs).
//
// Bindings
//   x  rows of p.x_stride elements, head h at element h·p.width
//   w  vectors of p.width elements, that of a query at line 0 and a key at line k being at
//      p.vector - k, that of the next line the next
//   y  f32, p.blocks rows of p.y_stride vec4 for each head of an item, from p.first on the
//      lines of keys four at a time; behind the last line the first follows
//
// Lines are the rows or the columns of the map. An invocation does a vec4 of y for TM
// queries of one line, which all take the same vectors. A workgroup does 64 of them;
// workgroup_id: x counts those of a head, y heads, z items.

const TM = 8u;
const E = 8u;  // elements of a 16-byte vector (f16 8, f32 4)
const TH = 2u; // vec4 in one

alias Wide = vec4<u32>;

struct Params {
    fours: u32,    // of y that are done
    tokens: u32,   // of an item
    heads: u32,
    width: u32,    // elements of a head, padded to a multiple of 8
    x_stride: u32, // elements, a multiple of 8
    y_stride: u32, // vec4
    blocks: u32,
    first: u32,
    lines: u32,    // of the map
    across: u32,   // queries of a line
    step: u32,     // from query to query of a line; from line to line it is p.down
    down: u32,
    vector: u32,
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
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    // Neighbours are neighbours along a row of the map.
    let i = group.x * 64u + thread;
    let lots = (p.across + TM - 1u) / TM;
    let fast = max(select(p.lines, lots, p.step == 1u), 1u);
    let slow = max(select(lots, p.lines, p.step == 1u), 1u);
    let at = i / fast;
    let four = at / slow;
    let lot = select(at - four * slow, i - at * fast, p.step == 1u);
    let line = select(i - at * fast, at - four * slow, p.step == 1u);
    // unroll t TM
    let query_t = min(lot + 0u /*t*/ * lots, p.across - 1u) * p.step + line * p.down;
    let x_t = ((group.z * p.tokens + query_t) * p.x_stride + group.y * p.width) / E;
    var sum_t = vec4<f32>(0.0);
    // end
    let k_0 = four * 4u % max(p.lines, 1u);
    let k_1 = select(k_0 + 1u, 0u, k_0 + 1u == p.lines);
    let k_2 = select(k_1 + 1u, 0u, k_1 + 1u == p.lines);
    let k_3 = select(k_2 + 1u, 0u, k_2 + 1u == p.lines);
    let w_0 = (p.vector + line - k_0) * (p.width / E);
    let w_1 = (p.vector + line - k_1) * (p.width / E);
    let w_2 = (p.vector + line - k_2) * (p.width / E);
    let w_3 = (p.vector + line - k_3) * (p.width / E);
    for (var d = 0u; d < p.width / E; d += 1u) {
        let v_0 = w[w_0 + d];
        let v_1 = w[w_1 + d];
        let v_2 = w[w_2 + d];
        let v_3 = w[w_3 + d];
        // unroll t TM
        let q_t = x[x_t + d];
        // end
        // unroll h TH
        let a_h = part(v_0, 0u /*h*/);
        let b_h = part(v_1, 0u /*h*/);
        let c_h = part(v_2, 0u /*h*/);
        let d_h = part(v_3, 0u /*h*/);
        // unroll t TM
        let q_t_h = part(q_t, 0u /*h*/);
        sum_t = fma(vec4<f32>(q_t_h.x), vec4<f32>(a_h.x, b_h.x, c_h.x, d_h.x), sum_t);
        sum_t = fma(vec4<f32>(q_t_h.y), vec4<f32>(a_h.y, b_h.y, c_h.y, d_h.y), sum_t);
        sum_t = fma(vec4<f32>(q_t_h.z), vec4<f32>(a_h.z, b_h.z, c_h.z, d_h.z), sum_t);
        sum_t = fma(vec4<f32>(q_t_h.w), vec4<f32>(a_h.w, b_h.w, c_h.w, d_h.w), sum_t);
        // end
        // end
    }
    let y_row = ((group.z * p.heads + group.y) * p.blocks + p.first + four) * p.y_stride;
    // unroll t TM
    if four < p.fours && lot + 0u /*t*/ * lots < p.across {
        y[y_row + query_t] = sum_t;
    }
    // end
    if four < p.fours && lot + line == 0u && p.tokens < p.y_stride {
        y[y_row + p.tokens] = vec4<f32>(0.0); // the padding of an odd number
    }
}
