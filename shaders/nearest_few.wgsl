// best = of a row of x the `wanted` nearest rows of each block of the bank, in order, with
// their numbers: the first pass of nearest for few rows of x, where the bank is read as fast
// as memory goes.
//
// x: rows of `depth` vectors of eight; bank: f32 or half rows of as many; best: f32 pairs of
// a cost and a number, `stride` of them a row of x, `wanted` a block: the squared distance
// Σ (x − b)², or −Σ x·b. Of equal ones the lower number comes first; a block of fewer rows
// has −1 for a number behind them.
//
// A workgroup of 64 threads does one row of x and one block of `span` rows of the bank, 64 of
// them at a time: LANES threads share TURNS of the rows, and read vectors that lie side by
// side. Then one thread puts 64 costs into the list, which it alone reads and writes.
// workgroup_id: x counts rows of x, y blocks.

const LANES = 8u;
const TURNS = 8u;    // LANES: rows of the bank that a thread takes part in
const SIZE_S = 576u; // 64·(LANES + 1): sums of parts, one of padding against bank conflicts
const DISTANCE = 0u; // 1: squared distances, 0: products

alias Packed = vec4<u32>;
alias Row = vec4<u32>;

struct Params {
    count: u32,  // rows of the bank
    depth: u32,  // vectors of eight of a row
    span: u32,   // rows of a block
    first: u32,  // number of the bank's first row
    block: u32,  // number of the first block
    stride: u32, // pairs of best for a row
    wanted: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> bank: array<Row>;
@group(0) @binding(3) var<storage, read_write> best: array<vec2<f32>>;

var<workgroup> sums: array<f32, SIZE_S>;
var<workgroup> costs: array<f32, 64>;

struct Eight {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn halves(v: vec4<u32>) -> Eight {
    return Eight(vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)), vec4<f32>(unpack2x16float(v.z), unpack2x16float(v.w)));
}

fn unpack(v: Packed) -> Eight { return halves(v); }
fn values(v: Row) -> Eight { return halves(v); }
// form f32
alias Packed_f32 = Eight;
fn unpack_f32(v: Packed_f32) -> Eight { return v; }
// end

// form floats
alias Row_floats = Eight;
fn values_floats(v: Row_floats) -> Eight { return v; }
// end

const MOST = 3.4028234e38;

// cost of four elements.
fn cost(a: vec4<f32>, b: vec4<f32>) -> f32 {
    if DISTANCE == 1u {
        let d = a - b;
        return dot(d, d);
    }
    return -dot(a, b);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = thread % LANES;
    let slot = thread / LANES;
    let begin = group.y * p.span;
    let end = min(begin + p.span, p.count);
    let query = group.x * p.depth;
    let list = group.x * p.stride + (p.block + group.y) * p.wanted;
    var held = 0u;
    var worst = MOST;
    for (var tile = begin; tile < end; tile += 64u) {
        // Rows beyond the end repeat the last one: their costs are not looked at.
        // unroll r TURNS
        var sum_r = 0.0;
        let at_r = min(tile + slot + (64u / LANES) * 0u /*r*/, p.count - 1u) * p.depth;
        // end
        for (var k = lane; k < p.depth; k += LANES) {
            let a = unpack(x[query + k]);
            // unroll r TURNS
            let b_r = values(bank[at_r + k]);
            sum_r += cost(a.low, b_r.low) + cost(a.high, b_r.high);
            // end
        }
        // unroll r TURNS
        sums[(slot + (64u / LANES) * 0u /*r*/) * (LANES + 1u) + lane] = sum_r;
        // end
        workgroupBarrier();
        var whole = 0.0;
        for (var i = 0u; i < LANES; i += 1u) {
            whole += sums[thread * (LANES + 1u) + i];
        }
        costs[thread] = whole;
        workgroupBarrier();
        for (var i = 0u; thread == 0u && i < min(64u, end - tile); i += 1u) {
            let found = costs[i];
            if held == p.wanted && found >= worst {
                continue;
            }
            var at = min(held, p.wanted - 1u);
            for (; at > 0u && best[list + at - 1u].x > found; at -= 1u) {
                best[list + at] = best[list + at - 1u];
            }
            best[list + at] = vec2<f32>(found, f32(p.first + tile + i));
            held = min(held + 1u, p.wanted);
            worst = best[list + held - 1u].x;
        }
    }
    for (; thread == 0u && held < p.wanted; held += 1u) {
        best[list + held] = vec2<f32>(MOST, -1.0);
    }
}
