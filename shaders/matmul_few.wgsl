// matmul_few: the matmul of a few rows, C as in matmul, for GPUs: such a product is
// bound by reading W, and eight lanes are too few to wait for memory with.
//
// Bindings and panels are matmul's. Of the 64 threads of a workgroup, which does TM
// rows of one panel, eight share a step of K, a vector of the panel each; the eight
// such slices take every eighth chunk of K, so that all read neighbours at once. Their
// sums meet in workgroup memory, or as far as they can in subgroups, and are added in
// order: results do not vary from run to run. workgroup_id: x counts blocks of TM rows,
// y panels, z slices of K for matmul_reduce.
//
// Constants: TM, TH, TK, SPLIT, BEFORE and MASK as in matmul; SUMS = 64·TM·TH.

const TM = 1u;
const TH = 2u;
const TK = 2u;
const SUMS = 128u;
const SPLIT = 0u;
const BEFORE = 0u;
const MASK = 0u;

alias Chunk = u32;
alias Panel = vec4<u32>;
alias Packed = vec2<u32>;
alias Stored = vec2<u32>;

struct Params {
    M: u32,      // rows of C
    N: u32,      // physical columns of C to store, a multiple of 8
    K: u32,      // physical columns of A, a multiple of 8
    lda: u32,    // elements from row to row, multiples of 8
    ldc: u32,
    ldr: u32,
    column: u32, // first column computed: that of b's first panel
    depth: u32,  // elements of K in one slice, a multiple of 8 (K if unsplit)
    step_k: u32, // from z to z: elements of K
    step_a: u32, // elements of A
    step_b: u32, // vectors of b
    step_c: u32, // elements of C
    real: u32,   // columns that are not padding (MASK only)
    residual_rows: u32, // M, or 0 without residual
    scale: f32,
    activates: u32, // 1: the activation is applied, where fuse made it optional
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Chunk>;
@group(0) @binding(2) var<storage, read> b: array<Panel>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Packed>;
@group(0) @binding(5) var<storage, read_write> c: array<Stored>;

var<workgroup> sums: array<vec4<f32>, SUMS>; // [row and part of a vector][slice][lane]

// Which vector of the panel a thread reads, and which chunks of K.
fn lane_of(thread: u32) -> u32 { return thread % 8u; }
fn slice_of(thread: u32) -> u32 { return thread / 8u; }

// put puts the sum of a slice down, and total adds the slices up. joined says whether those of
// a lane have been already.
fn joined(thread: u32) -> bool { return false; }
fn put(part: u32, slice: u32, lane: u32, sum: vec4<f32>, joined: bool) {
    sums[part * 64u + slice * 8u + lane] = sum;
}
fn total(part: u32, lane: u32, joined: bool) -> vec4<f32> {
    var sum = sums[part * 64u + lane];
    for (var s = 1u; s < 8u; s += 1u) {
        sum += sums[part * 64u + s * 8u + lane];
    }
    return sum;
}

// form subgroups enables subgroups
// The slices of a lane are eight threads in a row, which add up by themselves where one
// subgroup holds them: they see by the numbers that they exchange whether it does.
fn lane_of_subgroups(thread: u32) -> u32 { return thread / 8u; }
fn slice_of_subgroups(thread: u32) -> u32 { return thread % 8u; }
fn joined_subgroups(thread: u32) -> bool {
    let one = subgroupShuffleXor(thread, 1u) == (thread ^ 1u);
    let two = subgroupShuffleXor(thread, 2u) == (thread ^ 2u);
    let four = subgroupShuffleXor(thread, 4u) == (thread ^ 4u);
    // All eight, or none: what comes from outside of a subgroup could be any number.
    var all = select(0u, 1u, subgroupAdd(1u) >= 8u && one && two && four);
    all *= subgroupShuffleXor(all, 1u);
    all *= subgroupShuffleXor(all, 2u);
    all *= subgroupShuffleXor(all, 4u);
    return all == 1u;
}
fn put_subgroups(part: u32, slice: u32, lane: u32, sum: vec4<f32>, joined: bool) {
    let two = sum + subgroupShuffleXor(sum, 1u);
    let four = two + subgroupShuffleXor(two, 2u);
    let eight = four + subgroupShuffleXor(four, 4u);
    if slice == 0u || !joined {
        sums[part * 64u + slice * 8u + lane] = select(sum, eight, joined);
    }
}
fn total_subgroups(part: u32, lane: u32, joined: bool) -> vec4<f32> {
    var sum = sums[part * 64u + lane];
    for (var s = 1u; s < select(8u, 1u, joined); s += 1u) {
        sum += sums[part * 64u + s * 8u + lane];
    }
    return sum;
}
// end

fn element(v: Chunk, k: u32) -> f32 { return unpack2x16float(v)[k]; }
fn columns(v: Panel, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(v[2u * h]), unpack2x16float(v[2u * h + 1u])); }
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Stored { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// activate is replaced by a function of activation.wgsl, epilogue by matmul_reduce's.
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> { return x; }
// form f32
const TH_f32 = 1u;
alias Chunk_f32 = vec2<f32>;
alias Chunk_x4_f32 = vec4<f32>;
alias Panel_f32 = vec4<f32>;
alias Packed_f32 = vec4<f32>;
fn element_f32(v: Chunk_f32, k: u32) -> f32 { return v[k]; }
fn element_x4_f32(v: Chunk_x4_f32, k: u32) -> f32 { return v[k]; }
fn columns_f32(v: Panel_f32, h: u32) -> vec4<f32> { return v; }
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

// form x4
alias Chunk_x4 = vec2<u32>;
fn element_x4(v: Chunk_x4, k: u32) -> f32 { return unpack2x16float(v[k / 2u])[k % 2u]; }
// end

// form floats
alias Stored_floats = vec4<f32>;
fn pack_floats(v: vec4<f32>) -> Stored_floats { return v; }
// end

fn store(row: u32, column: u32, slice: u32, sum: vec4<f32>) {
    if row >= p.M || column >= p.N {
        return;
    }
    var x = sum;
    if SPLIT == 0u {
        x = fma(x, vec4<f32>(p.scale), bias[column / 4u]);
        x = epilogue(x, row, column, (row * p.ldr + column) / 4u);
    }
    c[(slice * p.step_c + row * p.ldc + column) / 4u] = pack(x);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = lane_of(thread);
    let slice = slice_of(thread);
    let row = group.x * TM;
    let last = min(p.depth, p.K - group.z * p.step_k);
    let first = group.y * p.K * 8u + group.z * p.step_b + lane;

    // Rows beyond the end repeat the last one: they are never stored.
    // unroll r TM
    let at_r = (min(row + 0u /*r*/, max(p.M, 1u) - 1u) * p.lda + group.z * p.step_a) / TK;
    // unroll h TH
    var acc_r_h = vec4<f32>(0.0);
    // end
    // end
    for (var k = slice * TK; k < last; k += 8u * TK) {
        // unroll r TM
        let a_r = a[at_r + k / TK];
        // end
        // unroll k TK
        let b_k = b[first + 8u * (k + 0u /*k*/)];
        // end
        // unroll h TH
        // unroll k TK
        let w_h_k = columns(b_k, 0u /*h*/);
        // end
        // unroll r TM
        // unroll k TK
        acc_r_h = fma(vec4<f32>(element(a_r, 0u /*k*/)), w_h_k, acc_r_h);
        // end
        // end
        // end
    }

    let added = joined(thread);
    // unroll r TM
    // unroll h TH
    put(0u /*r*/ * TH + 0u /*h*/, slice, lane, acc_r_h, added);
    // end
    // end
    workgroupBarrier();
    let column = p.column + (group.y * 8u + lane) * 4u * TH;
    for (var part = slice; part < TM * TH; part += 8u) {
        store(row + part / TH, column + part % TH * 4u, group.z, total(part, lane, added));
    }
}
