// y[n, at + t] = the end of x[n, t], as it is stored: tokens into a state that holds
// `room` of them for each item. Those beyond its end are not written.
//
// x, y: rows of `wide` and `vectors` vectors of 16 bytes: eight halves or four f32;
// at: dense u32 [1].
// A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32,   // vectors to write
    vectors: u32, // of a row of y
    wide: u32,    // of a row of x, of which the last are written
    tokens: u32,  // of an item of x
    room: u32,    // tokens of an item of y
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = i / p.vectors;
        let token = at[0] + row % p.tokens;
        if token < p.room {
            y[(row / p.tokens * p.room + token) * p.vectors + i % p.vectors] = x[(row + 1u) * p.wide - p.vectors + i % p.vectors];
        }
    }
}
