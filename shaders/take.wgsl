// y[n] = x[n, at[n]]: one token of each item, such as the end token of a text.
//
// x: [N·T, stride], y: [N, stride], four elements in a Packed; at: dense u32 [N].
// A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
// form f32
alias Packed_f32 = vec4<f32>;
// end

struct Params {
    count: u32,   // Packed in all of y
    vectors: u32, // Packed a row
    tokens: u32,  // T
    first: u32,   // item of at that belongs to the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let n = i / p.vectors;
        let row = n * p.tokens + min(at[p.first + n], p.tokens - 1u);
        y[i] = x[row * p.vectors + i % p.vectors];
    }
}
