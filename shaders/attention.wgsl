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
// TH vec4 in a vector (f16 2, f32 1); CHUNKS chunks: CHUNKS·TD vectors must
// hold p.width elements. With several chunks the scores are computed
// anew for each chunk of the output.
//
// Keys come in blocks of four, whose scores are the parts of one vector:
// drivers compile private arrays badly.

const TR = 1u;
const TD = 1u;
const TH = 2u;
const CHUNKS = 8u;
const KEPT = 1u; // unused
const TB = 4u;   // unused

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

    // Known at run time only, or drivers would unroll the loop over chunks.
    let chunks = select((vectors + TD - 1u) / TD, 1u, CHUNKS == 1u);
    let block = group.x * TR;
    for (var mine = 0u; mine < chunks; mine += 1u) { // the output's chunk

    // Query r sees its first keys_r keys, no query of the workgroup more than `keys`.
    // Queries beyond the end repeat the last one: they are never stored.
    let causal = (p.flags & 1u) != 0u;
    let keys = select(p.Tk, min(max((block + TR) * 8u + p.Tk, p.Tq) - p.Tq, p.Tk), causal);
    // unroll r TR
    let query_r = (block + 0u /*r*/) * 8u + local.x;
    let q_r = q_head + (group.z * p.Tq + min(query_r, max(p.Tq, 1u) - 1u)) * (p.q_stride / wide);
    let keys_r = select(p.Tk, min(max(query_r + 1u + p.Tk, p.Tq) - p.Tq, p.Tk), causal);
    var best_r = -1e30;
    var total_r = 0.0;
    // unroll d TD
    // unroll h TH
    var q_r_d_h = vec4<f32>(0.0);
    var o_r_d_h = vec4<f32>(0.0);
    // end
    // end
    // end
    if CHUNKS == 1u {
        // unroll d TD
        // unroll r TR
        let qv_r_d = q[q_r + min(0u /*d*/, end)];
        // unroll h TH
        q_r_d_h = select(part(qv_r_d, 0u /*h*/) * p.scale, vec4<f32>(0.0), 0u /*d*/ > end);
        // end
        // end
        // end
    }

    for (var start = 0u; start < keys; start += 4u) {
        let count = min(4u, keys - start);
        // unroll r TR
        var score_r = vec4<f32>(0.0);
        // end
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            if CHUNKS > 1u {
                // unroll d TD
                // unroll r TR
                let qv_r_d = q[q_r + min(chunk * TD + 0u /*d*/, end)];
                // unroll h TH
                q_r_d_h = select(part(qv_r_d, 0u /*h*/) * p.scale, vec4<f32>(0.0), chunk * TD + 0u /*d*/ > end);
                // end
                // end
                // end
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
                sum_r = fma(q_r_d_h, k_d_h, sum_r);
                // end
                // end
                // end
                let here = vec4<u32>(j) == vec4<u32>(0u, 1u, 2u, 3u);
                // unroll r TR
                score_r = select(score_r, score_r + ((sum_r.x + sum_r.y) + (sum_r.z + sum_r.w)), here);
                // end
            }
        }

        // unroll r TR
        let unseen_r = vec4<u32>(start) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(keys_r);
        score_r = select(score_r, vec4<f32>(-1e30), unseen_r);
        let highest_r = max(max(max(score_r.x, score_r.y), max(score_r.z, score_r.w)), best_r);
        let fade_r = exp2(best_r - highest_r);
        best_r = highest_r;
        score_r = select(exp2(score_r - highest_r), vec4<f32>(0.0), unseen_r);
        total_r = fma(total_r, fade_r, (score_r.x + score_r.y) + (score_r.z + score_r.w));
        // unroll d TD
        // unroll h TH
        o_r_d_h *= fade_r;
        // end
        // end
        // end
        for (var j = 0u; j < count; j += 1u) {
            let row = v_head + (start + j) * (p.v_stride / wide);
            // unroll r TR
            let weight_r = vec4<f32>(score_r[j]);
            // end
            // unroll d TD
            let v_d = v[row + min(mine * TD + 0u /*d*/, end)];
            // unroll h TH
            let v_d_h = part(v_d, 0u /*h*/);
            // unroll r TR
            o_r_d_h = fma(weight_r, v_d_h, o_r_d_h);
            // end
            // end
            // end
        }
    }

    // unroll r TR
    let share_r = 1.0 / max(total_r, 1e-30); // a query that sees no key gives 0
    let o_r = ((group.z * p.Tq + query_r) * p.o_stride + group.y * p.width) / 4u + mine * TD * TH;
    if query_r < p.Tq {
        // unroll d TD
        if mine * TD + 0u /*d*/ < vectors {
            // unroll h TH
            o[o_r + 0u /*d*/ * TH + 0u /*h*/] = pack(o_r_d_h * share_r);
            // end
        }
        // end
    }
    // end
    }
}
