// best = the largest sum of a score and its beam's, and where it is, over each block of
// BLOCK vectors of a row: the first pass of beams.
//
// x: f32 rows of `vectors` vectors of four; scores: dense f32, one a row; best: a vector
// a block: the sum, then the column as a whole number. A workgroup does 64 blocks; the
// grid is 2-D.

const BLOCK = 1u;

struct Params {
    count: u32,   // blocks
    vectors: u32, // of a row
    width: u32,   // elements of a row that hold values
    blocks: u32,  // of a row
    first: u32,   // number of scores that belongs to the first row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read_write> best: array<vec4<f32>>;

const NOTHING = -3.4e38; // below every sum

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let row = i / p.blocks;
    let begin = i % p.blocks * BLOCK;
    let score = scores[p.first + row];
    var value = NOTHING;
    var at = 0u;
    for (var k = begin; k < min(begin + BLOCK, p.vectors); k += 1u) {
        let v = x[row * p.vectors + k] + score;
        // unroll c FOUR
        if v[0u /*c*/] > value && 4u * k + 0u /*c*/ < p.width { value = v[0u /*c*/]; at = 4u * k + 0u /*c*/; }
        // end
    }
    best[i] = vec4<f32>(value, f32(at), 0.0, 0.0);
}

const FOUR = 4u;
