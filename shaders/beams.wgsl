// y = the `wanted` best sums of a score and its beam's of each item, with their columns
// and beams, in descending order; of equal ones the lower beam and column come first.
//
// x: f32 rows of `vectors` vectors of four, `beams` of an item; scores: dense f32, one a
// row; best: of each block of BLOCK vectors the largest sum and its column, as
// beams_blocks finds them; y: f32 rows of eight, of which five are padding.
//
// A workgroup does an item; the grid is 2-D. A thread has every W-th block and holds the
// best of them. The best of the threads is taken `wanted` times; the thread that had it
// then finds the next of its block, which it alone reads and writes.

const W = 64u; // threads, a power of two
const BLOCK = 1u;

struct Params {
    items: u32,
    beams: u32,
    vectors: u32, // of a row
    width: u32,   // elements of a row that hold values
    blocks: u32,  // of a row
    first: u32,   // number of scores that belongs to the first row
    wanted: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read_write> best: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// A sum, and the number of its block within the item, of its column and of its thread.
var<workgroup> partial: array<vec4<f32>, W>;

const NOTHING = -3.4e38; // below every sum

// Of two candidates the one with the larger sum, of equal ones that of the earlier block.
fn better(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

// The best of the blocks of a thread.
fn mine(item: u32, count: u32, lane: u32) -> vec4<f32> {
    var found = vec4<f32>(NOTHING, 1.0e9, 0.0, f32(lane));
    for (var i = lane; i < count; i += W) {
        let b = best[item * count + i];
        found = better(found, vec4<f32>(b.x, f32(i), b.y, f32(lane)));
    }
    return found;
}

// The next candidate of a block after one that was taken.
fn next(item: u32, block: u32, taken: vec4<f32>) -> vec4<f32> {
    let row = item * p.beams + block / p.blocks;
    let begin = block % p.blocks * BLOCK;
    let score = scores[p.first + row];
    let last = u32(taken.z);
    var value = NOTHING;
    var at = 0u;
    for (var k = begin; k < min(begin + BLOCK, p.vectors); k += 1u) {
        let v = x[row * p.vectors + k] + score;
        // unroll c FOUR
        let c_c = 4u * k + 0u /*c*/;
        if v[0u /*c*/] > value && c_c < p.width && (v[0u /*c*/] < taken.x || (v[0u /*c*/] == taken.x && c_c > last)) { value = v[0u /*c*/]; at = c_c; }
        // end
    }
    return vec4<f32>(value, f32(at), 0.0, 0.0);
}

const FOUR = 4u;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let item = id.x + id.y * groups.x;
    // Workgroups beyond the last item have nothing to do but reach the barriers.
    let count = select(0u, p.beams * p.blocks, item < p.items);
    var held = mine(item, count, lane);
    for (var k = 0u; k < p.wanted; k += 1u) {
        partial[lane] = held;
        workgroupBarrier();
        for (var half = W / 2u; half > 0u; half /= 2u) {
            if lane < half {
                partial[lane] = better(partial[lane], partial[lane + half]);
            }
            workgroupBarrier();
        }
        let taken = partial[0];
        workgroupBarrier();
        if item < p.items && lane == u32(taken.w) {
            let block = u32(taken.y);
            let at = 2u * (item * p.wanted + k);
            y[at] = vec4<f32>(taken.x, taken.z, f32(block / p.blocks), 0.0);
            y[at + 1u] = vec4<f32>(0.0);
            best[item * count + block] = next(item, block, taken);
            held = mine(item, count, lane);
        }
    }
}
