// y[n, s] = max over c of x[n, s, c].
//
// x: f32 rows of `vectors` vec4, of which `width` values are some; y: f32 [N, S] in rows of
// `stride`, padded with zeros.
// A workgroup does 64 elements of y; the grid is 2-D.

struct Params {
    count: u32,   // elements of y in all, padding too
    stride: u32,  // a row of y
    tokens: u32,  // S
    vectors: u32, // vec4 a row of x
    width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let s = i % p.stride;
        var most = 0.0;
        if s < p.tokens {
            let row = (i / p.stride * p.tokens + s) * p.vectors;
            most = x[row].x;
            for (var c = 0u; c < p.width; c += 4u) {
                let v = x[row + c / 4u];
                most = max(most, v.x);
                most = max(most, select(most, v.y, c + 1u < p.width));
                most = max(most, select(most, v.z, c + 2u < p.width));
                most = max(most, select(most, v.w, c + 3u < p.width));
            }
        }
        y[i] = most;
    }
}
