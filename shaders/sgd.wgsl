// A step of torch.optim.SGD: g = g + decay·w, with a momentum b = momentum·b + (1 − dampening)·g
// (the first b is g) and g = b, or of Nesterov's g + momentum·b, then w = w − rate·g; g is scaled
// down first to the norm that gradients are clipped to. Where the gradients are not finite, or
// the step is not to be done yet, nothing changes.
//
// w, b, g: f32, four in a vector; squares: the sum of the squares of all gradients; settings: see
// ops.Settings. A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32, // vectors
    decay: f32,
    momentum: f32,
    fresh: f32,    // 1 − dampening
    nesterov: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> settings: array<f32>;
@group(0) @binding(4) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> b: array<vec4<f32>>;

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
        var slope = g[i] * clip() + p.decay * w[i];
        if p.momentum != 0.0 {
            let mean = select(b[i] * p.momentum + p.fresh * slope, slope, settings[6] == 1.0);
            b[i] = mean;
            slope = select(mean, slope + p.momentum * mean, p.nesterov == 1u);
        }
        w[i] = w[i] - settings[3] * slope;
    }
}
