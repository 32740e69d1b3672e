// state[n, b, t] = state[n, parents[n, b], t] for the tokens t < filled of each of BEAMS
// beams of an item, in place: a thread reads what it needs of all of an item's beams
// before it writes, and no other thread has that token and vector.
//
// state: rows of `vectors` vectors of 16 bytes, `room` of them (tokens) a beam; parents:
// dense u32, one a beam; filled: dense u32 [1]. A thread has every `lanes`-th token. A
// workgroup does 64 threads; the grid is 2-D.

const BEAMS = 1u;

struct Params {
    count: u32,   // threads
    vectors: u32, // of a token
    lanes: u32,   // threads among which the tokens of an item are shared
    room: u32,    // tokens of a beam
    first: u32,   // number of parents that belongs to the first beam of state
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> state: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> parents: array<u32>;
@group(0) @binding(3) var<storage, read> filled: array<u32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let c = i % p.vectors;
    let lane = i / p.vectors % p.lanes;
    let beam = i / p.vectors / p.lanes * BEAMS;
    var moved = false;
    // unroll b BEAMS
    let parent_b = min(parents[p.first + beam + 0u /*b*/], BEAMS - 1u);
    moved = moved || parent_b != 0u /*b*/;
    // end
    if !moved {
        return;
    }
    let tokens = min(filled[0], p.room);
    for (var t = lane; t < tokens; t += p.lanes) {
        // unroll b BEAMS
        var v_b = vec4<u32>(0u);
        if parent_b != 0u /*b*/ { v_b = state[((beam + parent_b) * p.room + t) * p.vectors + c]; }
        // end
        // unroll b BEAMS
        if parent_b != 0u /*b*/ { state[((beam + 0u /*b*/) * p.room + t) * p.vectors + c] = v_b; }
        // end
    }
}
