// attention_flash: O[i,:] = Σ_j softmax_j(scale·Q[i,:]·K[j,:])·V[j,:] like
// attention, for GPUs: keys and values pass through workgroup memory, an
// online softmax keeps memory independent of their number.
//
// Bindings (the first three may be one fused tensor)
//   q  rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k  rows [batch·Tk], likewise at p.k_offset
//   v  rows [batch·Tk], likewise at p.v_offset
//   o  rows [batch·Tq], head h at element h·p.width
//
// A workgroup is 64 threads, one query each; it stages 16 keys and values at
// a time, which all threads read at the same address. workgroup_id: x counts
// blocks of 64 queries for each chunk of the head's output in turn (chunk
// fastest), y heads, z batch items.
//
// Constants: TD vec4 in a chunk of the head; CHUNKS chunks: CHUNKS·TD vec4
// must hold p.width elements; TILE = 16·TD. With several chunks every
// workgroup computes the scores anew for its own chunk of the output.

const TD = 1u;
const CHUNKS = 16u;
const TILE = 16u;
const TB = 16u; // keys of a tile: what the unrolled loops and TILE are made for

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
    first: u32,    // item of lengths that belongs to the first of the batch
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Packed>;
@group(0) @binding(2) var<storage, read> k: array<Packed>;
@group(0) @binding(3) var<storage, read> v: array<Packed>;
@group(0) @binding(4) var<storage, read_write> o: array<Packed>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>; // [batch] where items have padded keys

fn unpack(x: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(x.x), unpack2x16float(x.y)); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

var<workgroup> tile: array<vec4<f32>, TILE>;

// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let vectors = p.width / 4u; // of one head
    let end = max(vectors, 1u) - 1u;
    // Known at run time only, or drivers would unroll the loops over chunks.
    let chunks = select(min(CHUNKS, p.width + group.z), 1u, CHUNKS == 1u);
    let mine = group.x % CHUNKS; // the output's chunk
    let query = group.x / CHUNKS * 64u + thread;
    let q_row = (group.z * p.Tq + min(query, max(p.Tq, 1u) - 1u)) * (p.q_stride / 4u) + (p.q_offset + group.y * p.width) / 4u;
    let k_head = group.z * p.Tk * (p.k_stride / 4u) + (p.k_offset + group.y * p.width) / 4u;
    let v_head = group.z * p.Tk * (p.v_stride / 4u) + (p.v_offset + group.y * p.width) / 4u;
    let causal = (p.flags & 1u) != 0u;
    let most = limit(group.z);
    let seen = min(most, select(p.Tk, max(query + 1u + p.Tk, p.Tq) - p.Tq, causal));
    // The same for all threads, since barriers are inside the loop over it.
    let keys = min(most, select(p.Tk, max((group.x / CHUNKS + 1u) * 64u + p.Tk, p.Tq) - p.Tq, causal));

    var score: array<f32, TB>;
    var best = -1e30;
    var total = 0.0;
    // unroll d TD
    var q_d = vec4<f32>(0.0);
    var o_d = vec4<f32>(0.0);
    // end
    if CHUNKS == 1u {
        // unroll d TD
        q_d = select(unpack(q[q_row + min(0u /*d*/, end)]) * p.scale, vec4<f32>(0.0), 0u /*d*/ > end);
        // end
    }

    for (var start = 0u; start < keys; start += TB) {
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            workgroupBarrier();
            for (var i = thread; i < TILE; i += 64u) {
                let row = min(start + i / TD, p.Tk - 1u);
                tile[i] = unpack(k[k_head + row * (p.k_stride / 4u) + min(chunk * TD + i % TD, end)]);
            }
            workgroupBarrier();
            if CHUNKS > 1u {
                // unroll d TD
                q_d = select(unpack(q[q_row + min(chunk * TD + 0u /*d*/, end)]) * p.scale, vec4<f32>(0.0), chunk * TD + 0u /*d*/ > end);
                // end
            }
            for (var j = 0u; j < TB; j += 1u) {
                var sum = vec4<f32>(0.0);
                // unroll d TD
                sum = fma(q_d, tile[j * TD + 0u /*d*/], sum);
                // end
                score[j] = select(score[j], 0.0, chunk == 0u) + (sum.x + sum.y) + (sum.z + sum.w);
            }
        }

        var highest = best;
        for (var j = 0u; j < TB; j += 1u) {
            score[j] = select(score[j], -1e30, start + j >= seen);
            highest = max(highest, score[j]);
        }
        let fade = exp2(best - highest);
        best = highest;
        total *= fade;
        // unroll d TD
        o_d *= fade;
        // end

        workgroupBarrier();
        for (var i = thread; i < TILE; i += 64u) {
            let row = min(start + i / TD, p.Tk - 1u);
            tile[i] = unpack(v[v_head + row * (p.v_stride / 4u) + min(mine * TD + i % TD, end)]);
        }
        workgroupBarrier();
        for (var j = 0u; j < TB; j += 1u) {
            let weight = select(exp2(score[j] - best), 0.0, score[j] <= -1e30);
            total += weight;
            // unroll d TD
            o_d = fma(vec4<f32>(weight), tile[j * TD + 0u /*d*/], o_d);
            // end
        }
    }

    let share = 1.0 / max(total, 1e-30); // a query that sees no key gives 0
    let at = ((group.z * p.Tq + query) * p.o_stride + group.y * p.width) / 4u + mine * TD;
    if query < p.Tq {
        // unroll d TD
        if mine * TD + 0u /*d*/ < vectors {
            o[at + 0u /*d*/] = pack(o_d * share);
        }
        // end
    }
}
