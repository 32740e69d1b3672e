// attention: O[i,:] = Σ_j softmax_j(scale·Q[i,:]·K[j,:])·V[j,:], for every
// head and batch item, by an online softmax over blocks of keys: memory does
// not grow with their number. Barrier-free, for software adapters.
//
// Bindings (the first three may be one fused tensor)
//   q  rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k  rows [batch·Tk], likewise at p.k_offset
//   v  rows [batch·Tk], likewise at p.v_offset
//   o  rows [batch·Tq], head h at element h·p.width
//
// A workgroup is 8 lanes. A lane owns TR queries, lane l the queries
// l, l+8, …, so the softmax stays in the lane. workgroup_id: x counts blocks
// of 8·TR queries, y heads, z batch items.
//
// Constants: TR queries a lane; TD 16-byte vectors in a chunk of the head;
// TH vec4 in a vector (f16 2, f32 1); TB keys in a block; CHUNKS chunks:
// CHUNKS·TD vectors must hold p.width elements. The lengths of the private
// arrays follow: TILE = TR·TD·TH, SCORES = TR·TB, KEPT = CHUNKS·TILE (1 when
// CHUNKS is 1).
//
// The arrays are indexed by constants where it counts, which costs a plain
// load, and by a variable elsewhere, which keeps them out of registers and
// the compiled code small.

const TR = 1u;
const TD = 1u;
const TH = 2u;
const TB = 16u;
const CHUNKS = 8u;
const TILE = 2u;
const SCORES = 16u;
const KEPT = 16u;

alias Wide = vec4<u32>;
alias Packed = vec2<u32>;

struct Params {
    heads: u32,
    width: u32,    // elements of a head, padded to a multiple of 8
    Tq: u32,
    Tk: u32,
    batch: u32,
    q_stride: u32, // elements from row to row, multiples of 8
    k_stride: u32,
    v_stride: u32,
    o_stride: u32,
    q_offset: u32, // elements to head 0, multiples of 8
    k_offset: u32,
    v_offset: u32,
    flags: u32,    // bit 0: causal, query i sees the keys up to i + Tk - Tq
    scale: f32,    // log2(e) / sqrt(unpadded head width)
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Wide>;
@group(0) @binding(2) var<storage, read> k: array<Wide>;
@group(0) @binding(3) var<storage, read> v: array<Wide>;
@group(0) @binding(4) var<storage, read_write> o: array<Packed>;

// part is the h-th vec4 of a vector.
fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let wide = 4u * TH;
    let vectors = p.width / wide; // of one head
    let end = max(vectors, 1u) - 1u;
    let q_head = (p.q_offset + group.y * p.width) / wide;
    let k_head = (p.k_offset + group.y * p.width) / wide + group.z * p.Tk * (p.k_stride / wide);
    let v_head = (p.v_offset + group.y * p.width) / wide + group.z * p.Tk * (p.v_stride / wide);

    let causal = (p.flags & 1u) != 0u;
    // Known at run time only, or drivers would unroll these loops.
    let chunks = select((vectors + TD - 1u) / TD, 1u, CHUNKS == 1u);
    let tr = TR * min(p.width, 1u);
    let td = TD * min(p.width, 1u);

    var query: array<vec4<f32>, TILE>;  // a chunk of each query, scaled
    var out: array<vec4<f32>, TILE>;    // a chunk of each output
    var kept: array<vec4<f32>, KEPT>;   // all chunks of the outputs between blocks
    var score: array<f32, SCORES>;
    // Query r sees its first keys_r keys, no query of the workgroup more than `keys`.
    let keys = select(p.Tk, min(max((group.x + 1u) * TR * 8u + p.Tk, p.Tq) - p.Tq, p.Tk), causal);
    // unroll r TR
    let keys_r = select(p.Tk, min(max((group.x * TR + 0u /*r*/) * 8u + local.x + 1u + p.Tk, p.Tq) - p.Tq, p.Tk), causal);
    var best_r = -1e30;
    var total_r = 0.0;
    // end

    for (var start = 0u; start < keys; start += TB) {
        let count = min(TB, keys - start);
        // unroll r TR
        let before_r = best_r;
        // end
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            if CHUNKS > 1u || start == 0u {
                for (var r = 0u; r < tr; r += 1u) {
                    // Queries beyond the end repeat the last one: they are never stored.
                    let i = min((group.x * TR + r) * 8u + local.x, max(p.Tq, 1u) - 1u);
                    let row = q_head + (group.z * p.Tq + i) * (p.q_stride / wide);
                    for (var d = 0u; d < td; d += 1u) {
                        let x = q[row + min(chunk * TD + d, end)];
                        let beyond = chunk * TD + d > end;
                        // unroll h TH
                        query[(r * TD + d) * TH + 0u /*h*/] = select(part(x, 0u /*h*/) * p.scale, vec4<f32>(0.0), beyond);
                        // end
                    }
                }
            }
            for (var j = 0u; j < count; j += 1u) {
                let row = k_head + (start + j) * (p.k_stride / wide);
                // unroll r TR
                var sum_r = vec4<f32>(0.0);
                // end
                // unroll d TD
                let k_d = k[row + min(chunk * TD + 0u /*d*/, end)];
                // unroll h TH
                let k_d_h = part(k_d, 0u /*h*/);
                // unroll r TR
                sum_r = fma(query[(0u /*r*/ * TD + 0u /*d*/) * TH + 0u /*h*/], k_d_h, sum_r);
                // end
                // end
                // end
                // unroll r TR
                var s_r = (sum_r.x + sum_r.y) + (sum_r.z + sum_r.w);
                if CHUNKS > 1u {
                    s_r += select(score[0u /*r*/ * TB + j], 0.0, chunk == 0u);
                }
                s_r = select(s_r, -1e30, start + j >= keys_r);
                score[0u /*r*/ * TB + j] = s_r;
                if CHUNKS == 1u || chunk + 1u == chunks {
                    best_r = max(best_r, s_r);
                }
                // end
            }
        }

        // unroll r TR
        let fade_r = exp2(before_r - best_r);
        total_r *= fade_r;
        // end
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            if CHUNKS > 1u {
                for (var i = 0u; i < tr * TD * TH; i += 1u) {
                    out[i] = kept[chunk * TILE + i];
                }
            }
            for (var d = 0u; d < td * TH; d += 1u) {
                // unroll r TR
                out[0u /*r*/ * TD * TH + d] *= fade_r;
                // end
            }
            for (var j = 0u; j < count; j += 1u) {
                let row = v_head + (start + j) * (p.v_stride / wide);
                // unroll r TR
                let s_r = score[0u /*r*/ * TB + j];
                let weight_r = select(exp2(s_r - best_r), 0.0, s_r <= -1e30);
                if CHUNKS == 1u || chunk == 0u {
                    total_r += weight_r;
                }
                // end
                // unroll d TD
                let v_d = v[row + min(chunk * TD + 0u /*d*/, end)];
                // unroll h TH
                let v_d_h = part(v_d, 0u /*h*/);
                // unroll r TR
                out[(0u /*r*/ * TD + 0u /*d*/) * TH + 0u /*h*/] = fma(vec4<f32>(weight_r), v_d_h, out[(0u /*r*/ * TD + 0u /*d*/) * TH + 0u /*h*/]);
                // end
                // end
                // end
            }
            if CHUNKS > 1u {
                for (var i = 0u; i < tr * TD * TH; i += 1u) {
                    kept[chunk * TILE + i] = out[i];
                }
            }
        }
    }

    // unroll r TR
    let share_r = 1.0 / max(total_r, 1e-30); // a query that sees no key gives 0
    let query_r = (group.x * TR + 0u /*r*/) * 8u + local.x;
    let o_r = ((group.z * p.Tq + query_r) * p.o_stride + group.y * p.width) / 4u;
    // end
    for (var d = 0u; d < vectors * TH; d += 1u) {
        // unroll r TR
        if query_r < p.Tq {
            if CHUNKS > 1u {
                o[o_r + d] = pack(kept[(d / (TD * TH) * TR + 0u /*r*/) * TD * TH + d % (TD * TH)] * share_r);
            } else {
                o[o_r + d] = pack(out[0u /*r*/ * TD * TH + d] * share_r);
            }
        }
        // end
    }
}
