// peak_copy: y[i] = x[i], for the adapter's memory bandwidth: 16 bytes read and
// 16 written an invocation.
//
// x, y: p.count vec4. A workgroup does 64; the grid is 2-D.

struct Params {
    count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = x[i];
    }
}
