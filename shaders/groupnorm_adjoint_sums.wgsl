// What groupnorm_adjoint makes dx of, by item and channel: dx = dy·a + x·b + c. With mean and
// r = 1/√(variance + eps) of a group of x + shift, g = dy·gamma and x̂ = (x + shift − mean)·r, it
// is r·(g − mean g − x̂·mean(g·x̂)).
//
// x, dy: [N, pixels, stride] elements in words, four bytes or two each; shifts: [N, stride]
// likewise; gamma: f32 [stride]; factors: f32 [N, 3·stride], a, b and c, zero for padding.
// W threads (y) do a group of an item and a workgroup R of them (x); the grid is 2-D. With one
// thread a group there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of a group
const R = 1u;   // groups of a workgroup
const WR = 64u; // W·R

struct Params {
    rows: u32,   // groups of all items
    groups: u32, // of an item
    size: u32,   // channels of a group
    stride: u32, // channels with padding
    pixels: u32, // of an item
    eps: f32,
    shifted: u32, // 1; or 0, and shifts are not used
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<u32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> shifts: array<u32>;
@group(0) @binding(5) var<storage, read_write> factors: array<f32>;

var<workgroup> partial: array<f32, WR>;

// The sum of v over the threads of a group, the same on every run.
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
    let sum = partial[first];
    workgroupBarrier();
    return sum;
}

// Number i of the words of each array.
fn element(i: u32) -> f32 { return unpack2x16float(x[i / 2u])[i % 2u]; }
fn gradient(i: u32) -> f32 { return unpack2x16float(dy[i / 2u])[i % 2u]; }
fn offset(i: u32) -> f32 { return unpack2x16float(shifts[i / 2u])[i % 2u]; }
// form f32
fn element_f32(i: u32) -> f32 { return bitcast<f32>(x[i]); }
fn gradient_f32(i: u32) -> f32 { return bitcast<f32>(dy[i]); }
fn offset_f32(i: u32) -> f32 { return bitcast<f32>(shifts[i]); }
// end
fn shift(n: u32, c: u32) -> f32 { return select(0.0, offset((n * p.stride + c) * p.shifted), p.shifted == 1u); }

@compute @workgroup_size(1, 64, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    let lane = local.y;
    let first = local.x * W;
    let row = (id.x + id.y * grid.x) * R + local.x;
    let n = row / max(p.groups, 1u);
    let channel = row % max(p.groups, 1u) * p.size;
    // Threads beyond the last group have nothing to do but reach the barriers.
    let pixels = select(0u, p.pixels, row < p.rows);
    let channels = select(0u, p.size, row < p.rows);
    let start = n * p.pixels * p.stride + channel;
    let values = f32(p.pixels * p.size);

    var sum = 0.0;
    for (var t = lane; t < pixels; t += W) {
        for (var c = 0u; c < channels; c += 1u) {
            sum += element(start + t * p.stride + c) + shift(n, channel + c);
        }
    }
    let mean = total(sum, lane, first) / values;
    var squares = 0.0;
    var level = 0.0;
    var tilt = 0.0;
    for (var t = lane; t < pixels; t += W) {
        for (var c = 0u; c < channels; c += 1u) {
            let d = element(start + t * p.stride + c) + shift(n, channel + c) - mean;
            let g = gradient(start + t * p.stride + c) * gamma[channel + c];
            squares += d * d;
            level += g;
            tilt += g * d;
        }
    }
    let spread = inverseSqrt(total(squares, lane, first) / values + p.eps);
    level = total(level, lane, first) / values;
    tilt = total(tilt, lane, first) / values * spread * spread * spread;
    for (var i = lane; i < channels; i += W) {
        let c = channel + i;
        let at = n * 3u * p.stride + c;
        factors[at] = spread * gamma[c];
        factors[at + p.stride] = -tilt;
        factors[at + 2u * p.stride] = tilt * (mean - shift(n, c)) - spread * level;
    }
    // The first group's threads clear the padding, which holds no values.
    let padding = select(0u, p.stride - p.groups * p.size, row < p.rows && channel == 0u);
    for (var i = lane; i < padding; i += W) {
        let at = n * 3u * p.stride + p.groups * p.size + i;
        factors[at] = 0.0;
        factors[at + p.stride] = 0.0;
        factors[at + 2u * p.stride] = 0.0;
    }
}
