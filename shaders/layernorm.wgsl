// y = (x − mean)/√(variance + eps)·gamma + beta over each row: torch.nn.LayerNorm.
// Mean and variance (two passes, biased) are of the row's `width` values; its
// padding is not counted and stays zero, as gamma and beta are zero there. The
// second pass also sums what rounding left out of the mean, which counts where
// the mean is large beside the spread.
//
// x, y: rows of `stride` elements, four in a Packed; gamma, beta: f32 [stride].
// W threads (y) do a row and a workgroup R rows (x); the grid is 2-D. With one thread a
// row there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of a row
const R = 1u;   // rows of a workgroup
const WR = 64u; // W·R

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    rows: u32,
    stride: u32, // elements a row
    width: u32,  // of which hold values
    eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

var<workgroup> partial: array<f32, WR>;

// The sum of v over the threads of a row, the same on every run.
fn total(v: vec4<f32>, lane: u32, first: u32) -> f32 {
    let mine = v.x + v.y + v.z + v.w;
    if W == 1u {
        return mine;
    }
    partial[first + lane] = mine;
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
// Each subgroup adds up, whatever its size and whichever threads are in it, its first thread
// puts that down, and each adds up what all put down. Only of one row a workgroup.
fn total_subgroups(v: vec4<f32>, lane: u32, first: u32) -> f32 {
    let size = subgroupAdd(1u);
    let place = subgroupExclusiveAdd(1u);
    let mine = subgroupAdd(v.x + v.y + v.z + v.w);
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

// Ones for the columns of vector i that hold values, zeros for padding.
fn inside(i: u32) -> vec4<f32> {
    let column = vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), column < vec4<u32>(p.width));
}

@compute @workgroup_size(1, 64, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let lane = local.y;
    let first = local.x * W;
    let wanted = (id.x + id.y * groups.x) * R + local.x;
    // Threads beyond the last row have nothing to do but reach the barriers.
    // (Were the loops' bound a uniform alone, lavapipe would compile anew for each value.)
    let vectors = select(0u, p.stride / 4u, wanted < p.rows);
    let start = wanted * vectors;
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        sum += unpack(x[start + i]);
    }
    let mean = total(sum, lane, first) / f32(p.width);
    sum = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        let d = (unpack(x[start + i]) - mean) * inside(i);
        sum += d;
        squares += d * d;
    }
    let rest = total(sum, lane, first) / f32(p.width);
    let scale = spread(total(squares, lane, first) / f32(p.width) - rest * rest);
    for (var i = lane; i < vectors; i += W) {
        y[start + i] = pack((unpack(x[start + i]) - mean - rest) * scale * gamma[i] + beta[i]);
    }
}
