// peak_fma: as many fused multiply-adds as the adapter can do, which is what
// bench calls its arithmetic peak. y[i] = what four chains x = x·factor + term
// of vec4 come to after p.rounds rounds; the chains do not depend on each other
// and nothing is loaded.
//
// y: one vec4 an invocation. A workgroup is W invocations; the grid is 2-D.
// An invocation does rounds·U·4 fma of vec4, that is rounds·U·32 operations.

const W = 64u; // as the workgroup size
const U = 1u;  // fma of each chain in a round

struct Params {
    count: u32, // invocations that store
    rounds: u32,
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * W;
    let factor = vec4<f32>(p.factor);
    let term = vec4<f32>(p.term);
    var x0 = vec4<f32>(f32(i));
    var x1 = x0 + 1.0;
    var x2 = x0 + 2.0;
    var x3 = x0 + 3.0;
    for (var round = 0u; round < p.rounds; round += 1u) {
        // unroll u U
        x0 = fma(x0, factor, term);
        x1 = fma(x1, factor, term);
        x2 = fma(x2, factor, term);
        x3 = fma(x3, factor, term);
        // end
    }
    if i < p.count {
        y[i] = (x0 + x1) + (x2 + x3);
    }
}
