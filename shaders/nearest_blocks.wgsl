// best = of each row of x the `wanted` nearest rows of each block of the bank, in order,
// with their numbers: the first pass of nearest.
//
// x: rows of `depth` vectors of four; bank: f32 or half rows of as many; best: f32 pairs of
// a cost and a number, `stride` of them a row of x, `wanted` a block: the squared distance
// Σ (x − b)², or −Σ x·b. Of equal ones the lower number comes first; a block of fewer rows
// has −1 for a number behind them.
//
// A workgroup of 64 threads does BM = 8·TM rows of x and one block of `span` rows of the
// bank, 64 of them at a time; a thread TM rows of x and 8 of the bank, each eighth. Then
// BM threads each put 64 costs into the list of a row, which they alone read and write.
// workgroup_id: x counts rows of x, y blocks.

const TM = 1u;
const BM = 8u;
const SIZE_D = 520u; // BM·65
const DISTANCE = 0u; // 1: squared distances, 0: products
const COLUMNS = 1u;  // 8, what a thread does of the bank at a time

alias Packed = vec2<u32>;
alias Row = vec2<u32>;

struct Params {
    rows: u32,   // of x
    count: u32,  // rows of the bank
    depth: u32,  // vectors of a row
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

// Vectors of 4 steps of row 8·i + j at [i][j], one of padding against bank conflicts.
var<workgroup> tile_x: array<array<array<vec4<f32>, 5>, 8>, TM>;
var<workgroup> tile_b: array<array<array<vec4<f32>, 5>, 8>, 8>;
var<workgroup> costs: array<f32, SIZE_D>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn values(v: Row) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

// form floats
alias Row_floats = vec4<f32>;
fn values_floats(v: Row_floats) -> vec4<f32> { return v; }
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
    let nx = thread % 8u;
    let ny = thread / 8u;
    let begin = group.y * p.span;
    let end = min(begin + p.span, p.count);
    let row = group.x * BM;
    let keeps = thread < BM && row + thread < p.rows;
    let list = (row + thread) * p.stride + (p.block + group.y) * p.wanted;
    var held = 0u;
    var worst = MOST;
    for (var tile = begin; tile < end; tile += 64u) {
        // unroll r TM
        // unroll c COLUMNS
        var sum_r_c = 0.0;
        // end
        // end
        for (var k = 0u; k < p.depth; k += 4u) {
            workgroupBarrier();
            // Rows beyond the end repeat the last one: their costs are not looked at.
            for (var i = thread; i < BM * 4u; i += 64u) {
                let at = k + i % 4u;
                let v = unpack(x[min(row + i / 4u, p.rows - 1u) * p.depth + min(at, p.depth - 1u)]);
                tile_x[i / 32u][i / 4u % 8u][i % 4u] = select(v, vec4<f32>(0.0), at >= p.depth);
            }
            for (var i = thread; i < 256u; i += 64u) {
                let at = k + i % 4u;
                let v = values(bank[min(tile + i / 4u, p.count - 1u) * p.depth + min(at, p.depth - 1u)]);
                tile_b[i / 32u][i / 4u % 8u][i % 4u] = select(v, vec4<f32>(0.0), at >= p.depth);
            }
            workgroupBarrier();
            for (var q = 0u; q < 4u; q += 1u) {
                // unroll r TM
                let a_r = tile_x[0u /*r*/][ny][q];
                // end
                // unroll c COLUMNS
                let b_c = tile_b[0u /*c*/][nx][q];
                // unroll r TM
                sum_r_c += cost(a_r, b_c);
                // end
                // end
            }
        }
        // The lists of the tile before are done: every thread has passed barriers since.
        // unroll r TM
        // unroll c COLUMNS
        costs[(ny + 8u * 0u /*r*/) * 65u + nx + 8u * 0u /*c*/] = sum_r_c;
        // end
        // end
        workgroupBarrier();
        for (var i = 0u; keeps && i < min(64u, end - tile); i += 1u) {
            let found = costs[thread * 65u + i];
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
    for (; keeps && held < p.wanted; held += 1u) {
        best[list + held] = vec2<f32>(MOST, -1.0);
    }
}
