// Dot products of the rows of an item of x with those of y: z[n, i, t] = x[n, i]·y[n, t].
//
// x: [N, rows, depth], y: [N, others, depth], four elements in a Packed; z: f32
// [N, rows, vectors] of four elements, zero for padding.
// A thread does four products of a row, a workgroup 64 of those; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    count: u32,   // vectors in all of z
    rows: u32,    // of x an item
    vectors: u32, // of z a row
    others: u32,  // rows of y an item
    depth: u32,   // Packed a row of x and y
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> y: array<Packed>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = i / p.vectors;
        let t = i % p.vectors * 4u;
        // Rows of y beyond the last are the last again, whose products are not kept.
        let item = row / p.rows * p.others;
        let last = p.others - 1u;
        let a = (item + min(t, last)) * p.depth;
        let b = (item + min(t + 1u, last)) * p.depth;
        let c = (item + min(t + 2u, last)) * p.depth;
        let d = (item + min(t + 3u, last)) * p.depth;
        var sum = vec4<f32>(0.0);
        for (var k = 0u; k < p.depth; k += 1u) {
            let v = unpack(x[row * p.depth + k]);
            sum += vec4<f32>(dot(v, unpack(y[a + k])), dot(v, unpack(y[b + k])), dot(v, unpack(y[c + k])), dot(v, unpack(y[d + k])));
        }
        let column = vec4<u32>(t, t + 1u, t + 2u, t + 3u);
        z[i] = select(vec4<f32>(0.0), sum, column < vec4<u32>(p.others));
    }
}
