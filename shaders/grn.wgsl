// What a global response norm multiplies each channel by and then adds, from the sums
// of strips: 1 + gamma·n/(mean of n + eps) and beta, where n is the root of a channel's
// sum of squares over the pixels of an item. Its first and last pass are groupnorm_sums
// and groupnorm.
//
// sums: f32 [N, strips, 2·stride] of groupnorm_sums; gamma, beta: f32 [stride];
// factors: f32 [N, 2·stride], the multipliers, then the summands; zero for padding.
// W threads (y) do an item and a workgroup R of them (x); the grid is 2-D. With one
// thread an item there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of an item
const R = 1u;   // items of a workgroup
const WR = 64u; // W·R

struct Params {
    items: u32,
    width: u32,  // channels
    stride: u32, // channels with padding
    pixels: u32, // of an item
    strip: u32,  // pixels of a strip, but for an item's last
    strips: u32, // of an item
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> factors: array<f32>;

var<workgroup> partial: array<f32, WR>;

// The sum of v over the threads of an item, the same on every run.
fn total(v: f32, lane: u32, first: u32) -> f32 {
    if W == 1u {
        return v;
    }
    partial[first + lane] = v;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[first + lane] += partial[first + lane + half];
        }
        workgroupBarrier();
    }
    return partial[first];
}

// The norm of channel c of item n.
fn norm(n: u32, c: u32) -> f32 {
    var sum = 0.0;
    for (var s = 0u; s < p.strips; s += 1u) {
        let at = (n * p.strips + s) * 2u * p.stride + c;
        let mean = sums[at];
        sum += sums[at + p.stride] + f32(min(p.strip, p.pixels - s * p.strip)) * mean * mean;
    }
    return sqrt(sum);
}

@compute @workgroup_size(1, 64, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    let lane = local.y;
    let n = (id.x + id.y * grid.x) * R + local.x;
    // Threads beyond the last item have nothing to do but reach the barriers.
    let channels = select(0u, p.width, n < p.items);
    let to = n * 2u * p.stride;
    var sum = 0.0;
    for (var c = lane; c < channels; c += W) { // a thread's channels are its own in the loops below too
        let v = norm(n, c);
        factors[to + c] = v;
        sum += v;
    }
    let mean = total(sum, lane, local.x * W) / f32(p.width);
    for (var c = lane; c < channels; c += W) {
        factors[to + c] = 1.0 + gamma[c] * factors[to + c] / (mean + p.eps);
        factors[to + p.stride + c] = beta[c];
    }
    let padding = select(0u, p.stride - p.width, n < p.items);
    for (var i = lane; i < padding; i += W) {
        factors[to + p.width + i] = 0.0;
        factors[to + p.stride + p.width + i] = 0.0;
    }
}
