// grad of y = x̂·gamma + beta, x̂ = (x − mean)·r, r = 1/√(variance + eps), over each row:
// r·(g − mean g − x̂·mean(g·x̂)) with g = dy·gamma. Mean and variance are computed anew, as
// layernorm does.
//
// x, dy, grad: rows of `stride` elements, four in a Packed; gamma: f32 [stride], zero in the
// padding. W threads (y) do a row and a workgroup R rows (x); the grid is 2-D. With one thread
// a row there are no barriers, which software adapters pay dearly for.

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
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> grad: array<Packed>;

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
    let n = f32(p.width);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        sum += unpack(x[start + i]);
    }
    let mean = total(sum, lane, first) / n;
    sum = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        let d = (unpack(x[start + i]) - mean) * inside(i);
        sum += d;
        squares += d * d;
    }
    let rest = total(sum, lane, first) / n;
    let spread = inverseSqrt(max(total(squares, lane, first) / n - rest * rest, 0.0) + p.eps);
    sum = vec4<f32>(0.0);
    squares = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        let g = unpack(dy[start + i]) * gamma[i];
        sum += g;
        squares += g * (unpack(x[start + i]) - mean - rest);
    }
    let level = total(sum, lane, first) / n;
    let tilt = total(squares, lane, first) / n * spread * spread;
    for (var i = lane; i < vectors; i += W) {
        let g = unpack(dy[start + i]) * gamma[i];
        let d = unpack(x[start + i]) - mean - rest;
        grad[start + i] = pack(spread * (g - level - d * tilt) * inside(i));
    }
}
