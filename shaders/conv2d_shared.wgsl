// conv2d_shared: C[m,n] = act(Σ_tap Σ_c A[pixel(m) + tap, c]·W[tap, c, n] + bias[n] + residual[m,n])
//
// The same implicit matmul on the same panels as conv2d, by tiles of A and W
// staged in workgroup memory: for GPUs with many threads and fast workgroup
// memory.
//
// Bindings
//   a, b      as in conv2d
//   bias      f32, zero padded to a multiple of 128 columns
//   residual  like c; read for the first p.residual_rows rows
//   c         rows of C, p.ldc elements apart
// workgroup_id.z: as in conv2d; bias and residual begin where c does.
//
// A workgroup of NX·NY threads computes BM = NY·TM rows of BN = 8·NX columns,
// BK steps of K at a time; a thread TM rows (its number, and every NY-th from
// there) of two vec4 that lie BN/2 columns apart, so that neighbouring threads
// read and write neighbouring vectors. workgroup_id: x counts row blocks,
// y column blocks.
//
// Constants: TM rows a thread (4 or 8); NX (a multiple of 8) and NY threads;
// the workgroup size is NX·NY; BM = NY·TM; QUADS, TH, VECTORS, SLOTS, LA and LB of the
// tiles as in matmul_shared; BEFORE = 1 has the activation precede the residual;
// MASK = 1 stores zero in columns from p.real on, for an activation that is not
// zero at zero; PLAIN = 1 stores sums, those of slice s to [s][p.rows][p.ldc].

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
const BEFORE = 0u;
const MASK = 0u;
const PLAIN = 0u;

alias Panel = vec4<u32>;
alias Packed = vec2<u32>;
alias Stored = vec2<u32>;
alias Tile = vec4<f32>; // of the tiles, which products take as f32

struct Params {
    M: u32,       // output pixels
    first: u32,   // pixels before them
    N: u32,       // physical columns to store, a multiple of 8
    K: u32,       // taps · physical channels of A, a multiple of 8
    depth: u32,   // elements of K in one slice, a multiple of 8 (K if unsplit)
    slices: u32,
    rows: u32,    // rows of a slice of partial sums (PLAIN only)
    vectors: u32, // 16-byte vectors of a pixel of A that a group reads
    lda: u32,     // 16-byte vectors from pixel to pixel of A
    ldc: u32,     // elements from row to row
    height: u32,  // of A, pixels, upsampled
    width: u32,
    up: u32,      // A's pixels are read twice in each direction if 1, else 0
    out_height: u32,
    out_width: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_y: u32,   // at the top
    pad_x: u32,   // at the left
    real: u32,    // columns that are not padding (MASK only)
    residual_rows: u32, // M, or 0 without residual; a test of a uniform alone
                        // makes lavapipe compile the kernel anew for each value
    step_a: u32,
    step_b: u32,
    step_c: u32,
    activates: u32, // as in matmul
    tap_step: f32, // 1 / vectors
    row_step: f32, // 1 / kernel_width
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

// whole is x / n for a step of 1 / n: exact below 2^21, and no division.
fn whole(x: u32, step: f32) -> u32 { return u32((f32(x) + 0.5) * step); }

// store finishes a vec4 of sums, which is number `at` of c; column and real count within the
// matrix.
fn store(row: u32, column: u32, matrix: u32, at: u32, sum: vec4<f32>) {
    if row >= p.M || column >= p.N {
        return;
    }
    if PLAIN == 1u {
        c[at] = pack(sum);
        return;
    }
    c[at] = pack(epilogue(sum + bias[(matrix * p.step_c + column) / 4u], row, column, at));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let wide = 4u * TH; // elements of a 16-byte vector
    let nx = thread % NX;
    let ny = thread / NX;
    let slices = max(p.slices, 1u);
    let matrix = group.z / slices;
    let first = group.z % slices * p.depth;
    let last = min(first + p.depth, p.K);
    let panel = group.y * (NX / 4u / TH);
    let panels = max((p.N + 8u * wide - 1u) / (8u * wide), 1u);

    // A thread loads vector v of pixels of A, each of a row of the tile, at a tap. Rows and
    // panels beyond the end repeat the last one: they are never stored.
    let out_width = max(p.out_width, 1u);
    let stored_width = (p.width + p.up) >> p.up;
    let out_area = out_width * max(p.out_height, 1u);
    let v = thread % VECTORS;
    let y = thread / VECTORS % NY;
    let slot = thread / VECTORS / NY;
    // unroll s LA
    let row_s = (0u /*s*/ * SLOTS + slot) * NY + y;
    let m_s = p.first + min(group.x * BM + row_s, max(p.M, 1u) - 1u);
    let picture_s = m_s / out_area * ((p.height + p.up) >> p.up) * stored_width; // its first pixel
    let top_s = m_s % out_area / out_width * p.stride_y - p.pad_y; // row and column of tap 0
    let left_s = m_s % out_width * p.stride_x - p.pad_x;
    // end

    // Of W's panels, whose steps follow each other, it loads a vector of every NX·NY/8-th step.
    let lane = thread % 8u;
    let step = thread / 8u % BK;
    let block = thread / 8u / BK;
    // unroll s LB
    let ahead_s = 0u /*s*/ * NX * NY / 8u;
    let b_from_s = min(panel + block + ahead_s / BK, panels - 1u) * p.K * 8u + lane + matrix * p.step_b;
    // end

    // unroll r TM
    var acc_r_0 = vec4<f32>(0.0);
    var acc_r_1 = vec4<f32>(0.0);
    // end

    for (var k = first; k < last; k += BK) {
        workgroupBarrier();
        // Pixels outside are zero.
        let at = k / wide + v;
        let tap = whole(at, p.tap_step);
        let channel = at - tap * p.vectors + matrix * p.step_a;
        let down = whole(tap, p.row_step);
        let right = tap - down * p.kernel_width;
        // unroll s LA
        let y_s = top_s + down * p.dilation_y; // what is negative has wrapped
        let x_s = left_s + right * p.dilation_x;
        let inside_s = y_s < p.height && x_s < p.width;
        let at_s = (picture_s + (y_s >> p.up) * stored_width + (x_s >> p.up)) * p.lda + channel;
        let a_s = select(Panel(), a[select(0u, at_s, inside_s)], inside_s);
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

    let column = group.y * 8u * NX + nx * 4u;
    let row = group.x * BM + ny;
    let to = ((group.z % slices * p.rows + row) * p.ldc + matrix * p.step_c + column) / 4u;
    // unroll r TM
    store(row + 0u /*r*/ * NY, column, matrix, to + 0u /*r*/ * NY * (p.ldc / 4u), acc_r_0);
    store(row + 0u /*r*/ * NY, column + 4u * NX, matrix, to + 0u /*r*/ * NY * (p.ldc / 4u) + NX, acc_r_1);
    // end
}
