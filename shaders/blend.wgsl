// y = mask·a + (1 − mask)·b, element by element.
//
// a, b, mask, y: f32 arrays of one layout, four elements in a vector. Padding is
// zero in a and b, and so in y. A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32, // vectors in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = mask[i] * a[i] + (vec4<f32>(1.0) - mask[i]) * b[i];
    }
}
