// y = x, as it is stored: an activation into a state.
//
// x, y: arrays of one layout, 16 bytes in a vector: eight halves or four f32.
// A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32, // vectors in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = x[i];
    }
}
