// running = running·(1 − momentum) + momentum·scale·x: how a batch norm moves its running mean
// and variance, whose scale is rows/(rows − 1).
//
// running, x: f32 [vectors] vectors of four. A workgroup does 64; the grid is 2-D.

struct Params {
    count: u32,
    momentum: f32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> running: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        running[i] = running[i] * (1.0 - p.momentum) + x[i] * (p.momentum * p.scale);
    }
}
