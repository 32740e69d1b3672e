// y = before + Σ x²: of the norm of all gradients, one after the other. It is not finite where
// one of them is not.
//
// x: f32, four in a vector; before, y: f32 rows of 8, of which the first holds the value. One
// workgroup of W threads, which sum every W-th vector and then add their sums up in pairs.

const W = 64u;

struct Params {
    count: u32, // vectors
    begins: u32, // whether there is nothing before
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> partial: array<f32, W>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    // Blocks of terms are summed on their own, or rounding would grow with their number.
    var sum = vec4<f32>(0.0);
    for (var first = lane; first < p.count; first += 64u * W) {
        var block = vec4<f32>(0.0);
        for (var i = first; i < min(p.count, first + 64u * W); i += W) {
            block += x[i] * x[i];
        }
        sum += block;
    }
    partial[lane] = (sum.x + sum.y) + (sum.z + sum.w);
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u && p.count > 0u {
        let old = select(before[0].x, 0.0, p.begins == 1u);
        y[0] = vec4<f32>(old + partial[0], 0.0, 0.0, 0.0);
        y[1] = vec4<f32>(0.0);
    }
}
