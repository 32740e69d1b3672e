// y = (id, ln p[id]) of one token of each row of scores x, where p is proportional to
// e^(x/T) over what top-k, top-p and min-p keep: the id of the largest score (MODE 0), or
// the first up to which p sums to more than u (1). MODE 2 gives all of p.
//
// x: rows of `vectors` Loaded of four elements; u: dense f32, one a row; list: f32, room
// for four times W·⌈vectors/W⌉ a row where there is a search; y: f32 rows of eight, of which
// six are padding, or in x's layout. A workgroup does a row; the grid is 2-D. Sums are in a fixed order, so that a run gives what the last one gave.
//
// Top-k and top-p keep a token if what is larger is less than a bound: by number, or by
// mass. So the least score that is kept is found by splitting the range of scores in five
// parts by four sums, again and again, in exact terms as all floats are ordered whole
// numbers (keys). First the parts are of equal width, as scores: soon few are left that
// could be kept, which each thread lists for itself. Then the parts have equally many keys.

const W = 64u; // threads, a power of two
const MODE = 0u;
const TOP_K = 0u;
const TOP_P = 0u;

alias Loaded = vec2<u32>;
fn unpack(v: Loaded) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
const SPARE = 13u; // last bits of keys, which are the same for all halves
const TURNS = 9u;  // of a search for a key, each of which leaves a fifth of all
// form f32
alias Loaded_f32 = vec4<f32>;
fn unpack_f32(v: Loaded_f32) -> vec4<f32> { return v; }
const SPARE_f32 = 0u;
const TURNS_f32 = 14u;
// end

struct Params {
    rows: u32,
    vectors: u32, // of a row
    width: u32,   // elements of a row that hold values
    first: u32,   // number of u that belongs to the first row
    scale: f32,   // log2(e)/T
    top_k: f32,
    top_p: f32,
    min_p: f32,
    span: f32,    // below the largest score less this top-p keeps nothing
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Loaded>;
@group(0) @binding(2) var<storage, read> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> list: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> partial: array<vec4<f32>, W>;

const IMPOSSIBLE = -3.0e38;
const LIMIT = -1.0e38; // scores up to here have no probability
const LN2 = 0.6931471805599453;

// The scores of vector i of the row that begins at start, padding as impossible.
fn load(start: u32, i: u32) -> vec4<f32> {
    let columns = vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u);
    return select(vec4<f32>(IMPOSSIBLE), unpack(x[start + i]), columns < vec4<u32>(p.width));
}

// The whole number of a score in the order of the scores; what is impossible comes first.
fn key(v: f32) -> u32 {
    let bits = select(bitcast<u32>(v), 0u, v == 0.0);
    let ordered = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
    return select(ordered >> SPARE, 0u, v <= LIMIT);
}

fn keys(v: vec4<f32>) -> vec4<u32> { return vec4<u32>(key(v.x), key(v.y), key(v.z), key(v.w)); }

// What the scores weigh beside the largest.
fn weights(v: vec4<f32>, top: f32) -> vec4<f32> {
    return select(exp2((v - top) * p.scale), vec4<f32>(0.0), v <= vec4<f32>(LIMIT));
}

// Weights of what is kept: of keys and weights that are not less than these.
fn kept(v: vec4<f32>, top: f32, least: u32, min_p: f32) -> vec4<f32> {
    let w = weights(v, top);
    return select(w, vec4<f32>(0.0), (keys(v) < vec4<u32>(least)) | (w < vec4<f32>(min_p)));
}

fn sum4(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// The sum of v over the threads, the same on every run.
fn total(v: vec4<f32>, lane: u32) -> vec4<f32> {
    partial[lane] = v;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

// Of two scores with their ids the larger, of equal ones that of the lower id; the lower of
// the least scores; and whether there is one that is no number.
fn better(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let found = select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
    return vec4<f32>(found.xy, min(a.z, b.z), max(a.w, b.w));
}

// The best of the threads.
fn best(v: vec4<f32>, lane: u32) -> vec4<f32> {
    partial[lane] = v;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] = better(partial[lane], partial[lane + half]);
        }
        workgroupBarrier();
    }
    let found = partial[0];
    workgroupBarrier();
    return found;
}

// The largest score of the row, its id, the least that is possible, and 1 where there is
// NaN or +∞: told by bits, as drivers may take it that there is none.
fn largest(start: u32, vectors: u32, lane: u32) -> vec4<f32> {
    var top = vec4<f32>(IMPOSSIBLE);
    var at = vec4<u32>(lane);
    var low = vec4<f32>(-IMPOSSIBLE);
    var bits = vec4<u32>(0u);
    for (var i = lane; i < vectors; i += W) {
        let v = load(start, i);
        at = select(at, vec4<u32>(i), v > top);
        top = select(top, v, v > top);
        let b = bitcast<vec4<u32>>(v);
        bits = max(bits, select(b & vec4<u32>(0x7FFFFFFFu), vec4<u32>(0u), b == vec4<u32>(0xFF800000u)));
        if TOP_K == 1u || TOP_P == 1u {
            low = min(low, select(v, low, v <= vec4<f32>(LIMIT)));
        }
    }
    let ids = vec4<f32>(at * 4u + vec4<u32>(0u, 1u, 2u, 3u));
    let wrong = select(0.0, 1.0, max(max(bits.x, bits.y), max(bits.z, bits.w)) >= 0x7F800000u);
    let lowest = min(min(low.x, low.y), min(low.z, low.w));
    let left = better(vec4<f32>(top.x, ids.x, lowest, wrong), vec4<f32>(top.y, ids.y, lowest, wrong));
    let right = better(vec4<f32>(top.z, ids.z, lowest, wrong), vec4<f32>(top.w, ids.w, lowest, wrong));
    return best(better(left, right), lane);
}

// The score of a key.
fn score(k: u32) -> f32 {
    let ordered = k << SPARE;
    return bitcast<f32>(select(ordered & 0x7FFFFFFFu, ~ordered, ordered < 0x80000000u));
}

// Of lo ≤ key ≤ hi the part that the least key is in above which there is less than bound,
// where `above` is what there is above the keys `at`.
fn part(lo: u32, hi: u32, at: vec4<u32>, above: vec4<f32>, bound: f32) -> vec2<u32> {
    let few = above < vec4<f32>(bound);
    if few.x { return vec2<u32>(lo, at.x); }
    if few.y { return vec2<u32>(at.x + 1u, at.y); }
    if few.z { return vec2<u32>(at.y + 1u, at.z); }
    if few.w { return vec2<u32>(at.z + 1u, at.w); }
    return vec2<u32>(min(at.w + 1u, hi), hi);
}

// Narrows lo ≤ key ≤ hi by all scores of the row.
fn coarse(start: u32, vectors: u32, lane: u32, top: f32, bound: f32, ends: vec2<u32>) -> vec2<u32> {
    var range = ends;
    for (var turn = 0u; turn < 3u; turn += 1u) {
        let low = score(range.x);
        let step = (score(range.y) - low) * 0.2;
        let at = clamp(keys(low + step * vec4<f32>(1.0, 2.0, 3.0, 4.0)), vec4<u32>(range.x), vec4<u32>(range.y));
        var sums = vec4<f32>(0.0);
        for (var i = lane; i < vectors; i += W) {
            let v = load(start, i);
            let k = keys(v);
            let w = select(weights(v, top), vec4<f32>(1.0), TOP_K == 1u);
            sums += select(vec4<f32>(0.0), vec4<f32>(w.x), vec4<u32>(k.x) > at);
            sums += select(vec4<f32>(0.0), vec4<f32>(w.y), vec4<u32>(k.y) > at);
            sums += select(vec4<f32>(0.0), vec4<f32>(w.z), vec4<u32>(k.z) > at);
            sums += select(vec4<f32>(0.0), vec4<f32>(w.w), vec4<u32>(k.w) > at);
        }
        range = part(range.x, range.y, at, total(sums, lane), bound);
    }
    return range;
}

// Lists the scores of a thread from a key on, W apart, and gives how many there are.
fn listed(start: u32, vectors: u32, lane: u32, first: u32, least: u32) -> u32 {
    var count = 0u;
    for (var i = lane; i < vectors; i += W) {
        let v = load(start, i);
        let take = keys(v) >= vec4<u32>(max(least, 1u));
        // unroll c FOUR
        if take[0u /*c*/] {
            list[first + count * W] = v[0u /*c*/];
            count += 1u;
        }
        // end
    }
    return count;
}

const FOUR = 4u;

fn weight(v: f32, top: f32) -> f32 { return exp2((v - top) * p.scale); }

// The least key of lo ≤ key ≤ hi above which there is less than bound of what is listed:
// of mass, or in number.
fn fine(first: u32, count: u32, lane: u32, top: f32, mass: bool, bound: f32, ends: vec2<u32>) -> u32 {
    var range = ends;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        let step = (range.y - range.x) / 5u + 1u;
        let at = min(vec4<u32>(range.x - 1u) + step * vec4<u32>(1u, 2u, 3u, 4u), vec4<u32>(range.y));
        var sums = vec4<f32>(0.0);
        for (var i = 0u; i < count; i += 1u) {
            let v = list[first + i * W];
            let w = select(1.0, weight(v, top), mass);
            sums += select(vec4<f32>(0.0), vec4<f32>(w), vec4<u32>(key(v)) > at);
        }
        range = part(range.x, range.y, at, total(sums, lane), bound);
    }
    return range.y;
}

// The sum of the weights that are kept of the row.
fn whole(start: u32, vectors: u32, lane: u32, top: f32, least: u32, min_p: f32) -> f32 {
    var mine = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        mine += kept(load(start, i), top, least, min_p);
    }
    return sum4(total(mine, lane));
}

// The least key that top-k and top-p keep.
fn search(row: u32, start: u32, vectors: u32, lane: u32, found: vec4<f32>) -> u32 {
    let top = found.x;
    let first = row * W * ((vectors + W - 1u) / W) * 4u + lane;
    if TOP_K == 1u {
        let range = coarse(start, vectors, lane, top, p.top_k, vec2<u32>(key(found.z), key(top)));
        let count = listed(start, vectors, lane, first, range.x);
        let least = fine(first, count, lane, top, false, p.top_k, range);
        if TOP_P == 0u {
            return least;
        }
        var mine = 0.0;
        for (var i = 0u; i < count; i += 1u) {
            let v = list[first + i * W];
            mine += select(0.0, weight(v, top), key(v) >= least);
        }
        let bound = max(total(vec4<f32>(mine), lane).x * p.top_p, LEAST);
        return fine(first, count, lane, top, true, bound, vec2<u32>(least, key(top)));
    }
    let bound = max(whole(start, vectors, lane, top, 0u, 0.0) * p.top_p, LEAST);
    let range = coarse(start, vectors, lane, top, bound, vec2<u32>(key(max(found.z, top - p.span)), key(top)));
    let count = listed(start, vectors, lane, first, range.x);
    return fine(first, count, lane, top, true, bound, range);
}

const LEAST = 1.0e-30; // of a bound on mass, so that one token is kept

// The probabilities, or the largest score's: so ends, too, what has NaN or nothing possible.
fn finish(row: u32, start: u32, vectors: u32, lane: u32, found: vec4<f32>, least: u32, all: f32) {
    if MODE == 2u {
        for (var i = lane; i < vectors; i += W) {
            y[start + i] = kept(load(start, i), found.x, least, p.min_p) / all;
        }
    } else if row < p.rows && lane == 0u {
        var log_p = select(-log2(all) * LN2, IMPOSSIBLE, found.x <= LIMIT);
        if found.w > 0.0 {
            log_p = bitcast<f32>(0x7FC00000u + row); // NaN; a constant would be refused
        }
        y[2u * row] = vec4<f32>(found.y, log_p, 0.0, 0.0);
        y[2u * row + 1u] = vec4<f32>(0.0);
    }
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.x + id.y * groups.x;
    // Workgroups beyond the last row have nothing to do but reach the barriers.
    // (Were the loops' bound a uniform alone, lavapipe would compile anew for each value.)
    let vectors = select(0u, p.vectors, row < p.rows);
    let start = row * vectors;
    let found = largest(start, vectors, lane);
    let top = found.x;
    var least = 0u;
    if TOP_K == 1u || TOP_P == 1u {
        least = search(row, start, vectors, lane, found);
    }
    if MODE != 1u {
        finish(row, start, vectors, lane, found, least, whole(start, vectors, lane, top, least, p.min_p));
        return;
    }
    // Each thread sums up a stretch of its own, so that the sums are in the order of the ids.
    let stretch = (vectors + W - 1u) / W;
    let begin = min(lane * stretch, vectors);
    let end = min(begin + stretch, vectors);
    var mine = 0.0;
    for (var i = begin; i < end; i += 1u) {
        mine += sum4(kept(load(start, i), top, least, p.min_p));
    }
    partial[lane] = vec4<f32>(mine);
    workgroupBarrier();
    var before = 0.0;
    var after = 0.0;
    var all = 0.0;
    for (var k = 0u; k < W; k += 1u) {
        before = select(before, all, k == lane);
        all += partial[k].x;
        after = select(after, all, k == lane);
    }
    if found.w > 0.0 || all <= 0.0 {
        finish(row, start, vectors, lane, found, least, all);
        return;
    }
    // The one stretch in which the sum comes to more than u, or to all of it.
    let wanted = clamp(u[p.first + row], 0.0, 1.0) * all;
    if before < after && before <= wanted && (wanted < after || after >= all) {
        var sum = before;
        var token = 0u;
        var weight = 0.0;
        for (var i = begin; i < end && sum <= wanted; i += 1u) {
            let w = kept(load(start, i), top, least, p.min_p);
            let sums = vec4<f32>(sum + w.x, sum + w.x + w.y, sum + w.x + w.y + w.z, sum + sum4(w));
            // The first that is beyond, or the last that has any probability.
            if w.w > 0.0 { token = 4u * i + 3u; weight = w.w; }
            if w.z > 0.0 && (weight == 0.0 || token < 4u * i || sums.z > wanted) { token = 4u * i + 2u; weight = w.z; }
            if w.y > 0.0 && (weight == 0.0 || token < 4u * i || sums.y > wanted) { token = 4u * i + 1u; weight = w.y; }
            if w.x > 0.0 && (weight == 0.0 || token < 4u * i || sums.x > wanted) { token = 4u * i; weight = w.x; }
            sum = sums.w;
        }
        y[2u * row] = vec4<f32>(f32(token), (log2(weight) - log2(all)) * LN2, 0.0, 0.0);
        y[2u * row + 1u] = vec4<f32>(0.0);
    }
}
