// What a group norm multiplies each channel by and then adds, from the sums of
// strips: gamma/√(variance + eps) and beta − mean·that. The means and squared
// differences of a group's strips and channels are joined as by Chan et al. (1979).
// What is added to each channel of an item before the norm (shift) moves means
// alone, so that nothing but this pass knows of it.
//
// sums: f32 [N, strips, 2·stride] of groupnorm_sums; gamma, beta: f32 [stride];
// shifts: [N, stride] elements in words, four bytes or two each;
// factors: f32 [N, 2·stride], the multipliers, then the summands; zero for padding.
// W threads (y) do a group of an item and a workgroup R of them (x); the grid is
// 2-D. With one thread a group there are no barriers, which software adapters pay
// dearly for.

const W = 64u;  // threads of a group
const R = 1u;   // groups of a workgroup
const WR = 64u; // W·R

struct Params {
    rows: u32,   // groups of all items
    groups: u32, // of an item
    size: u32,   // channels of a group
    stride: u32, // channels with padding
    pixels: u32, // of an item
    strip: u32,  // pixels of a strip, but for an item's last
    strips: u32, // of an item
    eps: f32,
    shifted: u32, // 1; or 0, and shifts are not used
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
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

// form subgroups enables subgroups
// As of layernorm.
fn total_subgroups(v: f32, lane: u32, first: u32) -> f32 {
    let size = subgroupAdd(1u);
    let place = subgroupExclusiveAdd(1u);
    let mine = subgroupAdd(v);
    partial[lane] = select(0.0, mine, place == 0u);
    workgroupBarrier();
    var sum = 0.0;
    for (var i = place; i < W; i += size) {
        sum += partial[i];
    }
    workgroupBarrier();
    return subgroupAdd(sum);
}
// end

// spread is one by the root of a variance with eps; a variance that is NaN or has
// overflowed is kept, so that what is normalised is not finite either, as in PyTorch.
// Comparisons and bits say so on every driver, where max and inverseSqrt need not.
fn spread(variance: f32) -> f32 {
    let finite = (bitcast<u32>(variance) & 0x7f800000u) < 0x7f800000u;
    return select(variance, inverseSqrt(select(variance, 0.0, variance < 0.0) + p.eps), finite);
}

// element is number i of shifts, shift what is added to channel c of item n.
fn element(i: u32) -> f32 { return unpack2x16float(shifts[i / 2u])[i % 2u]; }
// form f32
fn element_f32(i: u32) -> f32 { return bitcast<f32>(shifts[i]); }
// end
fn shift(n: u32, c: u32) -> f32 { return select(0.0, element((n * p.stride + c) * p.shifted), p.shifted == 1u); }

// Pixels of strip s.
fn pixels(s: u32) -> f32 { return f32(min(p.strip, p.pixels - s * p.strip)); }

@compute @workgroup_size(1, 64, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    let lane = local.y;
    let first = local.x * W;
    let row = (id.x + id.y * grid.x) * R + local.x;
    let n = row / p.groups;
    let channel = row % p.groups * p.size;
    // Threads beyond the last group have nothing to do but reach the barriers.
    let parts = select(0u, p.strips * p.size, row < p.rows);
    let channels = select(0u, p.size, row < p.rows);
    let start = n * p.strips * 2u * p.stride + channel;
    let values = f32(p.pixels * p.size);
    var sum = 0.0;
    for (var i = lane; i < parts; i += W) {
        let s = i / p.size;
        sum += pixels(s) * (sums[start + s * 2u * p.stride + i % p.size] + shift(n, channel + i % p.size));
    }
    let mean = total(sum, lane, first) / values;
    sum = 0.0;
    for (var i = lane; i < parts; i += W) {
        let s = i / p.size;
        let at = start + s * 2u * p.stride + i % p.size;
        let d = sums[at] + shift(n, channel + i % p.size) - mean;
        sum = sum + sums[at + p.stride] + pixels(s) * d * d;
    }
    let scale = spread(total(sum, lane, first) / values);
    for (var i = lane; i < channels; i += W) {
        let c = channel + i;
        let factor = scale * gamma[c];
        factors[n * 2u * p.stride + c] = factor;
        factors[(n * 2u + 1u) * p.stride + c] = beta[c] + (shift(n, c) - mean) * factor;
    }
    // The first group's threads clear the padding, which holds no values.
    let padding = select(0u, p.stride - p.groups * p.size, row < p.rows && channel == 0u);
    for (var i = lane; i < padding; i += W) {
        let c = p.groups * p.size + i;
        factors[n * 2u * p.stride + c] = 0.0;
        factors[(n * 2u + 1u) * p.stride + c] = 0.0;
    }
}
