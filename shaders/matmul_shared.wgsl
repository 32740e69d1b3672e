// matmul_shared: C[m,n] = act((Σ_k A[m,k]·W[k,n])·scale + bias[n] + residual[m,n])
//
// The same operation on the same panels as matmul, by tiles of A and W staged
// in workgroup memory: for GPUs with many threads and fast workgroup memory.
//
// Bindings
//   a         rows of A, K elements each, p.lda elements apart
//   b         W in panels of 16-byte vectors: b[(panel·K + k)·8 + lane] holds
//             the lane's 8 columns (f16; 4 columns for f32) at row k
//   bias      f32, zero padded to a multiple of 128 columns
//   residual  like c with p.ldr between rows; read for the first p.residual_rows rows
//   c         rows of C, p.ldc elements apart
//
// A workgroup of NX·NY threads computes BM = NY·TM rows of BN = 8·NX columns,
// BK steps of K at a time; a thread TM rows (its number, and every NY-th from
// there) of two vec4 that lie BN/2 columns apart, so that neighbouring threads
// read and write neighbouring vectors. workgroup_id: x counts row blocks,
// y column blocks, z slices of K or matrices of a batch, as in matmul.
//
// The tiles are arrays of arrays, so that what a thread reads and writes of them lies at
// constant distances from a few places: one bounds check and one address for many.
//
// Constants: TM rows a thread (4 or 8); NX (a multiple of 8) and NY (16 at most) threads;
// the workgroup size is NX·NY; BM = NY·TM; QUADS = BK/4; TH vec4 in a 16-byte vector (f16
// 2, f32 1); VECTORS = QUADS/TH, which a row of A's tile is; SLOTS = NX/VECTORS, so that all
// threads load a vector of SLOTS·NY rows; LA = TM/SLOTS rounded up, and LB = 2·BK/(TH·NY):
// the vectors of A and of W that a thread loads; SPLIT, BEFORE and MASK as in matmul.

const TM = 1u;
const NX = 8u;
const NY = 8u;
const BM = 8u;
const BK = 16u;
const QUADS = 4u;
const VECTORS = 2u;
const SLOTS = 4u;
const LA = 1u;
const LB = 2u;
const TH = 2u;
const SPLIT = 0u;
const BEFORE = 0u;
const MASK = 0u;

alias Panel = vec4<u32>;
alias Packed = vec2<u32>;
alias Stored = vec2<u32>;
alias Tile = vec4<f32>; // of the tiles, which products take as f32

struct Params {
    M: u32,      // rows of C
    N: u32,      // physical columns of C to store, a multiple of 8
    K: u32,      // physical columns of A, a multiple of 8
    lda: u32,    // elements from row to row, multiples of 8
    ldc: u32,
    ldr: u32,
    column: u32, // first column computed: that of b's first panel
    depth: u32,  // elements of K in one slice, a multiple of 8 (K if unsplit)
    step_k: u32, // from slice to slice of K: depth, 0 in a batch
    step_a: u32, // elements of A from z to z, a multiple of 8
    step_b: u32, // vectors of b
    step_c: u32, // elements of C
    real: u32,   // columns that are not padding (MASK only)
    residual_rows: u32, // M, or 0 without residual; a test of a uniform alone
                        // makes lavapipe compile the kernel anew for each value
    scale: f32,
    activates: u32, // 1: the activation is applied, where fuse made it optional
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Panel>;
@group(0) @binding(2) var<storage, read> b: array<Panel>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Packed>;
@group(0) @binding(5) var<storage, read_write> c: array<Stored>;

// vec4 along k of VECTORS, each of TH, of row (load·SLOTS + slot)·NY + ny
var<workgroup> tile_a: array<array<array<array<array<Tile, NY>, SLOTS>, LA>, TH>, VECTORS>;
// vec4 along n of a step's halves
var<workgroup> tile_b: array<array<array<array<Tile, NX>, 2>, 4>, QUADS>;

// columns is the h-th vec4 of a 16-byte vector, of W or of A.
fn columns(v: Panel, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(v[2u * h]), unpack2x16float(v[2u * h + 1u])); }
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Stored { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// activate is replaced by a function of activation.wgsl, epilogue by matmul_reduce's.
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> { return x; }
// form f32
const TH_f32 = 1u;
alias Panel_f32 = vec4<f32>;
alias Packed_f32 = vec4<f32>;
fn columns_f32(v: Panel_f32, h: u32) -> vec4<f32> { return v; }
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

// form halves enables f16
alias Tile_halves = vec4<f16>;
// end

// form floats
alias Stored_floats = vec4<f32>;
fn pack_floats(v: vec4<f32>) -> Stored_floats { return v; }
// end

// store finishes a vec4 of sums, which is number `at` of c.
fn store(row: u32, column: u32, at: u32, sum: vec4<f32>) {
    if row >= p.M || column >= p.N {
        return;
    }
    var x = sum;
    if SPLIT == 0u {
        x = fma(x, vec4<f32>(p.scale), bias[column / 4u]);
        x = epilogue(x, row, column, (row * p.ldr + column) / 4u);
    }
    c[at] = pack(x);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let wide = 4u * TH; // elements of a 16-byte vector
    let nx = thread % NX;
    let ny = thread / NX;
    let last = min(p.depth, p.K - group.z * p.step_k);
    let from_a = group.z * p.step_a;
    let from_b = group.z * p.step_b;
    let panel = group.y * (NX / 4u / TH);
    let panels = max((p.N - p.column + 8u * wide - 1u) / (8u * wide), 1u);

    // A thread loads vector v of rows of A. Rows and panels beyond the end repeat the last
    // one: they are never stored.
    let v = thread % VECTORS;
    let y = thread / VECTORS % NY;
    let slot = thread / VECTORS / NY;
    // unroll s LA
    let a_from_s = (from_a + min(group.x * BM + (0u /*s*/ * SLOTS + slot) * NY + y, max(p.M, 1u) - 1u) * p.lda) / wide;
    // end
    // Of W's panels, whose steps follow each other, it loads a vector of every NX·NY/8-th step.
    let lane = thread % 8u;
    let step = thread / 8u % BK;
    let block = thread / 8u / BK;
    // unroll s LB
    let ahead_s = 0u /*s*/ * NX * NY / 8u;
    let b_from_s = from_b + min(panel + block + ahead_s / BK, panels - 1u) * p.K * 8u + lane;
    // end

    // unroll r TM
    var acc_r_0 = vec4<f32>(0.0);
    var acc_r_1 = vec4<f32>(0.0);
    // end

    for (var k = 0u; k < last; k += BK) {
        workgroupBarrier();
        // unroll s LA
        let a_s = a[a_from_s + min(k / wide + v, (last - 1u) / wide)];
        // unroll h TH
        tile_a[v][0u /*h*/][0u /*s*/][slot][y] = Tile(columns(a_s, 0u /*h*/));
        // end
        // end
        // unroll s LB
        let b_s = b[b_from_s + min(k + step + ahead_s % BK, last - 1u) * 8u];
        // unroll h TH
        let n_s_h = ((block + ahead_s / BK) * 8u + lane) * TH + 0u /*h*/;
        tile_b[ahead_s % BK / 4u + step / 4u][step % 4u][n_s_h / NX][n_s_h % NX] = Tile(columns(b_s, 0u /*h*/));
        // end
        // end
        workgroupBarrier();

        let quads = min(BK, last - k) / 4u; // fewer at the end
        for (var q = 0u; q < quads; q += 1u) {
            // unroll r TM
            let a_r = vec4<f32>(tile_a[q / TH][q % TH][0u /*r*/ / SLOTS][0u /*r*/ % SLOTS][ny]);
            // end
            var b_0 = vec4<f32>(tile_b[q][0][0][nx]);
            var b_1 = vec4<f32>(tile_b[q][0][1][nx]);
            // unroll r TM
            acc_r_0 = fma(vec4<f32>(a_r.x), b_0, acc_r_0);
            acc_r_1 = fma(vec4<f32>(a_r.x), b_1, acc_r_1);
            // end
            b_0 = vec4<f32>(tile_b[q][1][0][nx]);
            b_1 = vec4<f32>(tile_b[q][1][1][nx]);
            // unroll r TM
            acc_r_0 = fma(vec4<f32>(a_r.y), b_0, acc_r_0);
            acc_r_1 = fma(vec4<f32>(a_r.y), b_1, acc_r_1);
            // end
            b_0 = vec4<f32>(tile_b[q][2][0][nx]);
            b_1 = vec4<f32>(tile_b[q][2][1][nx]);
            // unroll r TM
            acc_r_0 = fma(vec4<f32>(a_r.z), b_0, acc_r_0);
            acc_r_1 = fma(vec4<f32>(a_r.z), b_1, acc_r_1);
            // end
            b_0 = vec4<f32>(tile_b[q][3][0][nx]);
            b_1 = vec4<f32>(tile_b[q][3][1][nx]);
            // unroll r TM
            acc_r_0 = fma(vec4<f32>(a_r.w), b_0, acc_r_0);
            acc_r_1 = fma(vec4<f32>(a_r.w), b_1, acc_r_1);
            // end
        }
    }

    let column = p.column + group.y * 8u * NX + nx * 4u;
    let row = group.x * BM + ny;
    let to = (group.z * p.step_c + row * p.ldc + column) / 4u;
    // unroll r TM
    store(row + 0u /*r*/ * NY, column, to + 0u /*r*/ * NY * (p.ldc / 4u), acc_r_0);
    store(row + 0u /*r*/ * NY, column + 4u * NX, to + 0u /*r*/ * NY * (p.ldc / 4u) + NX, acc_r_1);
    // end
}
