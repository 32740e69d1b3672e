// attention: O[i,:] = Σ_j softmax_j(scale·Q[i,:]·K[j,:])·V[j,:], for every
// head and batch item, by an online softmax over blocks of keys: memory does
// not grow with their number. Barrier-free, for software adapters.
//
// Bindings (the first three may be one fused tensor)
//   q  rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k  rows [batch·Tk], likewise at p.k_offset, a head for p.repeat of q
//   v  rows [batch·Tk], likewise at p.v_offset
//   o  rows [batch·Tq], head h at element h·p.width
//   lengths  u32 [batch] where items have padded keys
//   table, places  where scores have a bias, or regions: see attention_probs
//
// A workgroup is 8 lanes. A lane owns TR queries, lane l the queries
// l, l+8, …, so the softmax stays in the lane. workgroup_id: x counts blocks
// of 8·TR queries for each chunk of the head's output in turn (chunk
// fastest), y heads, z batch items.
//
// Constants: TR queries a lane; TD 16-byte vectors in a chunk of the head;
// TH vec4 in a vector (f16 2, f32 1); CHUNKS chunks: CHUNKS·TD vectors are
// exactly p.width elements. With several chunks every workgroup computes the
// scores anew for its own chunk of the output.
//
// Written for compilers that make a loop over lanes of every load: few loads
// in the text (what happens once is a loop over queries), addresses that are
// counted up, no private arrays, no barriers. Keys come in blocks of four,
// whose scores are the parts of one vector. Loops end at their end: such
// compilers run a loop once more, masked, when it breaks at its start.

const TR = 1u;
const TD = 8u;
const TH = 2u;
const CHUNKS = 1u;

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
    columns: u32,  // of the keys: of their map, else 4
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Wide>;
@group(0) @binding(2) var<storage, read> k: array<Wide>;
@group(0) @binding(3) var<storage, read> v: array<Wide>;
@group(0) @binding(4) var<storage, read_write> o: array<Packed>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> places: array<u32>;

// part is the h-th vec4 of a vector.
fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }
// bias is what a form adds to the scores of keys j to j + 3 to query i: see attention_probs.
// aside is what it adds, in every row of the keys, to those of four columns.
fn bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn column_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn aside(item: u32, head: u32, i: u32, column: u32) -> vec4<f32> { return vec4<f32>(0.0); }
fn biased(score: vec4<f32>, aside: vec4<f32>, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return score; }

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
fn biased_bias(score: vec4<f32>, aside: vec4<f32>, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return score + LOG2E * bias(item, head, i, j); }
// end

// form map
fn aside_map(item: u32, head: u32, i: u32, column: u32) -> vec4<f32> { return column_bias(item, head, i, column); }
fn biased_map(score: vec4<f32>, aside: vec4<f32>, item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return score + LOG2E * (aside + bias(item, head, i, j)); }
// end

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let wide = 4u * TH;
    let first = group.x / CHUNKS * TR * 8u + local.x; // query 0 of the lane
    let mine = group.x % CHUNKS * TD;                 // vector 0 of the output's chunk
    let q_head = (p.q_offset + group.y * p.width + group.z * p.Tq * p.q_stride) / wide;
    let k_step = p.k_stride / wide;
    let v_step = p.v_stride / wide;
    // Neither constants, or drivers would unroll the loops, nor of uniforms
    // alone, or lavapipe would compile the kernel anew for each value, nor
    // different from lane to lane, which SwiftShader gets wrong.
    let vectors = min(TD, TD + group.x);
    let lots = min(TR, p.Tq + group.x);
    let columns = min(p.columns, p.columns + group.x);
    let chunks = select(min(CHUNKS, p.width + group.z), 1u, CHUNKS == 1u);

    // Query r sees its first keys_r keys, no query of the workgroup more than `keys`.
    let causal = (p.flags & 1u) != 0u;
    let most = min(limit(group.z), p.Tk);
    let end = select(p.Tk, most, (p.flags & 2u) != 0u);
    let keys = min(most, select(p.Tk, max((group.x / CHUNKS + 1u) * TR * 8u + end, p.Tq) - p.Tq, causal));
    // unroll r TR
    let keys_r = min(most, select(p.Tk, max(first + 8u * 0u /*r*/ + 1u + end, p.Tq) - p.Tq, causal));
    var best_r = -1e30;
    var total_r = 0.0;
    // unroll d TD
    // unroll h TH
    var q_r_d_h = vec4<f32>(0.0);
    var o_r_d_h = vec4<f32>(0.0);
    // end
    // end
    // end

    var r = 0u;
    if CHUNKS == 1u {
        r = 0u;
        loop {
            // Queries beyond the end repeat the last one: they are never stored.
            let at = q_head + min(first + 8u * r, max(p.Tq, 1u) - 1u) * (p.q_stride / wide);
            // unroll d TD
            let x_d = q[at + 0u /*d*/];
            // unroll h TH
            let x_d_h = part(x_d, 0u /*h*/) * p.scale;
            // unroll r TR
            q_r_d_h = select(q_r_d_h, x_d_h, r == 0u /*r*/);
            // end
            // end
            // end
            continuing {
                r += 1u;
                break if r >= lots;
            }
        }
    }

    let key_head = group.y / max(p.repeat, 1u);
    let k_first = (p.k_offset + key_head * p.width + group.z * p.Tk * p.k_stride) / wide;
    let v_first = (p.v_offset + key_head * p.width + group.z * p.Tk * p.v_stride) / wide + mine;
    var column = 0u;
    loop {
        // unroll r TR
        let aside_r = aside(group.z, group.y, min(first + 8u * 0u /*r*/, max(p.Tq, 1u) - 1u), column);
        // end
        let together = min(4u, columns - column);
        var k_block = k_first + column * k_step;
        var v_block = v_first + column * v_step;
        var start = column;
        loop {
            let count = min(together, keys - start);
            // unroll r TR
            var score_r = vec4<f32>(0.0);
            // end
            var chunk = 0u;
            loop {
                if CHUNKS > 1u {
                    r = 0u;
                    loop {
                        // Queries beyond the end repeat the last one: they are never stored.
                        let at = q_head + min(first + 8u * r, max(p.Tq, 1u) - 1u) * (p.q_stride / wide) + chunk * TD;
                        // unroll d TD
                        let x_d = q[at + 0u /*d*/];
                        // unroll h TH
                        let x_d_h = part(x_d, 0u /*h*/) * p.scale;
                        // unroll r TR
                        q_r_d_h = select(q_r_d_h, x_d_h, r == 0u /*r*/);
                        // end
                        // end
                        // end
                        continuing {
                            r += 1u;
                            break if r >= lots;
                        }
                    }
                }
                var k_at = k_block + chunk * TD;
                var j = 0u;
                loop {
                    // unroll r TR
                    var sum_r = vec4<f32>(0.0);
                    // end
                    // unroll d TD
                    let k_d = k[k_at + 0u /*d*/];
                    // end
                    k_at += k_step;
                    // unroll d TD
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
                    continuing {
                        j += 1u;
                        break if j >= count;
                    }
                }
                continuing {
                    chunk += 1u;
                    break if chunk >= chunks;
                }
            }
            k_block += columns * k_step;

            // unroll r TR
            let unseen_r = vec4<u32>(start) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(min(keys_r, start + count));
            score_r = select(biased(score_r, aside_r, group.z, group.y, min(first + 8u * 0u /*r*/, max(p.Tq, 1u) - 1u), start), vec4<f32>(-1e30), unseen_r);
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
            var v_at = v_block;
            v_block += columns * v_step;
            var j = 0u;
            loop {
                // unroll d TD
                let v_d = v[v_at + 0u /*d*/];
                // end
                v_at += v_step;
                // unroll r TR
                let weight_r = vec4<f32>(score_r[j]);
                // end
                // unroll d TD
                // unroll h TH
                let v_d_h = part(v_d, 0u /*h*/);
                // unroll r TR
                o_r_d_h = fma(weight_r, v_d_h, o_r_d_h);
                // end
                // end
                // end
                continuing {
                    j += 1u;
                    break if j >= count;
                }
            }
            continuing {
                start += columns;
                break if start >= keys;
            }
        }
        continuing {
            column += 4u;
            break if column >= columns;
        }
    }

    r = 0u;
    loop {
        let i = first + 8u * r;
        if i < p.Tq {
            var total = 0.0;
            // unroll r TR
            total = select(total, total_r, r == 0u /*r*/);
            // end
            let share = 1.0 / select(total, 1e-30, total < 1e-30); // a query that sees no key gives 0
            let at = ((group.z * p.Tq + i) * p.o_stride + group.y * p.width) / 4u + mine * TH;
            // unroll d TD
            // unroll h TH
            var y_d_h = o_0_d_h;
            // unroll r TR
            y_d_h = select(y_d_h, o_r_d_h, r == 0u /*r*/);
            // end
            // end
            // end
            var d = 0u;
            loop {
                // unroll h TH
                var y_h = y_0_h;
                // unroll d TD
                y_h = select(y_h, y_d_h, d == 0u /*d*/);
                // end
                o[at + d * TH + 0u /*h*/] = pack(y_h * share);
                // end
                continuing {
                    d += 1u;
                    break if d >= vectors;
                }
            }
        }
        continuing {
            r += 1u;
            break if r >= lots;
        }
    }
}
