// A step of torch.optim.AdamW: w = w·(1 − rate·decay), m = m + (g − m)·(1 − beta1),
// v = v·beta2 + (1 − beta2)·g², w = w − step·m/(√v/root + eps), with g scaled down to the norm
// that gradients are clipped to. Where the gradients are not finite, or the step is not to be
// done yet, nothing changes.
//
// w, m, v, g: f32, four in a vector; squares: the sum of the squares of all gradients; settings:
// see ops.Settings. A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32, // vectors
    decay: f32,
    one_beta1: f32, // 1 − beta1
    beta2: f32,
    one_beta2: f32, // 1 − beta2
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> settings: array<f32>;
@group(0) @binding(4) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4<f32>>;

// clip is the factor of gradients: torch.nn.utils.clip_grad_norm_.
fn clip() -> f32 {
    return select(1.0, min(1.0, settings[7] / (sqrt(squares[0]) + 1e-6)), settings[7] > 0.0);
}

// done says whether the step is done.
fn done() -> bool {
    return settings[2] == 1.0 && (bitcast<u32>(squares[0]) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count && done() {
        let slope = g[i] * clip();
        let mean = m[i] + (slope - m[i]) * p.one_beta1;
        let square = v[i] * p.beta2 + p.one_beta2 * slope * slope;
        m[i] = mean;
        v[i] = square;
        let change = mean / (sqrt(square) / settings[5] + p.eps);
        let kept = w[i] * (1.0 - settings[3] * p.decay);
        w[i] = kept - settings[4] * select(change, vec4<f32>(0.0), mean == vec4<f32>(0.0)); // padding, too
    }
}
