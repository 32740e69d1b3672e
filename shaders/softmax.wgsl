// y = 2^(s·(x − max x)) / Σ 2^(s·(x − max x)) over each row: torch.softmax over the
// last dimension of x, times s/log2(e). Padding is left out of the sum and stays zero.
//
// x, y: rows of `stride` elements, four in a Loaded and in a Packed.
// W threads (y) do a row and a workgroup R rows (x); the grid is 2-D. With one thread a
// row there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of a row
const R = 1u;   // rows of a workgroup
const WR = 64u; // W·R

alias Loaded = vec2<u32>;
alias Packed = vec2<u32>;
fn unpack(v: Loaded) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

// form from32
alias Loaded_from32 = vec4<f32>;
fn unpack_from32(v: Loaded_from32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    stride: u32, // elements a row
    width: u32,  // of which hold values
    scale: f32,  // s, positive
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Loaded>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

var<workgroup> partial: array<f32, WR>;

const LOWEST = -3.0e38;

// The largest value of v over the threads of a row, whose partial results start at first.
fn largest(v: vec4<f32>, lane: u32, first: u32) -> f32 {
    let mine = max(max(v.x, v.y), max(v.z, v.w));
    if W == 1u {
        return mine;
    }
    partial[first + lane] = mine;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[first + lane] = max(partial[first + lane], partial[first + lane + half]);
        }
        workgroupBarrier();
    }
    let top = partial[first];
    workgroupBarrier();
    return top;
}

// The sum of v over the threads of a row.
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
    return partial[first]; // nothing is written to it afterwards
}

// form subgroups enables subgroups
fn largest_subgroups(v: vec4<f32>, lane: u32, first: u32) -> f32 {
    let size = subgroupAdd(1u);
    let place = subgroupExclusiveAdd(1u);
    let mine = subgroupMax(max(max(v.x, v.y), max(v.z, v.w)));
    partial[lane] = mine;
    workgroupBarrier();
    var top = LOWEST;
    for (var i = place; i < W; i += size) {
        top = max(top, partial[i]);
    }
    workgroupBarrier();
    return subgroupMax(top);
}
// total is replaced by layernorm's.
fn total_subgroups(v: vec4<f32>, lane: u32, first: u32) -> f32 { return v.x; }
// end

// Whether the columns of vector i hold values.
fn inside(i: u32) -> vec4<bool> {
    return vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u) < vec4<u32>(p.width);
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
    var top = vec4<f32>(LOWEST);
    for (var i = lane; i < vectors; i += W) {
        top = max(top, select(vec4<f32>(LOWEST), unpack(x[start + i]), inside(i)));
    }
    let offset = largest(top, lane, first);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        sum += select(vec4<f32>(0.0), exp2((unpack(x[start + i]) - offset) * p.scale), inside(i));
    }
    let scale = 1.0 / total(sum, lane, first);
    for (var i = lane; i < vectors; i += W) {
        y[start + i] = pack(select(vec4<f32>(0.0), exp2((unpack(x[start + i]) - offset) * p.scale) * scale, inside(i)));
    }
}
