// attention_adjoint: the gradient of attention by its queries, dq[i] = gain·Σ_j dS[i, j]·k[j] with
// dS = P·(g[i]·v[j] − D[i]) and P = 2^(scale·q[i]·k[j] − L[i]); L and D are those of
// attention_stats.
//
// Bindings
//   q, k, v  as in attention; g  rows [batch·Tq], the gradient of the output
//   stats    as attention_stats has it
//   y        rows [batch·Tq], head h at element p.q_offset + h·p.width
//
// A lane has TR queries, every LANES-th; where wide heads would spill, PARTS threads (y) share a lane's one query,
// each TD vectors of it, and add what they have through workgroup memory. workgroup_id: x counts blocks of LANES·TR queries, y heads, z batch items.
// Constants: LANES; TR; PARTS; LP = LANES·PARTS; TD 16-byte vectors of a head, or of a part of it, each of TH vec4 (f16 2, f32 1).

const LANES = 8u;
const TR = 1u;
const PARTS = 1u;
const LP = 8u;
const TD = 1u;
const TH = 2u;

alias Wide = vec4<u32>;
alias Packed = vec2<u32>;

struct Params {
    repeat: u32,   // heads of q to one of k and v
    heads: u32,    // of q
    width: u32,    // elements of a head, padded to a multiple of 8
    Tq: u32,
    Tk: u32,
    q_stride: u32, // elements from row to row, multiples of 8
    k_stride: u32,
    v_stride: u32,
    o_stride: u32, // of o and its gradient g
    y_stride: u32, // of what is written
    q_offset: u32, // elements to head 0, multiples of 8
    k_offset: u32,
    v_offset: u32,
    flags: u32,    // bit 0: causal, query i sees the keys up to i + Tk - Tq; bit 1: limit in place of Tk
    scale: f32,    // of q·k, times log2(e)
    gain: f32,     // of q·k
    first: u32,    // item of lengths that belongs to the first of the batch
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Wide>;
@group(0) @binding(2) var<storage, read> k: array<Wide>;
@group(0) @binding(3) var<storage, read> v: array<Wide>;
@group(0) @binding(4) var<storage, read> g: array<Wide>;
@group(0) @binding(5) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> lengths: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<Packed>;

var<workgroup> exchange: array<array<vec2<f32>, LP>, 2>; // of parts, by turns, so that one barrier a turn is enough

// part is the h-th vec4 of a vector.
fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }
// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }
// vector is the number of a thread's d-th vector in its head, kept what counts of it, and own
// whether it is the thread's: one beyond the head's last, end, is zero and nobody's.
fn vector(d: u32, part: u32, end: u32) -> u32 { return d; }
fn kept(x: vec4<f32>, d: u32, part: u32, end: u32) -> vec4<f32> { return x; }
fn own(d: u32, part: u32, end: u32) -> bool { return true; }
// whole is the sums of a lane's threads, in turn 0, 1, ….
fn whole(shares: vec2<f32>, at: vec3<u32>, turn: u32) -> vec2<f32> { return shares; }

// form f32
const TH_f32 = 1u;
alias Wide_f32 = vec4<f32>;
alias Packed_f32 = vec4<f32>;
fn part_f32(x: Wide_f32, h: u32) -> vec4<f32> { return x; }
fn pack_f32(x: vec4<f32>) -> Packed_f32 { return x; }
// end

// form lengths
fn limit_lengths(item: u32) -> u32 { return lengths[p.first + item]; }
// end

// form parts
fn vector_parts(d: u32, part: u32, end: u32) -> u32 { return min(part * TD + d, end); }
fn kept_parts(x: vec4<f32>, d: u32, part: u32, end: u32) -> vec4<f32> { return select(x, vec4<f32>(0.0), part * TD + d > end); }
fn own_parts(d: u32, part: u32, end: u32) -> bool { return part * TD + d <= end; }
fn whole_parts(shares: vec2<f32>, at: vec3<u32>, turn: u32) -> vec2<f32> {
    exchange[turn % 2u][at.y * LANES + at.x] = shares;
    workgroupBarrier();
    var sum = vec2<f32>(0.0);
    // unroll t PARTS
    sum += exchange[turn % 2u][0u /*t*/ * LANES + at.x];
    // end
    return sum;
}
// end

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let wide = 4u * TH;
    let tail = max(p.width / wide, 1u) - 1u; // last vector of a head
    // unroll d TD
    let at_d = vector(0u /*d*/, local.y, tail);
    // end
    let first = group.x * LANES * TR + local.x; // query 0 of the lane
    let last = max(p.Tq, 1u) - 1u;
    let causal = (p.flags & 1u) != 0u;
    let most = min(limit(group.z), p.Tk);
    let end = select(p.Tk, most, (p.flags & 2u) != 0u);
    // The keys that any query of the workgroup sees, and those of the lane's.
    let keys = min(most, select(p.Tk, max((group.x + 1u) * LANES * TR + end, p.Tq) - p.Tq, causal));
    // unroll r TR
    let keys_r = min(most, select(p.Tk, max(first + LANES * 0u /*r*/ + 1u + end, p.Tq) - p.Tq, causal));
    let query_r = min(first + LANES * 0u /*r*/, last);
    let q_at_r = ((group.z * p.Tq + query_r) * p.q_stride + p.q_offset + group.y * p.width) / wide;
    let g_at_r = ((group.z * p.Tq + query_r) * p.o_stride + group.y * p.width) / wide;
    // unroll d TD
    let x_r_d = q[q_at_r + at_d];
    let z_r_d = g[g_at_r + at_d];
    // unroll h TH
    let q_r_d_h = kept(part(x_r_d, 0u /*h*/) * p.scale, 0u /*d*/, local.y, tail);
    let g_r_d_h = kept(part(z_r_d, 0u /*h*/), 0u /*d*/, local.y, tail);
    var y_r_d_h = vec4<f32>(0.0);
    // end
    // end
    let known_r = stats[2u * ((group.z * p.heads + group.y) * p.Tq + query_r)];
    // end

    let key_head = group.y / max(p.repeat, 1u) * p.width;
    var k_at = (p.k_offset + key_head + group.z * p.Tk * p.k_stride) / wide;
    var v_at = (p.v_offset + key_head + group.z * p.Tk * p.v_stride) / wide;
    for (var j = 0u; j < keys; j += 1u) {
        // unroll r TR
        var sum_r = vec4<f32>(0.0);
        var seen_r = vec4<f32>(0.0);
        // end
        // unroll d TD
        let k_d = k[k_at + at_d];
        let v_d = v[v_at + at_d];
        // unroll h TH
        let k_d_h = part(k_d, 0u /*h*/);
        let v_d_h = part(v_d, 0u /*h*/);
        // unroll r TR
        sum_r = fma(q_r_d_h, k_d_h, sum_r);
        seen_r = fma(g_r_d_h, v_d_h, seen_r);
        // end
        // end
        // end
        k_at += p.k_stride / wide;
        v_at += p.v_stride / wide;
        // unroll r TR
        let both_r = whole(vec2<f32>((sum_r.x + sum_r.y) + (sum_r.z + sum_r.w), (seen_r.x + seen_r.y) + (seen_r.z + seen_r.w)), local, j);
        let slope_r = vec4<f32>(select(0.0, exp2(both_r.x - known_r.x) * (both_r.y - known_r.y), j < keys_r));
        // unroll d TD
        // unroll h TH
        y_r_d_h = fma(slope_r, k_d_h, y_r_d_h);
        // end
        // end
        // end
    }
    // unroll r TR
    if first + LANES * 0u /*r*/ < p.Tq {
        let to_r = ((group.z * p.Tq + query_r) * p.y_stride + p.q_offset + group.y * p.width) / 4u;
        // unroll d TD
        if own(0u /*d*/, local.y, tail) {
            // unroll h TH
            y[to_r + at_d * TH + 0u /*h*/] = pack(y_r_d_h * p.gain);
            // end
        }
        // end
    }
    // end
}
