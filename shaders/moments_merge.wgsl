// mean and biased variance of columns from those of slices of their rows, in the order of the
// slices (Chan et al. 1979).
//
// parts: f32 [2·slices, vectors] vectors, as moments writes them; mean, variance: [vectors]
// vectors. A thread has a vector of columns; the grid is 2-D.

struct Params {
    rows: u32,
    slice: u32,   // rows of a slice
    slices: u32,
    vectors: u32, // of a row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> variance: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    var level = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    let slices = select(0u, p.slices, i < p.vectors);
    for (var s = 0u; s < slices; s += 1u) {
        let before = f32(s * p.slice);
        let own = f32(min(p.rows, (s + 1u) * p.slice) - s * p.slice);
        let d = parts[2u * s * p.vectors + i] - level;
        level += d * (own / (before + own));
        squares += parts[(2u * s + 1u) * p.vectors + i] + d * d * (before * own / (before + own));
    }
    if i < p.vectors {
        mean[i] = level;
        variance[i] = squares / f32(p.rows);
    }
}
