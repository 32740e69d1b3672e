// y = sigmoid(delta + log(b / (1 − b))), where both b and 1 − b are 10⁻⁵ at least: boxes b
// moved by what a layer found. With ANCHORS what is added are logits of anchors, of which
// index tells each query's; with POINTS b is a point, and nothing is added to the size.
//
// delta, y: f32 [N, Q, 4], stride 8. from: likewise, or [N, Q, 2] padded with zeros, or with ANCHORS dense f32 [S, 4]; index:
// u32 [N, Q] in rows of `stride`, counted through all items.
// A workgroup does 64 boxes; the grid is 2-D.

const ANCHORS = 0u;
const POINTS = 0u;

struct Params {
    count: u32,   // boxes in all
    queries: u32, // Q
    stride: u32,  // of index
    anchors: u32, // S
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> from_: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn logit(b: vec4<f32>) -> vec4<f32> {
    let inside = clamp(b, vec4<f32>(0.0), vec4<f32>(1.0));
    return log(max(inside, vec4<f32>(1e-5)) / max(1.0 - inside, vec4<f32>(1e-5)));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        var before: vec4<f32>;
        if ANCHORS == 1u {
            before = from_[index[i / p.queries * p.stride + i % p.queries] % p.anchors];
        } else {
            before = logit(from_[i * 2u]);
        }
        if POINTS == 1u {
            before = vec4<f32>(before.xy, 0.0, 0.0);
        }
        // Beyond ±80 the sigmoid is 0 or 1 to all digits, and exp would not stay finite.
        let z = delta[i * 2u] + before;
        y[i * 2u] = select(1.0 / (1.0 + exp(-clamp(z, vec4<f32>(-80.0), vec4<f32>(80.0)))), z, z != z);
        y[i * 2u + 1u] = vec4<f32>(0.0);
    }
}
