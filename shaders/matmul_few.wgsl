// matmul_few: the matmul of a few rows, C as in matmul, for GPUs: such a product is
// bound by reading W, and eight lanes are too few to wait for memory with.
//
// Bindings and panels are matmul's. Of the 64 threads of a workgroup, which does TM
// rows of one panel, eight share a step of K, a vector of the panel each; the eight
// such slices take every eighth chunk of K, so that all read neighbours at once. Their
// sums meet in workgroup memory and are added in order: results do not vary from run
// to run. workgroup_id: x counts blocks of TM rows, y panels, z slices of K for
// matmul_reduce.
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
    let lane = thread % 8u;
    let slice = thread / 8u;
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

    // unroll r TM
    // unroll h TH
    sums[(0u /*r*/ * TH + 0u /*h*/) * 64u + thread] = acc_r_h;
    // end
    // end
    workgroupBarrier();
    let column = p.column + (group.y * 8u + lane) * 4u * TH;
    for (var part = slice; part < TM * TH; part += 8u) {
        var sum = sums[part * 64u + lane];
        for (var s = 1u; s < 8u; s += 1u) {
            sum += sums[part * 64u + s * 8u + lane];
        }
        store(row + part / TH, column + part % TH * 4u, group.z, sum);
    }
}
