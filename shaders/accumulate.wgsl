// sum = keep·sum + factor·dw: the gradient of a trained array over the micro-batches of a step,
// without the loss's scale. Where keep is 0 nothing of the old sum is left, not even NaN.
//
// sum, dw: f32, four in a vector; settings: see ops.Settings. A workgroup does 64 vectors; the
// grid is 2-D.

struct Params {
    count: u32, // vectors
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dw: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> settings: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        sum[i] = dw[i] * settings[1] + select(vec4<f32>(0.0), sum[i], settings[0] == 1.0);
    }
}
