// attention_flash: O[i,:] = Σ_j softmax_j(scale·Q[i,:]·K[j,:])·V[j,:] like
// attention, for GPUs: keys and values pass through workgroup memory, an
// online softmax keeps memory independent of their number.
//
// Bindings (the first three may be one fused tensor)
//   q  rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k  rows [batch·Tk], likewise at p.k_offset, a head for p.repeat of q
//   v  rows [batch·Tk], likewise at p.v_offset
//   o  rows [batch·Tq], head h at element h·p.width
//   table, places  where scores have a bias, or regions: see attention_probs
//
// PARTS threads share a query: each has TD vec4 of it and of the output. Through
// workgroup memory they add their parts of the scores, each those of some of the keys,
// so that wide heads neither spill nor compute a score twice. A workgroup is QUERIES
// queries; it stages TB keys and then values at a time, which the threads of a part read
// at the same address. workgroup_id: x counts blocks of QUERIES queries, y heads, z batch
// items.
//
// The tiles are arrays of arrays, so that what a thread reads of them lies at constant
// distances from one place: one bounds check and one address for many reads.
//
// Constants: TD; PARTS, with PARTS·TD vec4 of at least p.width elements; QUERIES;
// the workgroup size is THREADS = PARTS·QUERIES; TB = TURNS·AT keys, of which a turn of
// the loops over them takes AT, 4 at most, and of those a part SHARE, AT/PARTS rounded up,
// to add up; TILE = TB·PARTS·TD.

const TD = 1u;
const PARTS = 16u;
const QUERIES = 4u;
const THREADS = 64u;
const TB = 4u;
const AT = 1u;
const TURNS = 4u;
const SHARE = 1u;
const TILE = 64u;

const UNSEEN = -1e36; // the score of a key that is not seen: its weight is 0 even where none is
const LOG2E = 1.4426950408889634;
alias Packed = vec2<u32>;
alias Tile = vec4<f32>; // of the tile, which products take as f32

struct Params {
    repeat: u32,   // heads of q to one of k and v
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
    flags: u32,    // bit 0: causal, query i sees the keys up to i + Tk - Tq; bit 1: limit in place of Tk
    scale: f32,    // of q·k, times log2(e)
    first: u32,    // item of lengths and places that belongs to the first of the batch
    heads: u32,    // of q
    windows: u32,  // of places, that items have in turn
    bias_stride: u32, // vec4 from row to row of table
    map_w: u32,    // columns of the map that the tokens are
    map_step: f32, // 1 / map_w
    map_rows: u32, // rows of table for each head, the first map_first for rows of the map
    map_first: u32,
    map_turn: u32, // rows of the map until keys stand so again, less 1
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Packed>;
@group(0) @binding(2) var<storage, read> k: array<Packed>;
@group(0) @binding(3) var<storage, read> v: array<Packed>;
@group(0) @binding(4) var<storage, read_write> o: array<Packed>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>; // [batch] where items have padded keys
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> places: array<u32>;

fn unpack(x: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(x.x), unpack2x16float(x.y)); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

var<workgroup> tile: array<array<array<array<Tile, TD>, PARTS>, AT>, TURNS>; // of keys or values
var<workgroup> scores: array<array<array<array<f32, QUERIES>, PARTS>, AT>, TURNS>; // each a part's; then the whole in part 0's place

// place puts vector i of the tile's rows, one after the other, into it.
fn place(i: u32, value: vec4<f32>) {
    let row = i / (PARTS * TD);
    let at = i % (PARTS * TD);
    tile[row / AT][row % AT][at / TD][at % TD] = Tile(value);
}

// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }
// bias is what a form adds to the scores of keys j to j + 3 to query i: see attention_probs.
// shifts are the part's share of it, of the four keys that j is of, and biased is a score
// with that of one.
fn bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn shifts(part: u32, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn biased(score: f32, shift: vec4<f32>, at: u32) -> f32 { return score; }

// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(x: Packed_f32) -> vec4<f32> { return x; }
fn pack_f32(x: vec4<f32>) -> Packed_f32 { return x; }
// end

// form halves enables f16
alias Tile_halves = vec4<f16>;
// end

// form lengths
fn limit_lengths(item: u32) -> u32 { return lengths[p.first + item]; }
// end

// form bias
fn shifts_bias(part: u32, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    var shift = vec4<f32>(0.0);
    if part == 0u { // that of all parts
        shift = LOG2E * bias(item, head, i, j / 4u * 4u);
    }
    return shift;
}
fn biased_bias(score: f32, shift: vec4<f32>, at: u32) -> f32 { return score + shift[at]; }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let vectors = p.width / 4u; // of one head
    let end = max(vectors, 1u) - 1u;
    let part = thread / QUERIES;
    let first = part * TD; // of the head's vectors
    let lane = thread % QUERIES;
    let query = group.x * QUERIES + lane;
    let q_row = (group.z * p.Tq + min(query, max(p.Tq, 1u) - 1u)) * (p.q_stride / 4u) + (p.q_offset + group.y * p.width) / 4u;
    let key_head = group.y / max(p.repeat, 1u);
    let k_head = group.z * p.Tk * (p.k_stride / 4u) + (p.k_offset + key_head * p.width) / 4u;
    let v_head = group.z * p.Tk * (p.v_stride / 4u) + (p.v_offset + key_head * p.width) / 4u;
    let causal = (p.flags & 1u) != 0u;
    let most = min(limit(group.z), p.Tk);
    let last = select(p.Tk, most, (p.flags & 2u) != 0u);
    let seen = min(most, select(p.Tk, max(query + 1u + last, p.Tq) - p.Tq, causal));
    // The same for all threads, since barriers are inside the loop over it.
    let keys = min(most, select(p.Tk, max((group.x + 1u) * QUERIES + last, p.Tq) - p.Tq, causal));

    // Known at run time only, or drivers would unroll the loops over a tile.
    let turns = min(TURNS, p.Tk + TURNS);

    var best = -1e30;
    var total = 0.0;
    // unroll d TD
    let q_d = select(unpack(q[q_row + min(first + 0u /*d*/, end)]) * p.scale, vec4<f32>(0.0), first + 0u /*d*/ > end);
    var o_d = vec4<f32>(0.0);
    // end

    for (var start = 0u; start < keys; start += TB) {
        workgroupBarrier();
        for (var s = 0u; s < TILE; s += THREADS) {
            let i = s + thread;
            if TILE % THREADS != 0u && i >= TILE {
                break;
            }
            let row = min(start + i / (PARTS * TD), p.Tk - 1u);
            place(i, unpack(k[k_head + row * (p.k_stride / 4u) + min(i % (PARTS * TD), end)]));
        }
        workgroupBarrier();
        for (var turn = 0u; turn < turns; turn += 1u) {
            let j = start + turn * AT;
            let shift = shifts(part, group.z, group.y, min(query, max(p.Tq, 1u) - 1u), min(j, p.Tk - 1u));
            // unroll u AT
            var sum_u = vec2<f32>(0.0);
            // unroll d TD
            let key_u_d = vec4<f32>(tile[turn][0u /*u*/][part][0u /*d*/]);
            sum_u = fma(q_d.xy, key_u_d.xy, sum_u);
            sum_u = fma(q_d.zw, key_u_d.zw, sum_u);
            // end
            let score_u = biased(sum_u.x + sum_u.y, shift, (j & (4u - AT)) + 0u /*u*/);
            scores[turn][0u /*u*/][part][lane] = select(UNSEEN, score_u, j + 0u /*u*/ < seen);
            // end
        }
        workgroupBarrier();
        for (var s = 0u; s < TILE; s += THREADS) {
            let i = s + thread;
            if TILE % THREADS != 0u && i >= TILE {
                break;
            }
            let row = min(start + i / (PARTS * TD), p.Tk - 1u);
            place(i, unpack(v[v_head + row * (p.v_stride / 4u) + min(i % (PARTS * TD), end)]));
        }

        if PARTS > 1u { // else the scores are whole
            for (var turn = 0u; turn < turns; turn += 1u) {
                // unroll s SHARE
                let u_s = 0u /*s*/ * PARTS + part;
                if AT % PARTS == 0u || u_s < AT {
                    var score_s = 0.0;
                    // unroll t PARTS
                    score_s += scores[turn][u_s][0u /*t*/][lane];
                    // end
                    scores[turn][u_s][0][lane] = score_s;
                }
                // end
            }
        }
        workgroupBarrier();

        var highest = best;
        for (var turn = 0u; turn < turns; turn += 1u) {
            // unroll u AT
            highest = max(highest, scores[turn][0u /*u*/][0][lane]);
            // end
        }
        let fade = exp2(best - highest);
        best = highest;
        total *= fade;
        // unroll d TD
        o_d *= fade;
        // end

        for (var turn = 0u; turn < turns; turn += 1u) {
            // unroll u AT
            let weight_u = exp2(scores[turn][0u /*u*/][0][lane] - best);
            total += weight_u;
            // unroll d TD
            o_d = fma(vec4<f32>(weight_u), vec4<f32>(tile[turn][0u /*u*/][part][0u /*d*/]), o_d);
            // end
            // end
        }
    }

    let share = select(1.0 / total, 0.0, total < 1e-30); // a query that sees no key gives 0
    let at = ((group.z * p.Tq + query) * p.o_stride + group.y * p.width) / 4u + first;
    if query < p.Tq {
        // unroll d TD
        if first + 0u /*d*/ < vectors {
            o[at + 0u /*d*/] = pack(o_d * share);
        }
        // end
    }
}
