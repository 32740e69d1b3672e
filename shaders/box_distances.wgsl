// y is boxes whose sides lie at distances from the centres of others: of each side, Σ over its
// bins of softmax(x)·value. A distance counts in 1/scale of the box's width or height from
// half of it on: left = centre − (scale/2 + distance)·width/scale, and so the others (D-FINE).
//
// x: f32 [N, Q, 4·bins] in rows of `stride`, sides in the order left, top, right, bottom;
// boxes, y: f32 [N, Q, 4] of centre and size, stride 8; values: dense f32 [bins].
// A workgroup does 64 boxes; the grid is 2-D.

struct Params {
    count: u32,  // boxes in all
    stride: u32, // a row of x
    bins: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// reach is the distance of the side whose bins begin at `first`.
fn reach(first: u32) -> f32 {
    var most = x[first];
    for (var k = 1u; k < p.bins; k += 1u) {
        most = max(most, x[first + k]);
    }
    var sum = 0.0;
    var acc = 0.0;
    for (var k = 0u; k < p.bins; k += 1u) {
        let weight = exp(x[first + k] - most);
        sum += weight;
        acc += weight * values[k];
    }
    return acc / sum;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let first = i * p.stride;
        let box = boxes[i * 2u];
        let unit = box.zw / p.scale;
        let low = box.xy - (0.5 * p.scale + vec2<f32>(reach(first), reach(first + p.bins))) * unit;
        let high = box.xy + (0.5 * p.scale + vec2<f32>(reach(first + 2u * p.bins), reach(first + 3u * p.bins))) * unit;
        y[i * 2u] = vec4<f32>(0.5 * (low + high), high - low);
        y[i * 2u + 1u] = vec4<f32>(0.0);
    }
}
