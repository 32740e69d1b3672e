// attention_few: O[i,:] = Σ_j softmax_j(scale·Q[i,:]·K[j,:])·V[j,:] like attention,
// for few queries, such as those of a decoder's step: the threads of a workgroup
// share the keys, and the heads of q that attend to one of k and v share a workgroup.
//
// Bindings
//   q  rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k  rows [batch·Tk], likewise at p.k_offset, a head for p.repeat of q
//   v  rows [batch·Tk], likewise at p.v_offset
//   o  rows [batch·Tq], head h at element h·p.width; in slices see there
//   lengths  u32 [batch] where items have padded keys
//   table, places  where scores have a bias, or regions: see attention_probs
//
// The queries of a head of k are p.repeat·p.Tq: query r is token r % Tq of the r / Tq-th
// head of q. workgroup_id: x counts blocks of QS of them for each slice of the keys
// in turn (block fastest), y heads of k, z batch items. A slice is p.slice keys; the
// keys of one pass in tiles of TILE, of which each thread scores four at a time. Then
// of the weighted sum a thread has TD vectors for one of every PARTS keys.
//
// Constants: QS queries; VECTORS 16-byte vectors in a head; TH vec4 in a vector (f16 2,
// f32 1); COLS·TD of at least VECTORS; PARTS a power of two, COLS·PARTS at most the
// workgroup size THREADS; TILE a multiple of 4·THREADS; the arrays' sizes.

const QS = 1u;
const VECTORS = 1u;
const TD = 1u;
const TH = 2u;
const COLS = 1u;
const PARTS = 8u;
const THREADS = 8u;
const TILE = 32u;
const QUERIES = 2u;  // QS·VECTORS·TH
const SCORES = 32u;  // QS·TILE
const SHARES = 8u;   // QS·THREADS
const SUMS = 16u;    // THREADS·TD·TH

const LOG2E = 1.4426950408889634;
alias Wide = vec4<u32>;
alias Packed = vec2<u32>;

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
    slice: u32,    // keys, a multiple of TILE
    slices: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Wide>;
@group(0) @binding(2) var<storage, read> k: array<Wide>;
@group(0) @binding(3) var<storage, read> v: array<Wide>;
@group(0) @binding(4) var<storage, read_write> o: array<Packed>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> places: array<u32>;

var<workgroup> queries: array<vec4<f32>, QUERIES>; // [QS][VECTORS][TH], scaled
var<workgroup> scores: array<f32, SCORES>;         // [QS][TILE], then the weights
var<workgroup> shares: array<f32, SHARES>;         // [QS][THREADS] highest scores, at last sums of weights
var<workgroup> sums: array<vec4<f32>, SUMS>;       // [THREADS][TD][TH] of one query

// part is the h-th vec4 of a vector.
fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

// along adds a product of four elements to a sum: one register each, not four.
fn along(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }

// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }

// place is where vec4 i of a head's sum is stored, of row and slice. finish is what is
// stored of it, and note what is kept beside it, where the head has one slice. A query
// that sees no key gives 0.
fn place(row: u32, slice: u32, head: u32, i: u32) -> u32 { return (row * p.o_stride + head * p.width) / 4u + i; }
fn finish(sum: vec4<f32>, total: f32) -> Packed { return pack(sum * (1.0 / select(total, 1e-30, total < 1e-30))); }
fn note(at: u32, highest: f32, total: f32) { }

// bias is what a form adds to the scores of keys j to j + 3 to query i: see attention_probs.
fn bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn biased(score: vec4<f32>, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return score; }

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

// form bias
fn biased_bias(score: vec4<f32>, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    return score + LOG2E * bias(item, head, i, j);
}
// end

// In slices o is f32 and has, for each row and slice, a sum of each head and behind it
// the highest score and the sum of weights, which attention_merge takes.
// form slices
alias Packed_slices = vec4<f32>;
@group(0) @binding(4) var<storage, read_write> o_slices: array<Packed_slices>;
fn pack_slices(x: vec4<f32>) -> Packed_slices { return x; }
fn place_slices(row: u32, slice: u32, head: u32, i: u32) -> u32 { return ((row * p.slices + slice) * p.o_stride + head * (p.width + 8u)) / 4u + i; }
fn finish_slices(sum: vec4<f32>, total: f32) -> Packed_slices { return sum; }
fn note_slices(at: u32, highest: f32, total: f32) {
    o_slices[at] = vec4<f32>(highest, total, 0.0, 0.0);
    o_slices[at + 1u] = vec4<f32>(0.0);
}
// end

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let wide = 4u * TH;
    let rows = max(p.repeat * p.Tq, 1u);
    let blocks = (rows + QS - 1u) / QS;
    let block = group.x % blocks;
    let slice = group.x / blocks;
    let tokens = max(p.Tq, 1u);
    let k_head = (group.z * p.Tk * p.k_stride + p.k_offset + group.y * p.width) / wide;
    let v_head = (group.z * p.Tk * p.v_stride + p.v_offset + group.y * p.width) / wide;
    // Known at run time only, or drivers would unroll the loops, nor of uniforms alone,
    // or lavapipe would compile the kernel anew for each value.
    let vectors = min(VECTORS, VECTORS + group.x);
    let threads = min(THREADS, THREADS + group.x);
    let parts = min(PARTS, PARTS + group.x);

    for (var s = 0u; s < QS * VECTORS; s += THREADS) {
        let i = s + thread;
        if i < QS * VECTORS {
            // Queries beyond the end repeat the last one: they are never stored.
            let row = min(block * QS + i / VECTORS, rows - 1u);
            let at = (group.z * p.Tq + row % tokens) * (p.q_stride / wide) + (p.q_offset + (group.y * p.repeat + row / tokens) * p.width) / wide;
            let x = q[at + i % VECTORS];
            // unroll h TH
            queries[i * TH + 0u /*h*/] = part(x, 0u /*h*/) * p.scale;
            // end
        }
    }

    // The same for all threads, since barriers are inside the loop over it.
    let most = min(limit(group.z), p.Tk);
    let begin = slice * p.slice;
    let to = min(most, begin + p.slice);
    let end = select(p.Tk, most, (p.flags & 2u) != 0u);
    let causal = (p.flags & 1u) != 0u;

    let column = thread % COLS;
    let mine = thread / COLS; // part
    // unroll r QS
    let row_r = min(block * QS + 0u /*r*/, rows - 1u);
    let seen_r = min(most, select(p.Tk, max(row_r % tokens + 1u + end, p.Tq) - p.Tq, causal));
    var best_r = -1e30;
    var total_r = 0.0;
    // unroll d TD
    // unroll h TH
    var o_r_d_h = vec4<f32>(0.0);
    // end
    // end
    // end

    for (var start = begin; start < to; start += TILE) {
        workgroupBarrier();
        let count = min(TILE, to - start);
        let turns = (count + 4u * THREADS - 1u) / (4u * THREADS);
        // unroll r QS
        var highest_r = best_r;
        // end
        var turn = 0u;
        loop {
            let at = (turn * THREADS + thread) * 4u;
            let keys = vec4<u32>(start + at) + vec4<u32>(0u, 1u, 2u, 3u);
            let in_range = min(keys.x, (to - 1u) / 4u * 4u); // keys beyond the end have no place in a table of biases
            let k_0 = k_head + min(keys.x, to - 1u) * (p.k_stride / wide);
            let k_1 = k_head + min(keys.y, to - 1u) * (p.k_stride / wide);
            let k_2 = k_head + min(keys.z, to - 1u) * (p.k_stride / wide);
            let k_3 = k_head + min(keys.w, to - 1u) * (p.k_stride / wide);
            // unroll r QS
            var s_r_0 = 0.0;
            var s_r_1 = 0.0;
            var s_r_2 = 0.0;
            var s_r_3 = 0.0;
            // end
            var i = 0u;
            loop {
                let x_0 = k[k_0 + i];
                let x_1 = k[k_1 + i];
                let x_2 = k[k_2 + i];
                let x_3 = k[k_3 + i];
                // unroll r QS
                // unroll h TH
                let q_r_h = queries[(0u /*r*/ * VECTORS + i) * TH + 0u /*h*/];
                s_r_0 = along(q_r_h, part(x_0, 0u /*h*/), s_r_0);
                s_r_1 = along(q_r_h, part(x_1, 0u /*h*/), s_r_1);
                s_r_2 = along(q_r_h, part(x_2, 0u /*h*/), s_r_2);
                s_r_3 = along(q_r_h, part(x_3, 0u /*h*/), s_r_3);
                // end
                // end
                continuing {
                    i += 1u;
                    break if i >= vectors;
                }
            }
            // unroll r QS
            let unseen_r = keys >= vec4<u32>(min(seen_r, to));
            let score_r = select(biased(vec4<f32>(s_r_0, s_r_1, s_r_2, s_r_3), group.z, group.y * p.repeat + row_r / tokens, row_r % tokens, in_range), vec4<f32>(-1e30), unseen_r);
            let at_r = 0u /*r*/ * TILE + at;
            scores[at_r] = score_r.x;
            scores[at_r + 1u] = score_r.y;
            scores[at_r + 2u] = score_r.z;
            scores[at_r + 3u] = score_r.w;
            highest_r = max(highest_r, max(max(score_r.x, score_r.y), max(score_r.z, score_r.w)));
            // end
            continuing {
                turn += 1u;
                break if turn >= turns;
            }
        }
        // unroll r QS
        shares[0u /*r*/ * THREADS + thread] = highest_r;
        // end
        workgroupBarrier();

        var t = 0u;
        loop {
            // unroll r QS
            highest_r = max(highest_r, shares[0u /*r*/ * THREADS + t]);
            // end
            continuing {
                t += 1u;
                break if t >= threads;
            }
        }
        // unroll r QS
        let fade_r = exp2(best_r - highest_r);
        best_r = highest_r;
        total_r *= fade_r;
        // unroll d TD
        // unroll h TH
        o_r_d_h *= fade_r;
        // end
        // end
        // end
        turn = 0u;
        loop { // over the thread's own scores
            let at = (turn * THREADS + thread) * 4u;
            let keys = vec4<u32>(start + at) + vec4<u32>(0u, 1u, 2u, 3u);
            // unroll r QS
            let at_r = 0u /*r*/ * TILE + at;
            let score_r = vec4<f32>(scores[at_r], scores[at_r + 1u], scores[at_r + 2u], scores[at_r + 3u]);
            let w_r = select(exp2(score_r - best_r), vec4<f32>(0.0), keys >= vec4<u32>(min(seen_r, to)));
            scores[at_r] = w_r.x;
            scores[at_r + 1u] = w_r.y;
            scores[at_r + 2u] = w_r.z;
            scores[at_r + 3u] = w_r.w;
            total_r += (w_r.x + w_r.y) + (w_r.z + w_r.w);
            // end
            continuing {
                turn += 1u;
                break if turn >= turns;
            }
        }
        workgroupBarrier();

        var j = 0u;
        loop {
            let at = v_head + min(start + j + mine, to - 1u) * (p.v_stride / wide) + column;
            // unroll d TD
            let v_d = v[at + min(0u /*d*/ * COLS, VECTORS - 1u - column)];
            // end
            // unroll r QS
            let weight_r = vec4<f32>(scores[0u /*r*/ * TILE + min(j + mine, TILE - 1u)]);
            // unroll d TD
            // unroll h TH
            o_r_d_h = fma(weight_r, part(v_d, 0u /*h*/), o_r_d_h);
            // end
            // end
            // end
            continuing {
                j += PARTS;
                break if j >= count;
            }
        }
    }

    // unroll r QS
    shares[0u /*r*/ * THREADS + thread] = total_r;
    // end
    workgroupBarrier();
    // unroll r QS
    total_r = 0.0;
    // end
    var t = 0u;
    loop {
        // unroll r QS
        total_r += shares[0u /*r*/ * THREADS + t];
        // end
        continuing {
            t += 1u;
            break if t >= threads;
        }
    }

    // unroll r QS
    if PARTS > 1u {
        workgroupBarrier();
        // unroll d TD
        // unroll h TH
        sums[(thread * TD + 0u /*d*/) * TH + 0u /*h*/] = o_r_d_h;
        // end
        // end
        workgroupBarrier();
        for (var s = 1u; s < parts; s += 1u) {
            let other = min(s * COLS + thread, THREADS - 1u);
            // unroll d TD
            // unroll h TH
            o_r_d_h += sums[(other * TD + 0u /*d*/) * TH + 0u /*h*/];
            // end
            // end
        }
    }
    if mine == 0u && block * QS + 0u /*r*/ < p.repeat * p.Tq {
        let head = group.y * p.repeat + row_r / tokens;
        let token = group.z * p.Tq + row_r % tokens;
        // unroll d TD
        if column + 0u /*d*/ * COLS < VECTORS {
            // unroll h TH
            o[place(token, slice, head, (column + 0u /*d*/ * COLS) * TH + 0u /*h*/)] = finish(o_r_d_h, total_r);
            // end
        }
        // end
        if column == 0u {
            note(place(token, slice, head, p.width / 4u), best_r, total_r);
        }
    }
    // end
}
